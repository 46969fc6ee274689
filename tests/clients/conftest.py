"""The server that the probes talk to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from probing import Served

from subprocesses import stompede_serve

# The suite is written for Python 2.7, which no package registry has: it runs where somebody has installed it.
collect_ignore = [] if shutil.which("wstest") else ["test_autobahn.py"]
MIB = 1024 * 1024
SETTINGS = {
    # Bodies of 1 MiB, and a queue for those that come back; by default a body may have 256 KiB.
    "max_body_bytes": 2 * MIB,
    "max_message_bytes": 4 * MIB,
    "outbound_bytes": 16 * MIB,
    "sockjs_max_post_bytes": 4 * MIB,
    # The clients beat every 300 ms, so that a test need not wait for long.
    "heart_beat_send_ms": 250,
    "heart_beat_receive_ms": 250,
    # The suite of stomp.py starts a score of processes at once: on a busy machine they are slow to say the first word.
    "connect_timeout_s": 60,
}


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """``stompede serve stompede.testing.conformance:app``; at its end nothing may have gone wrong inside."""
    options = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    with stompede_serve("stompede.testing.conformance:app", "--tcp-port", "0", *options) as (process, url):
        tcp = process.wait_log(r'"tcp": "(stomp://[^"]+)"')[1]
        yield Served(f"{url.replace('http', 'ws')}/ws", tcp)
        process.terminate()
        assert process.wait() == 0
        for unexpected in ("Traceback", "session failed", '"level": "error"'):
            assert unexpected not in process.log, process.log
