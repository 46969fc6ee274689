"""The public suite of queue stores for many nodes: each fault is found by the test that is named for the promise."""

from typing import Any

import pytest
import shared_queue_faults as faults
from shared_queue_faults import House, Node

from stompede.testing.contracts import SharedQueueStoreContract


class Suite(SharedQueueStoreContract):
    kind: type[Node] = Node
    apart = False
    patience_s = 0.5

    async def make_store(self, *, max_queues: int = 1000, max_bytes: int = 1_000_000) -> Node:
        self._bounds = (max_queues, max_bytes)
        return self.kind(House(*self._bounds))

    async def join(self, store: Any) -> Node:
        return self.kind(House(*self._bounds) if self.apart else store.house)

    async def crash(self, store: Any) -> None:
        store.crash()


class TestNode(Suite):
    patience_s = 5.0


class Apart(Suite):
    apart = True


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # a fault may well leave some
@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.GreedyNode, "nobody_settles_or_gives_back_what_another_node_has"),
        (faults.SelfishNode, "a_node_is_told_of_what_others_append_and_give_back"),
        (faults.SelfishNode, "a_node_is_told_of_many_queues_at_once"),
        (faults.SelfishNode, "every_node_that_watches_is_told"),
        (faults.ImmortalNode, "what_a_node_had_that_crashed_waits_again_in_its_old_order_and_counted"),
        (faults.UncountedNode, "what_a_node_had_that_crashed_waits_again_in_its_old_order_and_counted"),
        (faults.FatefulNode, "who_lives_keeps_what_it_has_taken_while_others_die"),
        (faults.SilentNode, "what_a_node_had_that_ended_waits_again_at_once"),
    ],
)
async def test_a_fault_is_found(kind: type[Node], test: str) -> None:
    suite = Suite()
    suite.kind = kind
    with pytest.raises((AssertionError, TimeoutError, ValueError)):
        await getattr(suite, f"test_{test}")()


async def test_what_goes_away_with_who_wanted_it_is_found() -> None:
    suite = Suite()
    suite.kind = faults.LosingNode
    with pytest.raises(TimeoutError):
        await suite.test_what_is_taken_for_somebody_who_goes_away_waits_again(2)


@pytest.mark.parametrize(
    "test",
    [
        "each_message_goes_to_one_of_many_nodes",
        "what_nodes_append_stands_in_one_order",
        "what_one_node_gives_back_another_gets_at_the_front_and_counted",
        "the_bounds_are_one_for_all_nodes",
        "of_a_deleted_queue_nobody_has_anything",
        "what_is_over_is_handed_out_as_expired_by_one_node",
    ],
)
async def test_nodes_with_queues_of_their_own_are_found(test: str) -> None:
    with pytest.raises((AssertionError, TimeoutError, ValueError)):
        await getattr(Apart(), f"test_{test}")()
