"""Very many mutated frames against the wire: ``frames.py --frames N [--seed S] [--first I --step W] [--seconds T]``.

Work comes in blocks, each made from the seed and its number alone, so a block that fails fails again by itself:
``--seed S --first I --frames 1``. What a block leaves behind in memory is measured over all of them. The last line on
standard output is what was done, as JSON. A block that does not end is ended, with a traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import hashlib
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil
from mutation import Mutator, websocket_stream
from target_stomp import client, client_once, server, server_once
from target_websocket import websocket, websocket_once
from targets import FOUND, again

from stompede.wire.stomp import HeadCache

BATCHES = 300
BATCH_FRAMES = 10
HANG_S = 120
WARM_UP_BLOCKS = 20
# One batch in so many is held against all that must hold, not only against what a running node would notice.
THOROUGH_EVERY = 100


class Side(NamedTuple):
    """A part of the wire: its name, how it is played, all that must hold of it, and what its batches are made of."""

    target: str
    once: Callable[[bytes, HeadCache], tuple[int, int]]
    all_of_it: Callable[[bytes], None]
    batch: Callable[[random.Random], bytes]


def client_batch(chance: random.Random) -> bytes:
    """What a client writes."""
    how = 1 + int(chance.random() * 3)
    frames = Mutator(chance, crlf=0.2 if how == 3 else 0.0)
    return bytes((48 + how, int(chance.random() * 256))) + frames.stream(BATCH_FRAMES)


def server_batch(chance: random.Random) -> bytes:
    """What a server writes."""
    how = 1 + int(chance.random() * 3)
    frames = Mutator(chance, server=True, crlf=0.2 if how == 3 else 0.0)
    return bytes((48 + how, int(chance.random() * 256))) + frames.stream(BATCH_FRAMES)


def websocket_batch(chance: random.Random) -> bytes:
    """WebSocket frames."""
    return bytes((48 + int(chance.random() * 4),)) + websocket_stream(chance, BATCH_FRAMES)


SIDES = (
    Side("stomp-server", server_once, server, client_batch),
    Side("stomp-client", client_once, client, server_batch),
    Side("websocket", websocket_once, websocket, websocket_batch),
)
TURNS = (0, 0, 0, 1, 2)


class Done(NamedTuple):
    """What was done.

    Attributes:
        taken: frames that were right.
        refused: frames that were not, each the end of a connection.
    """

    taken: int
    refused: int

    @property
    def frames(self) -> int:
        """Frames that were judged. What stood behind a refused one in its batch does not count."""
        return self.taken + self.refused


def play_block(seed: int, number: int, batches: int = BATCHES) -> Done:
    """Plays one block.

    Raises:
        AssertionError: something did not hold; the input is kept, and the error says where.
    """
    chance = random.Random(f"{seed}-{number}")
    cache = HeadCache(256)
    taken = refused = 0
    for turn in range(batches):
        side = SIDES[TURNS[turn % len(TURNS)]]
        data = side.batch(chance)
        try:
            more = side.once(data, cache)
            if turn % THOROUGH_EVERY < len(TURNS):
                side.all_of_it(data)
        except BaseException as error:
            path = keep(side.target, data)
            error.add_note(
                f"seed {seed}, block {number}; the input is {path}. Once more: {again(side.target, path)}"
            )
            raise
        taken += more[0]
        refused += more[1]
    assert cache.statistics().entries <= 256
    return Done(taken, refused)


def keep(target: str, data: bytes) -> Path:
    """Saves an input that failed."""
    folder = FOUND / "failed" / target
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"frames-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    return path


def resident_bytes() -> int:
    """Memory of this process, after all is let go that can be."""
    gc.collect()
    size: int = psutil.Process().memory_info().rss
    return size


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    asked = parser.parse_args()
    done = Done(0, 0)
    number, begin, before = asked.first, time.monotonic(), 0
    while done.frames < asked.frames and time.monotonic() - begin < asked.seconds:
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        more = play_block(asked.seed, number)
        done = Done(done.taken + more.taken, done.refused + more.refused)
        number += asked.step
        if (number - asked.first) // asked.step == WARM_UP_BLOCKS:
            before = resident_bytes()
    faulthandler.cancel_dump_traceback_later()
    growth = resident_bytes() - before if before else 0
    told = {
        "taken": done.taken,
        "refused": done.refused,
        "growth_bytes": growth,
        "seconds": time.monotonic() - begin,
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
