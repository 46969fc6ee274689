"""Everything that the fuzzer once found worth keeping, and the conformance vectors, against what must hold of the wire.

Fast, and without the fuzzer. A new entry is a file in ``tests/fuzz/corpus/TARGET/``.
"""

from __future__ import annotations

import gc
import random
import tracemalloc
from pathlib import Path

import frames
import mutation
import pytest
from seeds import seeds, write
from target_stomp import Play
from targets import CORPUS, TARGETS, again, entries

MAX_ENTRY_BYTES = 4096
MAX_TARGET_BYTES = 128 * 1024


@pytest.mark.parametrize("target", TARGETS)
def test_every_kept_input_holds(target: str) -> None:
    kept = entries(target)
    assert kept, f"{CORPUS / target} is empty"
    for path in kept:
        try:
            TARGETS[target](path.read_bytes())
        except BaseException as error:
            error.add_note(f"{path}; once more: {again(target, path)}")
            raise


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_holds(target: str) -> None:
    for seed in seeds()[target]:
        TARGETS[target](seed)


def test_the_corpus_is_small() -> None:
    assert sorted(path.name for path in CORPUS.iterdir()) == sorted(TARGETS)
    for target in TARGETS:
        sizes = [path.stat().st_size for path in entries(target)]
        assert max(sizes) <= MAX_ENTRY_BYTES, target
        assert sum(sizes) <= MAX_TARGET_BYTES, target


def test_inputs_say_how_they_are_played() -> None:
    play = Play.of(b"70SEND")
    assert (play.version, play.odd, play.stream) == (Play.of(b"3").version, False, b"SEND")
    assert play.limits != Play.of(b"3").limits
    assert Play.of(b"").stream == b""


def test_some_thousand_mutated_frames_hold() -> None:
    done = frames.Done(0, 0)
    for number in range(4):
        more = frames.play_block(2026, number)
        done = frames.Done(done.taken + more.taken, done.refused + more.refused)
    assert done.frames > 5000
    # Frames that are all refused, or all taken, would try little.
    assert 0.05 < done.refused / done.frames < 0.5


def test_mutated_frames_are_those_of_their_seed() -> None:
    streams = [mutation.Mutator(random.Random(seed)).stream(50) for seed in (1, 1, 2)]
    assert streams[0] == streams[1] != streams[2]


def test_memory_is_flat_under_mutated_frames() -> None:
    def left_after(blocks: range) -> int:
        for number in blocks:
            frames.play_block(7, number, batches=40)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = left_after(range(5))
        after = left_after(range(5, 10))
    finally:
        tracemalloc.stop()
    assert after - before < 10_000


def test_an_input_that_fails_is_kept_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(data: bytes, _: object) -> tuple[int, int]:
        raise AssertionError("a bug")

    monkeypatch.setattr(frames, "FOUND", tmp_path)
    monkeypatch.setattr(frames, "SIDES", tuple(side._replace(once=broken) for side in frames.SIDES))
    with pytest.raises(AssertionError, match="a bug") as raised:
        frames.play_block(1, 5)
    (kept,) = (tmp_path / "failed" / "stomp-server").iterdir()
    (note,) = raised.value.__notes__
    assert note.startswith("seed 1, block 5; ")
    assert note.endswith(f"replay.py stomp-server {kept}")
    assert kept.read_bytes() == frames.client_batch(random.Random("1-5"))


def test_seeds_are_written_for_the_fuzzer(tmp_path: Path) -> None:
    assert len(list(write("stomp-server", tmp_path / "a").iterdir())) == len(seeds()["stomp-server"])
