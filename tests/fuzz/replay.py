"""Plays inputs once more: ``replay.py TARGET FILE...``. Needs no fuzzer; what does not hold is raised."""

from __future__ import annotations

import sys
from pathlib import Path

from targets import TARGETS


def main() -> None:
    target, *files = sys.argv[1:]
    for file in files:
        TARGETS[target](Path(file).read_bytes())
    sys.stdout.write(f"{len(files)} played, all is well\n")


if __name__ == "__main__":
    main()
