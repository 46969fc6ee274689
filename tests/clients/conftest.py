"""The server that the probes talk to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from probing import Served

from subprocesses import stompede_serve

# The suite is written for Python 2.7, which no package registry has: it runs where somebody has installed it.
collect_ignore = [] if shutil.which("wstest") else ["test_autobahn.py"]
# The suite of stomp.py starts a score of processes at once: on a busy machine they are slow to say the first word.
PATIENCE = ("--set", "connect_timeout_s=60")


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    """``stompede serve stompede.testing.conformance:app``; at its end nothing may have gone wrong inside."""
    with stompede_serve("stompede.testing.conformance:app", "--tcp-port", "0", *PATIENCE) as (process, url):
        tcp = process.wait_log(r'"tcp": "(stomp://[^"]+)"')[1]
        yield Served(f"{url.replace('http', 'ws')}/ws", tcp)
        process.terminate()
        assert process.wait() == 0
        for unexpected in ("Traceback", "session failed", '"level": "error"'):
            assert unexpected not in process.log, process.log
