"""Writes the reference of the command from what it says itself:  cli.py PROGRAM OUTPUT."""

import re
import subprocess
import sys
from pathlib import Path


def help_of(program: str, *command: str) -> str:
    """What `program command --help` prints."""
    asked = [program, *command, "--help"]
    return subprocess.run(
        asked, check=True, capture_output=True, text=True
    ).stdout.rstrip()


def main() -> None:
    """Write a page with a section a command."""
    program, page = sys.argv[1:]
    top = help_of(program)
    commands = re.search(r"Commands:\n(.*?)\n\n", top, re.DOTALL)
    names = re.findall(r"^  ([a-z-]+) ", commands[1] if commands else "", re.MULTILINE)
    sections = [("nearfield", top)]
    for name in names:
        if name == "help":
            continue
        text = help_of(program, name)
        sections.append((f"nearfield {name}", text))
        inner = re.search(r"Commands:\n(.*?)\n\n", text, re.DOTALL)
        for sub in re.findall(
            r"^  ([a-z_-]+) ", inner[1] if inner else "", re.MULTILINE
        ):
            if sub != "help":
                sections.append(
                    (f"nearfield {name} {sub}", help_of(program, name, sub))
                )
    blocks = [f"## {title}\n```text\n{text}\n```" for title, text in sections]
    intro = "# Command line\n\nWhat each command says with `--help`.\n\n"
    Path(page).write_text(intro + "\n\n".join(blocks) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
