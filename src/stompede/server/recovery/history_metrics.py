"""The figures of histories and recoveries for Prometheus; see `stompede.server.metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stompede.server.metrics import Figure

GAUGES: Final[tuple[tuple[str, str, Figure], ...]] = (
    (
        "stompede_history_destinations",
        "Destinations whose past is kept on this node.",
        lambda s: s.history.destinations or 0,
    ),
    ("stompede_history_messages", "Messages kept in histories.", lambda s: s.history.messages or 0),
    ("stompede_history_bytes", "Bytes of the messages in histories.", lambda s: s.history.size_bytes or 0),
    (
        "stompede_history_watched",
        "Destinations with history and subscribers here.",
        lambda s: s.histories.watched,
    ),
    (
        "stompede_recoveries_running",
        "Subscriptions that read and write what they missed.",
        lambda s: s.recovery.running,
    ),
    (
        "stompede_recoveries_waiting",
        "Subscriptions that wait for their turn to recover.",
        lambda s: s.recovery.waiting,
    ),
    (
        "stompede_recoveries_blocked",
        "Subscriptions that recover over a socket that takes no bytes now.",
        lambda s: s.recovery.blocked,
    ),
    (
        "stompede_recoveries_kept_bytes",
        "Bytes of encoded messages that are kept for others who recover.",
        lambda s: s.recovery.kept_bytes,
    ),
)

COUNTERS: Final[tuple[tuple[str, str, Figure], ...]] = (
    ("stompede_history_appended", "Messages appended to histories.", lambda s: s.history.appended),
    ("stompede_history_read", "Messages read from histories.", lambda s: s.history.read),
    (
        "stompede_history_unreachable",
        "Reads of histories whose position was no longer kept.",
        lambda s: s.history.unreachable,
    ),
    ("stompede_history_evicted", "Histories forgotten for want of room.", lambda s: s.history.evicted),
    (
        "stompede_history_gaps",
        "Times that the bus brought a message that did not follow the one before.",
        lambda s: s.histories.gaps,
    ),
    (
        "stompede_history_filled",
        "Messages that the bus lost and the history had.",
        lambda s: s.histories.filled,
    ),
    ("stompede_history_repeated", "Messages that the bus brought again.", lambda s: s.histories.repeated),
    (
        "stompede_history_lost",
        "Gaps that could not be filled; the subscribers were told.",
        lambda s: s.histories.lost,
    ),
    (
        "stompede_recoveries_done",
        "SUBSCRIBE frames that got all they had missed.",
        lambda s: s.recovery.recovered,
    ),
    (
        "stompede_recoveries_refused",
        "SUBSCRIBE frames that had missed more than is kept.",
        lambda s: s.recovery.refused,
    ),
    (
        "stompede_recoveries_outrun",
        "Recoveries whose client read more slowly than the history forgot.",
        lambda s: s.recovery.outrun,
    ),
    (
        "stompede_recovered_messages",
        "Messages delivered from histories.",
        lambda s: s.recovery.messages,
    ),
    ("stompede_recovery_encoded", "Pieces of histories encoded.", lambda s: s.recovery.encoded),
    (
        "stompede_recovery_shared",
        "Pieces of histories taken as another recovery had encoded them.",
        lambda s: s.recovery.shared,
    ),
)
