"""The public suite of presence tables: each fault is found by the test that is named for the promise."""

import presence_faults as faults
import pytest
from presence_faults import NodePresence

from stompede.registry import MemoryPresenceTable
from stompede.testing.contracts import SharedPresenceTableContract


class Table(SharedPresenceTableContract):
    kind: type[NodePresence] = NodePresence

    async def make_table(self, *, max_entries: int = 1000) -> NodePresence:
        return self.kind(MemoryPresenceTable(max_entries=max_entries))

    async def join(self, table: NodePresence) -> NodePresence:
        return self.kind(table.table)


class TestNodePresence(Table):
    pass


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (faults.TabTable, "to_say_it_again_changes_nothing"),
        (faults.TabTable, "a_member_joins_with_its_first_node_and_leaves_with_its_last"),
        (faults.OneWayTable, "a_member_joins_with_its_first_node_and_leaves_with_its_last"),
        (faults.OneWayTable, "a_node_takes_out_only_what_is_its_own"),
        (faults.OneWayTable, "guests_of_all_nodes_are_counted_together"),
        (faults.OneWayTable, "the_info_of_who_is_left_stands_when_the_newest_leaves"),
        (faults.EternalPresence, "what_a_dead_node_left_behind_is_told_once"),
        (faults.EternalPresence, "a_life_ends_by_itself_and_an_update_does_not_prolong_it"),
        (faults.TouchedTable, "a_life_ends_by_itself_and_an_update_does_not_prolong_it"),
        (faults.WelcomingTable, "a_node_without_a_life_changes_nothing"),
        (faults.RacyPresence, "of_many_nodes_exactly_one_is_told_of_a_join_and_one_of_the_leave"),
        (faults.AddingTable, "guests_of_all_nodes_are_counted_together"),
        (faults.TellingTable, "what_a_dead_node_left_behind_is_told_once"),
        (faults.GreedyExpiry, "the_dead_are_taken_out_in_parts_as_large_as_asked_for"),
        (faults.BottomlessTable, "a_full_table_takes_nobody_new_and_keeps_who_is_there"),
        (faults.ForgetfulPresence, "the_newest_info_of_a_member_is_told_and_the_last_one_when_it_leaves"),
    ],
)
async def test_the_suite_of_the_presence_table_finds_the_fault(kind: type[NodePresence], test: str) -> None:
    suite = Table()
    suite.kind = kind
    with pytest.raises(AssertionError):
        await getattr(suite, f"test_{test}")()
