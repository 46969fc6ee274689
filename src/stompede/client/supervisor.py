"""The one task of a client: it connects, restores, renews tokens, and comes back.

It owns the connection. All decisions that need no waiting are the courier's. The supervisor waits for states,
never for events, so that no news can be missed; see `stompede.client.changes`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, NamedTuple, final

from stompede.client.backoff import Backoff
from stompede.client.changes import Changes
from stompede.client.connection import Connection, Welcome
from stompede.client.courier import Courier
from stompede.client.frames import Outgoing, SendQueue
from stompede.client.link import Dialer, DialError
from stompede.client.moves import Move, may_follow
from stompede.client.options import ClientOptions, connect_settings
from stompede.client.soft_errors import EXPIRED
from stompede.client.standing import Standing
from stompede.client.statistics import ClientStatistics
from stompede.client.tokens import TokenSource
from stompede.errors import (
    AuthenticationError,
    ConfigurationError,
    RequestError,
    SessionClosedError,
    StompedeError,
)

logger: Final = logging.getLogger("stompede.client")

# Where no token that counts could be had, a refused frame that no call waits for does not ask for one so soon again.
RENEWAL_PAUSE_S: Final = 1.0


class _Life(NamedTuple):
    """One connection from dialling to its end.

    Attributes:
        error: why it ended.
        may_come_back: whether another attempt is of use.
        lasted_s: for how long it was up.
        move: where the server wants the client to go.
    """

    error: StompedeError
    may_come_back: bool
    lasted_s: float = 0.0
    move: Move | None = None


@final
class Supervisor:
    """See the module. Made on the client's loop.

    Args:
        dialer: makes links.
        options: of the client.
        report: told of soft errors that no call waits for.
        redial: makes a dialer for a URL that the server names; ``None``: it is not followed.
    """

    def __init__(
        self,
        dialer: Dialer,
        options: ClientOptions,
        report: Callable[[RequestError], None],
        *,
        redial: Callable[[str], Dialer] | None = None,
    ) -> None:
        self._home = self._dialer = dialer
        self._redial = redial
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._errors: Standing | None = None
        self._renew_not_before = 0.0
        self._up_since: float | None = None
        self.closing = False
        self.changes = Changes()
        self.tokens = TokenSource(options.token)
        self.courier = Courier(
            self.tokens,
            SendQueue(options.max_queued_sends, options.max_queued_bytes),
            report=report,
            changes=self.changes,
            may_renew=lambda: self._loop.time() >= self._renew_not_before,
        )
        self.connection: Connection | None = None
        self.welcome: Welcome | None = None
        self.closed: StompedeError | None = None
        self.connects = self.attempts_failed = self.moves = 0

    @property
    def up(self) -> bool:
        """Whether there is a connection and all subscriptions stand."""
        return self._up_since is not None

    def closed_error(self) -> SessionClosedError:
        """Why the client has closed for good. A new exception each time: a raised one collects tracebacks."""
        why = self.closed
        if isinstance(why, SessionClosedError):
            return SessionClosedError(why.sentence, why.code, why.reason)
        return SessionClosedError("the client is closed" if why is None else str(why))

    def statistics(self) -> ClientStatistics:
        """Figures at this moment."""
        courier, connection = self.courier, self.connection
        return ClientStatistics(
            connected=self.up,
            connects=self.connects,
            attempts_failed=self.attempts_failed,
            moves=self.moves,
            subscriptions=len(courier.standing),
            queued_sends=len(courier.queue),
            queued_bytes=courier.queue.bytes,
            in_flight=len(courier.in_flight),
            sent=courier.sent,
            received=courier.received,
            undelivered=courier.undelivered,
            soft_errors=courier.soft_errors,
            tokens_fetched=self.tokens.fetched,
            resent=courier.resent,
            bytes_in=connection.bytes_in if connection else 0,
            bytes_out=connection.bytes_out if connection else 0,
        )

    # The task.

    async def run(self) -> None:
        """Runs until the client is closed, by its user or for good by the server."""
        if self._options.error_destination is not None:
            self._errors = self._error_channel("errors")
            self.courier.subscribe(self._errors)
        backoff = self._options.reconnect
        failed = 0
        while True:
            error, may_come_back, lasted_s, move = await self._live_once()
            if self.closing:
                return
            if backoff is None or not may_come_back or self.connects == 0:
                break
            if lasted_s >= backoff.stable_s:
                failed = 0
            if backoff.exhausted(failed):
                break
            delay_s = self._turn(move, backoff, failed)
            logger.info("%s; trying %s in %.2f s", error, self._dialer.url, delay_s)
            await asyncio.sleep(delay_s)
            failed += 1
        logger.info("%s; not coming back", error)
        self.finish(error, by_user=False)

    def _turn(self, move: Move | None, backoff: Backoff, failed: int) -> float:
        """Turns to where the next attempt goes: once to where the server says, else to where the user said.

        Returns:
            How long to wait before it, in seconds. What a server says counts alone only after a connection that was
            good: servers that send a client round in a circle are not hammered.
        """
        at = self._dialer.url
        self._dialer = self._home
        if move is None:
            return backoff.delay_s(failed, self._options.uniform)
        if self._redial is not None and move.url is not None:
            try:
                if may_follow(move.url, at):
                    self._dialer = self._redial(move.url)
                    self.moves += 1
                    self.changes.signal()
                else:
                    logger.warning("%s: the server names %r, which is less secure", at, move.url)
            except ConfigurationError as error:
                logger.warning("%s: the server names a URL that is of no use: %s", at, error)
        return max(move.delay_s, backoff.delay_s(failed, self._options.uniform) if failed else 0.0)

    async def _live_once(self) -> _Life:
        settings = connect_settings(self._options, self._dialer.url)
        connection = Connection(self.courier, settings, self._loop, self.changes.signal)
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self.tokens.fetch()
                self.welcome = await connection.open(self._dialer, self.tokens.authorization)
        except TimeoutError:
            self._failed_attempt()
            limit = self._options.connect_timeout_s
            late = SessionClosedError(f"{self._dialer.url}: not connected within connect_timeout_s={limit:g}")
            return _Life(late, may_come_back=True)
        except (DialError, AuthenticationError, SessionClosedError) as error:
            self._failed_attempt()
            # What is wrong with another URL is no reason to give up the user's.
            away = self._dialer is not self._home
            move = None if connection.ending is None else connection.ending.move
            return _Life(error, away or _worth_another(error, connection), move=move)
        else:
            lasted_s = await self._serve(connection)
            ending = connection.ending
            assert ending is not None
            return _Life(ending.error(), ending.reconnect, lasted_s, ending.move)
        finally:
            connection.abort()

    def _failed_attempt(self) -> None:
        self.attempts_failed += 1
        self.changes.signal()

    async def _serve(self, connection: Connection) -> float:
        """Keeps a connection until it ends; returns for how long it was up, in seconds."""
        self.connection = connection
        try:
            self.courier.attach(connection)
            await self._restore(connection)
            while connection.ending is None:
                await self.changes.until(lambda: connection.ending is not None or self.courier.renewal_wanted)
                if connection.ending is None:
                    await self._renew(connection)
            return 0.0 if self._up_since is None else self._loop.time() - self._up_since
        finally:
            self._up_since = None
            self.connection = None
            why = connection.ending
            self.courier.detach(self.closed_error if why is None or self.closing else why.error)

    async def _restore(self, connection: Connection) -> None:
        """Waits until all that stands is subscribed, then lets go out what waits."""
        courier = self.courier

        def done() -> bool:
            return connection.ending is not None or courier.renewal_wanted or courier.restored

        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self.changes.until(done)
                while courier.renewal_wanted and connection.ending is None:
                    await self._renew(connection, release=False)
                    await self.changes.until(done)
        except TimeoutError:
            await self._give_up(connection, "the server did not confirm the subscriptions in time")
        if connection.ending is None:
            courier.release()
            self.connects += 1
            self._up_since = self._loop.time()
            self.changes.signal()

    async def _give_up(self, connection: Connection, why: str) -> None:
        logger.warning("%s: %s", self._dialer.url, why)
        connection.abort()
        await self.changes.until(lambda: connection.ending is not None)

    # Tokens.

    async def _renew(self, connection: Connection, *, release: bool = True) -> None:
        """Fetches a token, proves it to the server, and sends again what the old one stopped."""
        courier = self.courier
        courier.hold()
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self.tokens.fetch()
        except (AuthenticationError, TimeoutError) as error:
            self._not_renewed(
                RequestError(EXPIRED, f"there is no new token: {str(error) or 'no answer in time'}")
            )
        else:
            if connection.ending is None:
                await self._prove(connection)
        if connection.ending is None and release:
            courier.release()

    def _not_renewed(self, error: RequestError) -> None:
        logger.warning("the token has expired: %s", error.detail)
        self._renew_not_before = self._loop.time() + RENEWAL_PAUSE_S
        self.courier.not_renewed(error.code, error.detail)

    async def _prove(self, connection: Connection) -> None:
        """Makes the server know the new token, and learns what the old one stopped.

        The proof is a second subscription to the error destination, under another id. Frames of a session are handled
        in order, so its RECEIPT tells that every frame before it has been answered; and the server learns of the token
        even when no frame of the application is due. The first subscription goes afterwards, so that no error falls
        between.
        """
        courier, old = self.courier, self._errors
        assert old is not None  # the error destination is where the server said that the token has expired
        new = self._error_channel("errors-2" if old.id == "errors" else "errors")
        courier.prove(new)
        try:
            async with asyncio.timeout(self._options.connect_timeout_s):
                await self.changes.until(
                    lambda: new.live or new.error is not None or connection.ending is not None
                )
        except TimeoutError:
            await self._give_up(connection, "the server did not answer a new token in time")
        if connection.ending is not None:
            courier.standing.pop(new.id, None)
        elif isinstance(new.error, RequestError):
            self._not_renewed(new.error)
        else:
            courier.unsubscribe(old, confirm=False)
            self._errors = new
            courier.renewed()

    def _error_channel(self, name: str) -> Standing:
        assert self._options.error_destination is not None
        return Standing(name, self._options.error_destination, self.courier.on_soft_error, early=True)

    # The end.

    async def say_goodbye(self) -> None:
        """Sends what waits and DISCONNECT, and waits until the server has taken all and closed its side."""
        self.closing = True
        connection = self.connection
        if connection is None or connection.ending is not None:
            return
        try:
            async with asyncio.timeout(self._options.close_timeout_s):
                await self.changes.until(lambda: connection.ending is not None or not self.courier.queue)
                connection.disconnect(self.courier.next_name())
                await self.changes.until(lambda: connection.ending is not None or connection.farewell)
                connection.close()
                await self.changes.until(lambda: connection.ending is not None)
        except TimeoutError:
            logger.info("%s: the server did not answer DISCONNECT in time", self._dialer.url)
            connection.abort()

    async def wait_room(self, frame: Outgoing) -> None:
        """Waits until a frame may fit into the queue, or nothing will make room."""
        courier = self.courier
        await self.changes.until(lambda: not courier.may_get_room or courier.queue.full_for(frame) is None)

    async def wait_unsubscribed(self, frame: Outgoing) -> None:
        """Waits until the server confirms an UNSUBSCRIBE frame, at most ``close_timeout_s``; does not
        raise where it does not.
        """
        frame.outcome = self._loop.create_future()
        try:
            async with asyncio.timeout(self._options.close_timeout_s):
                await frame.outcome
        except (TimeoutError, RequestError, SessionClosedError) as error:
            logger.info("UNSUBSCRIBE was not confirmed: %s", str(error) or "no answer in time")
        finally:
            self.courier.forget(frame)

    def finish(self, error: StompedeError, *, by_user: bool) -> None:
        """The client has closed for good. The first reason counts."""
        if self.closed is None:
            self.closing = True
            self.closed = error
            self.courier.close(self.closed_error, by_user=by_user)
            self.changes.signal()


def _worth_another(error: StompedeError, connection: Connection) -> bool:
    """Whether an attempt that failed may be repeated."""
    if isinstance(error, DialError):
        return error.reconnect
    # Where the token's origin failed there is no ending: it may be back later, and said nothing about this
    # server.
    return connection.ending is None or connection.ending.reconnect
