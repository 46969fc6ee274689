"""Bytes into frames, for both sides of a connection.

Bytes stand in one of two places. A chunk that arrives while nothing waits stays the object it is, and frames
are cut out of it: over WebSocket nearly every chunk is one whole frame, and it is never copied as a whole.
What is incomplete, or what arrives while something waits, is gathered in a bytearray, with a note of how far
it was searched; so no octet is searched or moved more than a few times, however small the chunks.

Limits are held before memory is taken: a declared content-length against the head alone, a line, a head or a
body without an end as soon as it is longer than it may be. What is refused, and in which words, depends only
on the octets up to the first one that breaks a rule, not on how they were split into chunks.
"""

from __future__ import annotations

import re
from typing import Final

from stompede.wire.stomp.cache import HeadCache
from stompede.wire.stomp.head import Head, body_refused, check_head, has_body, parse_head
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.refusal import (
    FrameRefusedError,
    asking,
    first_broken,
    no_nul,
    not_now,
    over_limit,
    receipt_in,
)
from stompede.wire.stomp.states import State, next_state
from stompede.wire.stomp.tables import RULES, Side
from stompede.wire.stomp.versions import Version

# Between frames: end-of-lines are heart-beats. CR LF is taken in every version, and so are stray NUL octets,
# which some clients write after the one that ends the frame, and RabbitMQ takes as well. Nothing is taken back, so
# nothing is remembered: a group that could be would keep 190 octets for each of a million heart-beats.
_skip: Final = re.compile(rb"(?:[\n\0]++|\r\n)*+").match


class _Unfinished:
    """How far a frame was looked at, and its octets where they were gathered; offsets count from its first octet.

    Attributes:
        buffer: octets that wait; empty as long as the frame stands in the chunk that it came in.
        head: the head, once it is there.
        body: where the body begins.
        scan: where the search for the end of head or body goes on.
        seen: up to where the lines of the head were counted.
        lines: ends of lines before that.
        line: where the line begins that is not ended there.
    """

    __slots__ = ("body", "buffer", "head", "line", "lines", "scan", "seen")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.reset()

    def reset(self) -> None:
        """The next frame begins."""
        self.head: Head | None = None
        self.body = self.scan = self.seen = self.lines = self.line = 0


