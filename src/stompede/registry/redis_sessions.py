"""The session registry of many nodes: Redis.

``<namespace>nodes`` is the set of all nodes' ids. What one node says stands under its own hash tag, so in a cluster
nodes spread over shards, and every key ends by itself. With ``{tag}`` for ``{<namespace>node:<serverUuid>}``:

- ``{tag}:life``, a hash: what the node tells of itself, the number of its last batch, and how many sessions and users'
  entries there were after it. It ends with the node's life;
- ``{tag}:sessions``, a hash: session key to value, see `stompede.registry.session_format`;
- ``{tag}:users``, a sorted set: member's name, the byte FF, which no text has, and session id.

The last two outlive the life by half: other nodes take them out before, in the background, where ending by itself
would keep the server busy for a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Final, final

import msgspec

from stompede.redis.address import RedisAddress
from stompede.redis.commands import Arg, Commands
from stompede.registry import redis_sessions_scripts as scripts
from stompede.registry.session_format import decode_session, encode_session, session_key
from stompede.registry.sessions import (
    NodeInfo,
    SessionEntry,
    SessionPage,
    SessionRecord,
    SessionRegistryStatistics,
)

_CHUNK: Final = 500  # sessions of one script
_PAGE_MOST: Final = 1000
_BURIED_AT_ONCE: Final = 10
_FF: Final = b"\xff"


@final
class RedisSessionRegistry:
    """A session registry in Redis; the promises are those of `SessionRegistry`. It goes by the server's clock.

    A call ends with `BusError` where Redis does not answer or takes no writes; it may have taken effect.

    Args:
        address: where Redis is.
        namespace: how its keys begin, no braces in it: systems that share a Redis do not meet.
        timeout_s: how long an attempt may take.
    """

    def __init__(
        self, address: RedisAddress, *, namespace: str = "stompede:", timeout_s: float = 4.0
    ) -> None:
        self._redis = Commands(address, timeout_s=timeout_s)
        self._namespace = namespace
        self._nodes = f"{namespace}nodes"
        self._hold_ms = 60_000  # until the first refresh says better
        self._written = self._replaced = self._buried = 0

    # What a node says.

    async def refresh(self, node: NodeInfo, *, ttl_s: float, batch: int, now: float) -> bool:  # noqa: ARG002 - server's clock
        """Begin a node's life, or let it go on; see `SessionRegistry`."""
        life_ms = max(round(ttl_s * 1000), 1)
        self._hold_ms = life_ms + life_ms // 2
        info = msgspec.json.encode(node)
        whole, known = await asyncio.gather(
            self._redis.run(scripts.REFRESH, self._keys(node.id), info, life_ms, self._hold_ms, batch),
            self._redis.call("SMEMBERS", self._nodes),
        )
        others = {name.decode() for name in known}
        if node.id not in others:  # a server that is full takes it not even where it changes nothing
            await self._redis.call("SADD", self._nodes, node.id)
        await self._bury(others - {node.id})
        return bool(whole)

    async def update(
        self,
        node_id: str,
        entered: Sequence[SessionEntry],
        left: Sequence[SessionEntry],
        *,
        batch: int,
        now: float,  # noqa: ARG002 - server's clock
    ) -> bool:
        """Take sessions that entered and that left; see `SessionRegistry`."""
        keys = self._keys(node_id)
        for gone, come in _turns(entered, left):
            names = _names(gone)
            args: list[Arg] = [len(gone), *(session_key(node_id, entry.id) for entry in gone)]
            args += [len(names), *names, *_fields(node_id, come), *_names(come)]
            if not await self._redis.run(scripts.UPDATE, keys, self._hold_ms, batch, *args):
                return False
        self._written += len(entered) + len(left)
        return True

    async def replace(
        self,
        node_id: str,
        sessions: Sequence[SessionEntry],
        *,
        batch: int,
        now: float,  # noqa: ARG002 - server's clock
    ) -> bool:
        """Take all sessions of a node; see `SessionRegistry`."""
        keys = self._keys(node_id)
        for number, part in enumerate(_parts(sessions) or [()]):
            args = (*_fields(node_id, part), *_names(part))
            if not await self._redis.run(scripts.REPLACE, keys, self._hold_ms, number, *args):
                return False
        if not await self._redis.run(scripts.REPLACED, keys, self._hold_ms, batch):
            return False
        self._replaced += len(sessions)
        return True

    async def end(self, node_id: str, *, now: float) -> None:  # noqa: ARG002 - server's clock
        """End a node's life now."""
        await asyncio.gather(
            self._redis.run(scripts.END, self._keys(node_id), 1),
            self._redis.call("SREM", self._nodes, node_id),
        )

    # What everybody reads.

    async def nodes(self, *, now: float) -> list[NodeInfo]:  # noqa: ARG002 - server's clock
        """The nodes that are alive, in no order."""
        lives = await self._of_each_node(lambda id_: self._redis.call("HGET", self._keys(id_)[0], "info"))
        return [info for life in lives if life is not None and (info := _node_info(life)) is not None]

    async def sessions(
        self,
        node_id: str,
        *,
        after: str | None = None,
        limit: int = 100,
        now: float,  # noqa: ARG002 - server's clock
    ) -> SessionPage:
        """A part of a node's sessions; see `SessionRegistry`."""
        limit = min(limit, _PAGE_MOST)
        cursor, flat = await self._redis.run(scripts.PAGE, self._keys(node_id), after or "0", limit)
        return SessionPage(_records(flat), None if cursor == b"0" else cursor.decode())

    async def sessions_of(self, user: str, *, limit: int = 100, now: float) -> list[SessionRecord]:  # noqa: ARG002 - server's clock
        """At most ``limit`` sessions of a member."""
        name = user.encode() + _FF
        found = await self._of_each_node(
            lambda id_: self._redis.run(scripts.OF_USER, self._keys(id_), name, limit, session_key(id_, ""))
        )
        return [record for flat in found for record in _records(flat)][:limit]

    async def find(self, session_id: str, *, now: float) -> SessionRecord | None:  # noqa: ARG002 - server's clock
        """A session by its id, or ``None``."""
        found = await self._of_each_node(
            lambda id_: self._redis.run(scripts.FIND, self._keys(id_), session_key(id_, session_id))
        )
        return next((record for flat in found for record in _records(flat)), None)

    async def count(self, *, now: float) -> int:  # noqa: ARG002 - server's clock
        """How many sessions all nodes serve."""
        return sum(await self._of_each_node(lambda id_: self._redis.run(scripts.COUNT, self._keys(id_))))

    def statistics(self) -> SessionRegistryStatistics:
        """Figures since the start."""
        return SessionRegistryStatistics(self._written, self._replaced, self._buried)

    async def aclose(self) -> None:
        """Disconnects; lives go on until they end. Idempotent."""
        await self._redis.aclose()

    def _keys(self, node_id: str) -> tuple[str, ...]:
        tag = f"{{{self._namespace}node:{node_id}}}"
        return tuple(f"{tag}:{name}" for name in ("life", "sessions", "users", "sessions:new", "users:new"))

    async def _of_each_node(self, ask: Any) -> list[Any]:
        """What is asked of the entry of every node, in one pipeline."""
        known = await self._redis.call("SMEMBERS", self._nodes)
        calls: list[Awaitable[Any]] = [ask(name.decode()) for name in known]
        return await asyncio.gather(*calls)

    async def _bury(self, others: Iterable[str]) -> None:
        """Takes out what dead nodes left behind."""
        ids = list(others)
        lives = await asyncio.gather(*(self._redis.call("EXISTS", self._keys(id_)[0]) for id_ in ids))
        for id_ in [id_ for id_, alive in zip(ids, lives, strict=True) if not alive][:_BURIED_AT_ONCE]:
            if await self._redis.run(scripts.END, self._keys(id_), 0):
                self._buried += await self._redis.call("SREM", self._nodes, id_)


