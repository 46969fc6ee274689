"""The wire under the fuzzer, and under ten million mutated frames: each in processes of their own.

``make fuzz`` and ``make proof`` run all of it: ``STOMPEDE_FUZZ_S`` is how long each target is fuzzed, and
``STOMPEDE_FUZZ_FRAMES`` how many frames there are. Without them, as in ``.ci/run``, it is less.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from seeds import write
from targets import CORPUS, FOUND, HERE, ROOT, TARGETS, again

SECONDS = int(os.environ.get("STOMPEDE_FUZZ_S", "20"))
FRAMES = int(os.environ.get("STOMPEDE_FUZZ_FRAMES", "0"))
FRAMES_BY_DEFAULT = 1_000_000
SECONDS_BY_DEFAULT = 32
WORKERS = min(2, os.cpu_count() or 1)
MAX_GROWTH_BYTES = 4 * 1024 * 1024
MAX_RSS_MB = 512
MAX_INPUT_BYTES = 600
HANG_S = 20
MAX_SAID = 4000
START_S = 240  # the fuzzer instruments what it imports, and looks at the corpus first

_DONE = re.compile(r"Done (\d+) runs")
_KEPT = re.compile(r"Test unit written to (\S+)")


def say(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """A line for who reads the log: how much was really done."""
    with capsys.disabled():
        sys.stdout.write(f"\n{line}\n")


def run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs a process to its end; what it says is complete also where it had to be ended."""
    try:
        return subprocess.run(
            command, cwd=ROOT, timeout=seconds, capture_output=True, text=True, errors="replace", check=False
        )
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b"").decode(errors="replace")[-MAX_SAID:]
        raise AssertionError(f"{' '.join(command)} did not end within {seconds:.0f} s:\n{said}") from None


@pytest.mark.proof
@pytest.mark.timeout(SECONDS + START_S + 60)
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: make .venv/.fuzz (Linux on x86-64)",
)
@pytest.mark.parametrize("target", TARGETS)
def test_fuzzer_finds_nothing(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, failed = FOUND / target, FOUND / "failed" / target
    for folder in (found, failed):
        folder.mkdir(parents=True, exist_ok=True)
    dictionary = HERE / ("stomp.dict" if target.startswith("stomp") else "wire.dict")
    done = run(
        [
            sys.executable, str(HERE / "guided.py"), target, f"-dict={dictionary}", f"-max_total_time={SECONDS}",
            f"-max_len={MAX_INPUT_BYTES}", f"-timeout={HANG_S}", f"-rss_limit_mb={MAX_RSS_MB}",
            f"-artifact_prefix={failed}/", "-verbosity=1",
            str(found), str(CORPUS / target), str(write(target, tmp_path / "seeds")),
        ],
        SECONDS + START_S,
    )  # fmt: skip
    if kept := _KEPT.search(done.stderr):
        path = Path(kept[1])
        pytest.fail(f"{raised(done)}\n{path} is the input. Once more: {again(target, path)}", pytrace=False)
    ran = _DONE.search(done.stderr)
    assert done.returncode == 0, done.stderr[-MAX_SAID:]
    assert ran is not None, done.stderr[-MAX_SAID:]
    say(capsys, f"{target}: {int(ran[1]):,} inputs in {SECONDS} s, nothing found")


def raised(done: subprocess.CompletedProcess[str]) -> str:
    """What did not hold; without an exception, as where an input does not end, the fuzzer's own words."""
    at = done.stdout.find("=== Uncaught Python exception")
    return done.stdout[at : at + MAX_SAID] if at >= 0 else done.stderr[-MAX_SAID:]


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_millions_of_mutated_frames_neither_escape_nor_hang_nor_grow(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seed = int(os.environ.get("STOMPEDE_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
    each = -(-(FRAMES or FRAMES_BY_DEFAULT) // WORKERS)
    begin = time.monotonic()
    workers = [start(seed, each, number) for number in range(WORKERS)]
    told = []
    for worker in workers:
        out, err = worker.communicate()  # a worker ends itself when a frame does not end
        assert worker.returncode == 0, f"seed {seed}: {err[-MAX_SAID:]}"
        told.append(json.loads(out))
    seconds = time.monotonic() - begin
    taken, refused = (sum(one[what] for one in told) for what in ("taken", "refused"))
    rate = (taken + refused) / seconds
    growth = max(one["growth_bytes"] for one in told)
    say(
        capsys,
        f"{taken + refused:,} mutated frames in {seconds:.0f} s ({rate:,.0f}/s, {WORKERS} processes,"
        f" seed {seed}): {taken:,} taken, {refused:,} refused, {growth / 1e6:+.1f} MB",
    )
    assert taken + refused >= FRAMES
    assert refused > taken / 50
    assert growth < MAX_GROWTH_BYTES, f"seed {seed}: a process has {growth / 1e6:.1f} MB more at the end"


def start(seed: int, frames: int, number: int) -> subprocess.Popen[str]:
    """Starts a worker for its share of the blocks."""
    command = [
        sys.executable, str(HERE / "frames.py"), "--seed", str(seed), "--frames", str(frames),
        "--first", str(number), "--step", str(WORKERS),
    ]  # fmt: skip
    if not FRAMES:
        command += ["--seconds", str(SECONDS_BY_DEFAULT)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
