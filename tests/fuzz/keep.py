"""Takes what the fuzzer has found into the corpus, and leaves out what adds nothing: ``keep.py [TARGET...]``.

Kept are small inputs that together reach all that the corpus, the seeds and the finds in ``var/fuzz`` reach; and what
has a name of words, as that is there for a reason of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from seeds import write
from targets import CORPUS, FOUND, HERE, TARGETS, entries

_FOUND_BY_FUZZER = re.compile(r"[0-9a-f]{40}")


def keep(target: str) -> int:
    """Makes the corpus of a target anew; returns how many inputs it has."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        new = folder / "new"
        new.mkdir()
        given = [CORPUS / target, FOUND / target, write(target, folder / "seeds")]
        command = [sys.executable, str(HERE / "guided.py"), target, "-set_cover_merge=1", str(new)]
        command += [str(each) for each in given if each.is_dir()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        for old in entries(target):
            if _FOUND_BY_FUZZER.fullmatch(old.name):
                old.unlink()
        named = {path.read_bytes() for path in entries(target)}
        for path in new.iterdir():
            if path.read_bytes() not in named:
                shutil.copy(path, CORPUS / target)
        return len(entries(target))


def main() -> None:
    for target in sys.argv[1:] or TARGETS:
        sys.stdout.write(f"{target}: {keep(target)} inputs\n")


if __name__ == "__main__":
    main()