def _parts(entries: Sequence[SessionEntry]) -> list[Sequence[SessionEntry]]:
    return [entries[first : first + _CHUNK] for first in range(0, len(entries), _CHUNK)]


def _turns(
    entered: Sequence[SessionEntry], left: Sequence[SessionEntry]
) -> list[tuple[Sequence[SessionEntry], Sequence[SessionEntry]]]:
    """Who left and who entered, script by script: in one where it is not too much."""
    if len(entered) + len(left) <= _CHUNK:
        return [(left, entered)]
    return [*((part, ()) for part in _parts(left)), *(((), part) for part in _parts(entered))]


def _names(entries: Sequence[SessionEntry]) -> list[bytes]:
    """Entries of users: members only."""
    return [entry.user.encode() + _FF + entry.id.encode() for entry in entries if entry.user is not None]


def _fields(node_id: str, entries: Sequence[SessionEntry]) -> list[Arg]:
    """How many entries, and their keys and values."""
    fields: list[Arg] = [len(entries)]
    for entry in entries:
        fields += (session_key(node_id, entry.id), encode_session(node_id, entry))
    return fields


def _records(flat: list[bytes]) -> list[SessionRecord]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    read = (decode_session(key.decode(), value) for key, value in pairs if value is not None)
    return [record for record in read if record is not None]


def _node_info(life: bytes) -> NodeInfo | None:
    try:
        return msgspec.json.decode(life, type=NodeInfo)
    except msgspec.MsgspecError:
        return None  # of a program that says other things of its nodes
