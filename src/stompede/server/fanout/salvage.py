"""What is left of a tick in which a frame could not be made.

Publishing refuses whatever cannot be written, so this is for what came another way: one message must not cost a
destination its others, nor other destinations theirs.
"""

from __future__ import annotations

import structlog

from stompede._traceback import traceback_of
from stompede.server.fanout.topics import Pending, Topic, frames_of_tick

log = structlog.get_logger("stompede.hub")


def encodable(topic: Topic, pending: list[Pending], error: Exception) -> list[Pending]:
    """The messages of a tick of which frames can be made, after ``error`` came of all of them.

    Args:
        topic: where they go.
        pending: the messages.
        error: what went wrong; where it was none of the messages, nothing is left, as some subscribers may have them.
    """
    whole = []
    for one in pending:
        try:
            for cohort in topic.cohorts.values():
                frames_of_tick([one], cohort)
        except Exception as of_this:
            log.error("a message cannot be written", destination=topic.destination, reason=str(of_this))
        else:
            whole.append(one)
    if len(whole) < len(pending):
        return whole
    log.error("a tick failed", destination=topic.destination, exception=traceback_of(error))
    return []
