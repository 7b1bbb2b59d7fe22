"""The one door to the terminal: all that commands say goes through here, and none of it can control a terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from experiments.text import visible


def say(*lines: str, is_problem: bool = False) -> None:
    """Print lines at once, on standard output, or on standard error if they report a problem."""
    stream = sys.stderr if is_problem else sys.stdout
    stream.write("".join(f"{visible(line)}\n" for line in lines))
    stream.flush()


def open_streams() -> None:
    """Make every stream accept every letter: one that its encoding lacks becomes ``?``. A closed stream accepts all."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            # It also takes up the number of the closed stream, which the next file, perhaps an archive, would get.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end
        elif mode == "w" and (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="replace")
