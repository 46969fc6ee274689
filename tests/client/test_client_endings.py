import pytest

from stompede.client.endings import ending, may_come_back, status_may_change
from stompede.server.session.disconnects import Disconnects


@pytest.mark.parametrize("row", list(Disconnects), ids=lambda row: row.reason)
def test_every_row_of_the_servers_table_is_obeyed(row: Disconnects) -> None:
    assert may_come_back(row.code) is row.reconnect
    why = ending(row.code, "")
    assert (why.reason, why.reconnect) == (row.reason, row.reconnect)


@pytest.mark.parametrize(
    ("code", "back"),
    [
        *((code, True) for code in (1001, 1006, 1012, 1013, 3000, 4000, 4499)),
        *((code, False) for code in (1002, 1003, 1008, 1010, 4500, 4999)),
    ],
)
def test_close_codes_outside_of_the_table_are_read_by_their_range(code: int, back: bool) -> None:
    assert may_come_back(code) is back


def test_a_connection_without_a_close_frame_is_lost_and_may_be_made_again() -> None:
    why = ending(None, "")
    assert (why.code, why.reason, why.reconnect) == (1006, "connection-lost", True)


def test_what_the_error_frame_says_wins_over_the_close_code() -> None:
    assert ending(1012, "", reconnect=False).reconnect is False
    assert ending(4502, "", reconnect=True).reconnect is True


def test_the_error_holds_code_and_reason_and_says_the_detail() -> None:
    error = ending(4003, "slow-consumer", detail="too slow").error()
    assert (error.code, error.reason) == (4003, "slow-consumer")
    assert str(error) == "the connection ended: slow-consumer (4003): too slow"


@pytest.mark.parametrize(
    ("status", "may"),
    [(503, True), (500, True), (429, True), (404, True), (401, False), (403, False), (400, False)],
)
def test_a_refused_handshake_is_repeated_where_it_may_succeed_later(status: int, may: bool) -> None:
    assert status_may_change(status) is may
