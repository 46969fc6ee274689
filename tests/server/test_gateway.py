"""Which node the gateway names."""

from __future__ import annotations

from collections import Counter

import pytest

from stompede.errors import BusError
from stompede.registry import MemorySessionRegistry, NodeInfo
from stompede.server.gateway import Gateway, GatewayStatistics

HELSINKI, TURKU, TOKYO = (60.17, 24.94), (60.45, 22.27), (35.68, 139.69)


class Fleet:
    """A registry, a clock, and what the routing table says."""

    def __init__(self, *nodes: NodeInfo) -> None:
        self.time = 0.0
        self.routes: dict[str, str] = {}
        self.away = False
        self.registry = MemorySessionRegistry()
        self.known = list(nodes)
        self.reads = 0
        self.gateway = Gateway(self, lambda: info("own"), self.routed, lambda: self.time, lambda: self.time)  # type: ignore[arg-type]

    async def nodes(self, *, now: float) -> list[NodeInfo]:
        self.reads += 1
        if self.away:
            raise BusError("it is away")
        return self.known

    async def routed(self, key: str) -> str | None:
        return self.routes.get(key)

    async def names(self, count: int, **wanted: object) -> Counter[str]:
        found: Counter[str] = Counter()
        for _ in range(count):
            node = await self.gateway.choose(**wanted)  # type: ignore[arg-type]
            found["none" if node is None else node.id] += 1
        return found


def info(name: str, **more: object) -> NodeInfo:
    return NodeInfo(name, f"ws://{name}/stomp", **more)  # type: ignore[arg-type]


async def test_clients_are_spread_and_a_node_with_less_gets_more() -> None:
    fleet = Fleet(info("a"), info("b"), info("c", sessions=1000))
    found = await fleet.names(600)
    assert found["c"] == 0
    assert abs(found["a"] - found["b"]) < 60
    fleet = Fleet(info("a"), info("b"), info("busy", cpu=0.9))
    assert (await fleet.names(300))["busy"] == 0


async def test_nobody_is_sent_to_a_node_that_drains_or_is_deaf() -> None:
    fleet = Fleet(info("a"), info("b", draining=True), info("c", ready=False))
    assert await fleet.names(50) == {"a": 50}
    assert await fleet.names(1, besides="a") == {"none": 1}
    assert fleet.gateway.statistics() == GatewayStatistics(50, 1)


async def test_clients_of_one_key_come_to_one_node_and_a_node_that_goes_moves_its_own_keys_alone() -> None:
    nodes = [info(name) for name in "abcde"]
    fleet = Fleet(*nodes)
    homes: dict[str, str] = {}
    for number in range(200):
        (homes[f"k{number}"],) = await fleet.names(3, key=f"k{number}")
    assert set(homes.values()) == set("abcde")
    fleet.known = [node for node in nodes if node.id != "c"]
    fleet.time += 2
    for key, home in homes.items():
        (now,) = await fleet.names(1, key=key)
        assert now == home or home == "c"


async def test_the_routing_table_says_where_a_key_is_unless_that_node_is_gone() -> None:
    fleet = Fleet(info("a"), info("b"))
    for name in "ab":
        fleet.routes["rider:17"] = f"ws://{name}/stomp"
        assert await fleet.names(3, key="rider:17") == {name: 3}
    fleet.routes["rider:17"] = "ws://gone/stomp"
    (home,) = await fleet.names(3, key="rider:17")
    assert home in "ab"


async def test_a_client_comes_to_the_nearest_nodes() -> None:
    fleet = Fleet(info("h1", place=HELSINKI), info("h2", place=HELSINKI), info("t", place=TOKYO), info("x"))
    found = await fleet.names(50, near=TURKU)
    assert set(found) == {"h1", "h2"}
    assert set(await fleet.names(5, near=TOKYO)) == {"t"}


async def test_the_registry_is_read_once_a_second_and_what_it_said_serves_while_it_is_away() -> None:
    fleet = Fleet(info("a"))
    await fleet.names(100)
    assert fleet.reads == 1
    fleet.away, fleet.time = True, 2.0
    assert await fleet.names(3) == {"a": 3}
    assert fleet.reads == 2, "a registry that is away may take seconds to say so: not everybody asks it"
    fleet.time = 20.0
    assert await fleet.names(1) == {"own": 1}, "of itself it knows"
    fleet.away, fleet.time = False, 22.0
    assert await fleet.names(1) == {"a": 1}


async def test_without_any_node_there_is_none() -> None:
    assert await Fleet().names(2) == {"none": 2}


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_lone_node_names_itself(key: str | None) -> None:
    async def nowhere(_: str) -> None:
        return None

    gateway = Gateway(None, lambda: info("own"), nowhere, lambda: 0.0, lambda: 0.0)
    node = await gateway.choose(key=key)
    assert node is not None
    assert node.id == "own"
