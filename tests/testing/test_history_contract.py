"""The public suite of histories: each fault is found by the test that is named for the promise."""

from typing import Any

import history_faults as faults
import pytest
from history_faults import JoinedHistory, LateHistory

from stompede.store import HistoryStore
from stompede.testing.contracts import HistoryContract, SharedHistoryContract

FOUND = (AssertionError, TimeoutError, pytest.fail.Exception)


class Histories(HistoryContract):
    kind: type[LateHistory] = LateHistory

    async def make_store(self, *, max_destinations: int = 1000, max_bytes: int = 1024 * 1024) -> LateHistory:
        return self.kind(max_destinations=max_destinations, max_bytes=max_bytes)


class TestLateHistory(Histories):
    pass


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # a fault may well leave some
@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.CountFromZeroHistory, "positions_count_from_one_in_one_epoch"),
        (faults.AwaitedHistory, "positions_keep_the_order_of_the_calls_not_of_the_waiting"),
        (faults.UnboundedHistory, "no_more_is_kept_than_the_count_says"),
        (faults.UnboundedHistory, "no_more_is_kept_than_the_bytes_say"),
        (faults.UnboundedHistory, "what_is_too_old_is_dropped_and_the_epoch_goes_on"),
        (faults.UnboundedHistory, "what_is_too_large_is_not_kept_but_has_its_position"),
        (faults.PartHistory, "no_more_is_kept_than_the_count_says"),
        (faults.PartHistory, "a_position_of_another_epoch_or_of_the_future_is_never_complete"),
        (faults.AgainHistory, "read_gives_all_that_came_after_a_position_in_order"),
        (faults.AgainHistory, "after_the_newest_there_is_nothing_and_it_is_complete"),
        (faults.NewestHistory, "a_limit_cuts_off_the_newest_and_the_next_page_goes_on_there"),
        (faults.OneEpochHistory, "what_was_silent_for_the_longest_time_goes_first_and_its_epoch_ends"),
        (faults.WastefulHistory, "asking_for_what_is_not_there_evicts_nothing"),
        (faults.RestlessHistory, "what_is_too_old_is_dropped_and_the_epoch_goes_on"),
    ],
)
async def test_each_fault_is_found(kind: type[LateHistory], test: str) -> None:
    suite = Histories()
    suite.kind = kind
    promise: Any = getattr(suite, f"test_{test}")
    with pytest.raises(FOUND):
        await promise()


class SharedHistories(SharedHistoryContract):
    kind: type[JoinedHistory] = JoinedHistory

    async def make_store(
        self, *, max_destinations: int = 1000, max_bytes: int = 1024 * 1024
    ) -> JoinedHistory:
        return self.kind(max_destinations=max_destinations, max_bytes=max_bytes)

    async def join(self, store: HistoryStore[Any]) -> JoinedHistory:
        assert isinstance(store, JoinedHistory)
        return store.join()

    async def begin_anew(self, store: HistoryStore[Any]) -> None:
        assert isinstance(store, JoinedHistory)
        store.begin_anew()


class TestJoinedHistory(SharedHistories):
    pass


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.SecretHistory, "it_says_that_other_nodes_append_to_it"),
        (faults.AloneHistory, "what_one_node_appends_the_others_read"),
        (faults.AloneHistory, "all_nodes_count_as_one"),
        (faults.AloneHistory, "nodes_that_append_at_once_see_one_order"),
        (faults.AloneHistory, "the_bounds_of_the_latest_append_hold_for_all_nodes"),
        (faults.AloneHistory, "what_was_silent_has_one_position_to_recover_from_on_all_nodes"),
        (faults.ForgetfulHistory, "a_store_that_began_anew_counts_from_one_in_an_epoch_that_never_was"),
        (faults.SelfishHistory, "a_node_that_goes_away_takes_nothing_along"),
    ],
)
async def test_each_fault_of_shared_histories_is_found(kind: type[JoinedHistory], test: str) -> None:
    suite = SharedHistories()
    suite.kind = kind
    promise: Any = getattr(suite, f"test_{test}")
    with pytest.raises(FOUND):
        await promise()
