"""The clock of a node alone: deadlines that are due every ten seconds, and nothing that happens when they are.

``python -m benchmarks.clock`` prints one report; ``--bare`` calls as many objects in a loop, which is the least that
anything could cost.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.generator import ROOT, Report
from stompede.server.deadlines import RESOLUTION_S, Deadlines

COUNT: Final = 1_000_000
INTERVAL_S: Final = 10.0
TICKS: Final = int(INTERVAL_S / RESOLUTION_S)


class Beating:
    """What asks to be called again after the interval."""

    __slots__ = ("bucket", "called")

    def __init__(self) -> None:
        self.bucket = self.called = 0

    def on_deadline(self, now: float) -> float:
        """See `stompede.server.deadlines.Timed`."""
        self.called += 1
        return now + INTERVAL_S


def by_deadlines(beating: Sequence[Beating]) -> Callable[[float], object]:
    """The node's clock, with deadlines spread evenly over the interval."""
    deadlines = Deadlines()
    deadlines.expire(0.0)
    for number, each in enumerate(beating):
        deadlines.add(each, (1 + number % TICKS) * RESOLUTION_S)
    return deadlines.expire


def by_bare_calls(beating: Sequence[Beating]) -> Callable[[float], object]:
    """Lists that are walked in turn."""
    turns = [beating[turn::TICKS] for turn in range(TICKS)]

    def tick(now: float) -> None:
        for each in turns[round(now / RESOLUTION_S - 1) % TICKS]:
            each.on_deadline(now)

    return tick


def measure(bare: bool) -> Report:
    """One interval, after one that is not counted."""
    beating = [Beating() for _ in range(COUNT)]
    tick = (by_bare_calls if bare else by_deadlines)(beating)
    gc.freeze()
    for turn in range(TICKS):
        tick((turn + 1) * RESOLUTION_S)
    longest_s = 0.0
    begin = time.process_time()
    for turn in range(TICKS, 2 * TICKS):
        before = time.process_time()
        tick((turn + 1) * RESOLUTION_S)
        longest_s = max(longest_s, time.process_time() - before)
    spent_s = time.process_time() - begin
    return {
        "ok": all(each.called == 2 for each in beating),
        "percent": round(100 * spent_s / INTERVAL_S, 2),
        "longestTickMs": round(1000 * longest_s, 2),
    }


def run_clock(core: int, *, bare: bool) -> Report:
    """`measure` in a process of its own on one core."""
    command = [sys.executable, "-m", "benchmarks.clock", *(["--bare"] if bare else [])]
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    report: Report = json.loads(done.stdout)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", action="store_true")
    print(json.dumps(measure(parser.parse_args().bare)))
