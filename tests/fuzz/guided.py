"""Coverage-guided fuzzing by atheris (libFuzzer): ``guided.py TARGET [FLAG...] [FOLDER...]``; ``make fuzz`` calls it.

Flags are libFuzzer's. Of the folders the first one takes what is found.
"""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["stompede.wire"]):
    from targets import TARGETS

from mutation import Mutator

HALF = 0.5


def by_grammar(data: bytes, max_size: int, seed: int) -> bytes:
    """libFuzzer's own mutation, or frames of the grammar put into the stream."""
    chance = random.Random(seed)
    if chance.random() < HALF:
        return atheris.Mutate(data, max_size)
    frames = Mutator(chance, server=sys.argv[1] == "stomp-client")
    new = frames.stream(chance.randint(1, 3))
    stream = data[2:]
    cut = chance.randint(0, len(stream)) if chance.random() < HALF else stream.rfind(b"\0") + 1
    return (data[:2].ljust(2, b"3") + stream[:cut] + new + stream[cut:])[:max_size]


def main() -> None:
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    structured = {"custom_mutator": by_grammar} if name in ("stomp-server", "stomp-client") else {}
    # libFuzzer starts itself anew where it merges, by its first argument.
    atheris.Setup([f"{sys.executable} {__file__} {name}", *options], target, **structured)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