class FrameDecoder:
    """An incremental decoder of STOMP frames.

    Args:
        side: whose decoder it is.
        limits: bounds of one frame.
        cache: where parsed heads are kept, if anywhere.

    Attributes:
        state: where the conversation stands. It moves when a frame is taken.
        version: the version that is spoken, ``None`` before it is agreed on.
    """

    __slots__ = ("_cache", "_data", "_gathered", "_limits", "_pos", "_side", "state", "version")

    def __init__(self, side: Side, limits: Limits, cache: HeadCache | None = None) -> None:
        self._side = side
        self._limits = limits
        self._cache = cache
        self._data = b""
        self._pos = 0
        self._gathered: _Unfinished | None = None
        self.state = State.OPEN
        self.version: Version | None = None

    @property
    def buffered_bytes(self) -> int:
        """Octets that were received and not yet taken as frames."""
        waiting = len(self._data) - self._pos
        return waiting if self._gathered is None else waiting + len(self._gathered.buffer)

    def feed(self, data: bytes) -> None:
        """Takes bytes as they came. Nothing is parsed here."""
        if not self._data and self._gathered is None:
            self._data = data
        elif self._gathered is None:
            self._gather(self._pos, _Unfinished()).buffer.extend(data)
        else:
            self._gathered.buffer.extend(data)

    def forget(self) -> None:
        """Lets go of all that was received: the conversation is over."""
        self._data = b""
        self._pos = 0
        self._gathered = None

    def next_frame(self) -> tuple[Head, bytes] | None:
        """The next whole frame, or ``None`` where more octets are needed.

        Raises:
            FrameRefusedError: the peer broke a rule or a limit. Nothing may be asked of the decoder
                afterwards.
        """
        if self._gathered is not None:
            return self._from_gathered(self._gathered)
        data = self._data
        if not data:
            return None
        start = _skip(data, self._pos).end()  # type: ignore[union-attr]  # it matches the empty string
        if start == len(data):
            self.forget()
            return None
        progress = _Unfinished()
        frame = self._cut(data, start, progress)
        if frame is None:
            self._gather(start, progress)
            return None
        head, body, end = frame
        if end < len(data):
            self._pos = end
        else:
            self.forget()
        return head, body

    def _from_gathered(self, gathered: _Unfinished) -> tuple[Head, bytes] | None:
        buffer = gathered.buffer
        if gathered.head is None:
            blank = _skip(buffer).end()  # type: ignore[union-attr]
            if blank:
                del buffer[:blank]  # does not move what stays
                gathered.reset()
            if not buffer:
                self._gathered = None
                return None
        frame = self._cut(buffer, 0, gathered)
        if frame is None:
            return None
        head, body, end = frame
        del buffer[:end]
        if buffer:
            gathered.reset()
        else:
            self._gathered = None
        return head, body

    def _gather(self, start: int, progress: _Unfinished) -> _Unfinished:
        progress.buffer += memoryview(self._data)[start:]
        self._data = b""
        self._pos = 0
        self._gathered = progress
        return progress

    def _cut(
        self, data: bytes | bytearray, start: int, progress: _Unfinished
    ) -> tuple[Head, bytes, int] | None:
        """The frame at ``start`` and the offset of its end, or ``None`` where octets are missing."""
        head = progress.head
        if head is None:
            head = self._find_head(data, start, progress)
            if head is None:
                return None
            progress.head = head
            progress.scan = progress.body
        body = start + progress.body
        if head.content_length is None:
            end = self._find_nul(data, start, head, progress)
            if end < 0:
                return None
        else:
            end = body + head.content_length
            if end >= len(data):
                return None
            if data[end]:
                raise asking(no_nul(head.content_length), head.receipt)
        after = next_state(self.state, head.command)
        assert after is not None  # seen to with the head
        self.state = after
        return head, bytes(data[body:end]), end + 1

    def _find_nul(self, data: bytes | bytearray, start: int, head: Head, progress: _Unfinished) -> int:
        """The offset of the NUL octet that ends a body without content-length, or -1."""
        rule = RULES[head.command]
        allowed = self._limits.max_body_bytes if has_body(rule, self.version) else 0
        body = start + progress.body
        end = data.find(b"\0", start + progress.scan, body + allowed + 1)
        if end < 0:
            if len(data) - body > allowed:
                if not has_body(rule, self.version):
                    raise asking(body_refused(rule, self.version), head.receipt)
                raise asking(
                    over_limit("max_body_bytes", self._limits, "the body is longer than the"), head.receipt
                )
            progress.scan = len(data) - start
        return end

    def _find_head(self, data: bytes | bytearray, start: int, progress: _Unfinished) -> Head | None:
        """The head that begins at ``start``, or ``None`` where its end is missing."""
        scan = start + progress.scan
        # Without a bound, many frames in one chunk would each be searched to the end of the chunk.
        bound = start + self._limits.max_header_block_bytes + 3
        end = data.find(b"\n\n", scan, bound)
        size = 2
        if self.version is None or self.version is Version.V1_2:
            crlf = data.find(b"\n\r\n", scan, bound if end < 0 else end + 1)
            if crlf >= 0:
                end = crlf
                size = 3
        if end < 0:
            self._check_part(data, start, progress)
            progress.scan = max(0, len(data) - start - 2)
            return None
        progress.body = end + size - start
        if end - start > self._limits.max_header_block_bytes:
            self._check_sizes(bytes(data[start : start + self._limits.max_header_block_bytes + 1]))
        raw = bytes(data[start : end + size])
        head = None if self._cache is None else self._cache.find(self.version, raw)
        if head is None:
            self._check_sizes(raw[:-size])
            return self._new_head(raw)
        if next_state(self.state, head.command) is None:
            raise asking(not_now(head.command, self.state, self._side), head.receipt)
        return head

    def _new_head(self, raw: bytes) -> Head:
        try:
            head = self._checked_head(raw)
        except FrameRefusedError as error:
            raise asking(error, receipt_in(self.version, raw)) from error.__cause__
        if self._cache is not None:
            self._cache.offer(self.version, head)
        return head

    def _checked_head(self, raw: bytes) -> Head:
        head = parse_head(raw, self.version, self._limits)
        if RULES[head.command].sender is not self._side and next_state(self.state, head.command) is None:
            raise not_now(head.command, self.state, self._side)
        check_head(head, self.version, self._side)
        return head

    def _check_part(self, data: bytes | bytearray, start: int, progress: _Unfinished) -> None:
        """Holds a head that has not ended against the limits, at the cost of what is new in it."""
        limits = self._limits
        fresh = start + progress.seen
        length = len(data) - start
        most = limits.max_header_block_bytes
        # A head that is about as long as it may be has a part of its end still before it.
        too_long = length > most and not self._may_end(data, length - most)
        progress.lines += data.count(b"\n", fresh)
        if (
            length - progress.line > limits.max_header_line_bytes
            or progress.lines > limits.max_headers
            or too_long
            or data.find(b"\0", fresh) >= 0
        ):
            self._check_sizes(bytes(data[start : start + most + too_long]))
        progress.line = max(progress.line, data.rfind(b"\n", fresh) + 1 - start)
        progress.seen = length

    def _may_end(self, data: bytes | bytearray, beyond: int) -> bool:
        """Whether the last octets may begin what ends a head, and the head itself is not too long.

        Args:
            data: what has come.
            beyond: octets of it that a head may not have.
        """
        if data.endswith(b"\n"):
            return beyond <= 1
        return beyond <= 2 and data.endswith(b"\n\r") and self.version in (None, Version.V1_2)

    def _check_sizes(self, head: bytes) -> None:
        """Holds a head, or as much of it as there is, against the limits; a NUL octet must not be in it."""
        limits = self._limits
        size = len(head)
        if (
            size <= limits.max_header_line_bytes
            and size <= limits.max_header_block_bytes
            and head.count(b"\n") <= limits.max_headers
            and b"\0" not in head
        ):
            return
        broken = first_broken(head, limits)
        if broken is not None:
            raise asking(broken[1], receipt_in(self.version, head[: broken[0]]))
