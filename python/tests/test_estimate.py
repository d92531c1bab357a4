"""`estimate`: how much memory a build takes, told before it starts and refused where it is less."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import nearfield as nf
from conftest import clustered


def test_more_points_need_more(path: Path, numbered: Callable[..., nf.Collection]) -> None:
    posts = nf.create(path, dim=64)
    few, many = posts.estimate(10_000), posts.estimate(1_000_000)
    assert few.needed < many.needed
    assert many.available is None or many.available > 0
    assert posts.estimate(10_000, attribute_bytes=500).needed == few.needed + 500
    assert numbered(clustered(2_000, 8)).estimate().needed > 0
    with pytest.raises(TypeError, match="points: expected an int"):
        posts.estimate("many")  # type: ignore[arg-type]
    with pytest.raises(nf.InvalidArgumentError, match="points"):
        posts.estimate(-1)


def test_what_does_not_fit_is_refused(path: Path) -> None:
    np.save(path.with_name("base.npy"), clustered(30_000, 64))
    code = """if True:
        import sys, nearfield as nf
        posts = nf.create(sys.argv[1], dim=64)
        try:
            posts.load(sys.argv[2])
        except nf.ResourceLimitError as error:
            assert isinstance(error, MemoryError) and len(posts) == 0
            print(error)
    """
    told = subprocess.run(
        [sys.executable, "-c", code, str(path), str(path.with_name("base.npy"))],
        env={**os.environ, "NEARFIELD_MEMORY_LIMIT": "32MiB"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "memory to load" in told
    assert "32.0 MiB available" in told


@pytest.mark.parametrize(
    "variable", ["NEARFIELD_THREADS", "NEARFIELD_ISA", "NEARFIELD_MEMORY_LIMIT"]
)
def test_variables_that_cannot_be_used(variable: str) -> None:
    code = """if True:
        import nearfield as nf
        try:
            nf.create(dim=2)
        except nf.InvalidArgumentError as error:
            print(error)
    """
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, variable: "some"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.startswith(f"{variable}: expected")
