"""Answers of one turn of the loop, written together at its end."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from serving import Serve, make_app
from stompede.server.handlers.answers import MAX_WAITING, Answers


class Loop:
    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def turn(self) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()


class Writer:
    def __init__(self, written: list["Writer"]) -> None:
        self.written = written

    def write_answers(self) -> None:
        self.written.append(self)


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_answers_are_written_at_the_end_of_the_turn_in_order(loop: Loop) -> None:
    answers = Answers(loop.call_soon)
    written: list[Writer] = []
    writers = [Writer(written) for _ in range(3)]
    for writer in writers:
        answers.add(writer)
    assert written == []
    loop.turn()
    assert written == writers
    loop.turn()
    assert written == writers


def test_one_callback_is_asked_for_in_a_turn(loop: Loop) -> None:
    answers = Answers(loop.call_soon)
    for _ in range(5):
        answers.add(Writer([]))
    assert len(loop.callbacks) == 1


def test_many_answers_do_not_wait_for_the_end_of_the_turn(loop: Loop) -> None:
    answers = Answers(loop.call_soon)
    written: list[Writer] = []
    for _ in range(MAX_WAITING):
        answers.add(Writer(written))
    assert len(written) == MAX_WAITING
    answers.add(Writer(written))
    loop.turn()
    assert len(written) == MAX_WAITING + 1


def test_what_is_written_early_is_not_written_again(loop: Loop) -> None:
    answers = Answers(loop.call_soon)
    written: list[Writer] = []
    answers.add(Writer(written))
    answers.write()
    assert len(written) == 1
    loop.turn()
    assert len(written) == 1


def test_one_that_cannot_be_written_costs_the_others_nothing(loop: Loop) -> None:
    class Broken:
        def write_answers(self) -> None:
            raise RuntimeError("no")

    answers = Answers(loop.call_soon)
    written: list[Writer] = []
    writers = [Writer(written) for _ in range(2)]
    for each in (writers[0], Broken(), writers[1]):
        answers.add(each)
    with capture_logs() as logs:
        loop.turn()
    assert written == writers
    assert [line["event"] for line in logs] == ["answers could not be written"]


async def test_an_answer_comes_before_what_is_fanned_out_after_it(serve: Serve) -> None:
    served = await serve(make_app())
    client = await served.client()
    await client.subscribe("/topic/a")
    for number in range(20):
        await client.send("SEND", {"destination": "/topic/a", "receipt": f"r{number}"}, str(number))
    await client.frame_where(lambda frame: frame.headers.get("receipt-id") == "r19", "the last RECEIPT")
    await client.frame_where(lambda frame: frame.text == "19", "the last MESSAGE")
    came = [(frame.command, frame.headers.get("receipt-id") or f"r{frame.text}") for frame in client.frames]
    for number in range(19):
        assert came.index(("RECEIPT", f"r{number}")) < came.index(("MESSAGE", f"r{number}"))
