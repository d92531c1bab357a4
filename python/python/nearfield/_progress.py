"""Progress bars, where tqdm is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ._checks import flag

Tick = Callable[[int, int], None]


@contextmanager
def bar(shown: bool, title: str) -> Iterator[Tick | None]:
    """Show a bar and yield what moves it: a function of steps done and steps in all.

    Yields None, and shows nothing, if `shown` is false or tqdm isn't installed.
    """
    if not flag(shown, "progress"):
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    # Steps are not always points: a share is what a person can read.
    with tqdm(desc=title, bar_format="{l_bar}{bar}| {elapsed}<{remaining}") as line:

        def tick(done: int, total: int) -> None:
            line.total = total or None
            line.n = done
            line.refresh()

        yield tick
