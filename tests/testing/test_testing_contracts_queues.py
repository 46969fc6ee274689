"""The public suite of queue stores: each fault is found by the test that is named for the promise."""

import pytest
import queue_faults as faults
from queue_faults import LateStore, Store

from stompede.testing.contracts import QueueStoreContract


class Suite(QueueStoreContract):
    kind: type[Store] = Store

    async def make_store(self, *, max_queues: int = 1000, max_bytes: int = 1_000_000) -> Store:
        return self.kind(max_queues, max_bytes)


class TestLateStore(Suite):
    kind = LateStore


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # a fault may well leave some
@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.LazyStore, "messages_are_taken_in_the_order_of_the_calls_not_of_the_waiting"),
        (faults.SharedStore, "what_is_taken_is_nobody_elses_until_it_was_given_back"),
        (faults.SharedStore, "what_is_settled_never_comes_again"),
        (faults.BackOfTheLineStore, "what_goes_back_comes_before_all_others_in_its_old_order"),
        (faults.UncountedStore, "deliveries_are_counted_where_a_consumer_may_have_seen_the_message"),
        (
            faults.CountingStore,
            "who_may_have_been_seen_comes_again_as_such_also_where_the_delivery_does_not_count",
        ),
        (
            faults.ForgetfulStore,
            "who_may_have_been_seen_comes_again_as_such_also_where_the_delivery_does_not_count",
        ),
        (faults.RenamingStore, "a_message_keeps_its_id_and_no_two_have_the_same"),
        (faults.BottomlessStore, "a_full_queue_refuses_and_keeps_what_it_has"),
        (faults.BottomlessStore, "a_full_queue_lets_the_oldest_waiting_ones_go_where_it_may"),
        (faults.RuthlessStore, "a_full_queue_lets_the_oldest_waiting_ones_go_where_it_may"),
        (faults.StrictStore, "what_goes_back_always_has_its_place"),
        (faults.HalfStore, "an_append_is_done_as_a_whole_or_not_at_all"),
        (faults.HoardingStore, "what_an_append_settles_makes_room_for_what_it_brings"),
        (faults.TimidStore, "what_an_append_settles_makes_room_also_where_the_oldest_may_go"),
        (faults.CrampedStore, "queues_are_bounded_and_an_empty_one_takes_no_room"),
        (faults.OpenStore, "queues_that_nobody_asked_for_leave_half_of_the_room_to_others"),
        (faults.BottomlessStore, "all_queues_together_are_bounded_in_bytes"),
        (faults.DeafStore, "a_watched_queue_says_when_messages_wait"),
        (faults.MuteStore, "who_begins_to_watch_is_told_of_what_waits_already"),
        (faults.ChattyStore, "a_queue_that_is_watched_no_more_says_nothing"),
        (faults.EternalStore, "what_waits_for_too_long_is_handed_out_as_expired_once"),
        (faults.EternalStore, "what_expires_comes_in_portions"),
        (faults.HastyStore, "what_has_time_left_or_no_end_does_not_expire"),
        (faults.KeepingStore, "a_deleted_queue_is_gone_with_all_that_was_in_it"),
        (faults.BottomlessStore, "ids_that_are_not_taken_are_left_alone"),
    ],
)
async def test_the_suite_of_queue_stores_finds_the_fault(kind: type[Store], test: str) -> None:
    suite = Suite()
    suite.kind, suite.patience_s = kind, 0.2
    with pytest.raises((AssertionError, KeyError, pytest.fail.Exception)):
        await getattr(suite, f"test_{test}")()
