"""The public suites: each fault is found by the test that is named for the promise, and what is right passes."""

import subprocess
import sys
from typing import Any

import contract_faults as faults
import pytest
from contract_faults import LateBus, NodeTable
from own_bus import Exchange, ExchangeBus

from stompede.registry import MemoryRoutingTable
from stompede.testing.contracts import SharedBusContract, SharedRoutingTableContract

FOUND = (AssertionError, TimeoutError, pytest.fail.Exception)


class Bus(SharedBusContract):
    kind: type[ExchangeBus[Any]] = LateBus

    def setup_method(self) -> None:
        self.exchange = Exchange[Any]()

    async def make_bus(self) -> ExchangeBus[Any]:
        return self.kind(self.exchange)


class Table(SharedRoutingTableContract):
    kind: type[NodeTable] = NodeTable

    async def make_table(self, *, max_entries: int = 1000) -> NodeTable:
        return self.kind(MemoryRoutingTable(max_entries=max_entries))

    async def join(self, table: NodeTable) -> NodeTable:
        return self.kind(table.table)


class TestLateBus(Bus):
    pass


class TestNodeTable(Table):
    pass


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")  # a fault may well leave some
@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.TwiceBus, "what_a_node_publishes_comes_back_to_it_once_and_as_it_was"),
        (faults.AwaitedBus, "items_of_a_channel_keep_the_order_of_the_calls_not_of_the_waiting"),
        (faults.AwaitedBus, "to_cancel_a_publish_takes_no_item_back"),
        (faults.ThreadBus, "items_come_on_the_thread_of_the_loop"),
        (faults.HalfLiveBus, "who_wants_what_is_being_wanted_waits_for_as_long"),
        (faults.HalfLiveBus, "to_cancel_a_want_takes_no_wish_back"),
        (faults.CountingBus, "wishes_are_not_counted"),
        (faults.CountingBus, "the_last_wish_counts"),
        (faults.ForgetfulBus, "a_channel_that_is_wanted_no_more_leaves_the_others_alone"),
        (faults.PickyBus, "any_text_names_a_channel"),
        (faults.GlobBus, "a_prefix_brings_every_channel_that_begins_with_it_as_it_is"),
        (faults.OnceForEachWishBus, "what_is_wanted_by_name_and_by_prefixes_comes_once"),
        (faults.EntangledBus, "wishes_for_prefixes_end_by_themselves_and_leave_the_others_alone"),
        (faults.SelfishBus, "a_node_that_wants_a_prefix_gets_what_others_publish_below_it"),
        (faults.SilentBus, "before_the_start_it_takes_nothing_and_can_be_closed"),
        (faults.SilentBus, "statistics_count_what_happened"),
        (faults.LingeringBus, "after_the_end_it_takes_nothing_and_says_nothing"),
        (faults.LingeringBus, "a_closed_node_hears_nothing_and_the_others_do_not_notice"),
        (faults.HangingBus, "what_waits_when_the_bus_is_closed_ends"),
        (faults.SelfishBus, "every_node_that_wants_a_channel_gets_each_item_once"),
        (faults.SelfishBus, "a_node_that_only_listens_misses_nothing_once_its_wish_is_done"),
        (faults.SelfishBus, "a_wish_that_ends_on_one_node_goes_on_at_the_others"),
        (faults.EarlyBus, "all_nodes_see_the_items_of_a_channel_in_one_order"),
    ],
)
async def test_the_suite_of_the_bus_finds_the_fault(kind: type[ExchangeBus[Any]], test: str) -> None:
    suite = Bus()
    suite.setup_method()
    suite.kind, suite.patience_s = kind, 0.2
    with pytest.raises(FOUND):
        await getattr(suite, f"test_{test}")()


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.RacyTable, "of_many_at_once_exactly_one_takes_a_free_key"),
        (faults.RacyTable, "of_many_nodes_exactly_one_takes_a_free_key"),
        (faults.EternalTable, "an_entry_ends_by_itself"),
        (faults.EternalTable, "what_a_crashed_node_left_behind_goes_away"),
        (faults.TouchingTable, "what_changed_nothing_begins_no_new_time"),
        (faults.EvictingTable, "a_full_table_refuses_new_keys_and_keeps_the_old_ones"),
        (faults.EvictingTable, "the_bound_is_one_for_all_nodes"),
        (faults.GreedyTable, "a_node_takes_out_only_what_is_its_own"),
        (faults.GreedyTable, "what_one_node_enters_and_takes_out_the_others_see"),
        (faults.TrimmingTable, "any_text_is_a_key"),
        (faults.HalfTable, "a_cancelled_call_has_taken_effect_or_not_but_never_by_half"),
    ],
)
async def test_the_suite_of_the_routing_table_finds_the_fault(kind: type[NodeTable], test: str) -> None:
    suite = Table()
    suite.kind = kind
    with pytest.raises(FOUND):
        await getattr(suite, f"test_{test}")()


def test_a_suite_that_does_not_say_how_the_thing_is_made_cannot_be_used() -> None:
    with pytest.raises(TypeError, match="make_bus"):
        SharedBusContract()  # type: ignore[abstract]  # that is what is tested


def test_the_test_kit_needs_pytest_for_nothing_but_the_suites() -> None:
    code = "import sys, stompede.testing; print('pytest' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
