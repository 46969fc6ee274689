"""The parts of the wire that are fuzzed, by name; each takes octets, and raises where something does not hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from target_encode import encode
from target_sockjs import sockjs
from target_stomp import client, server
from target_websocket import compression, websocket

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"
FOUND = ROOT / "var" / "fuzz"

TARGETS: dict[str, Callable[[bytes], None]] = {
    "stomp-server": server,
    "stomp-client": client,
    "stomp-encode": encode,
    "websocket": websocket,
    "deflate": compression,
    "sockjs": sockjs,
}


def entries(target: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted(path for path in (CORPUS / target).iterdir() if path.is_file())


def again(target: str, path: Path) -> str:
    """How to play an input once more."""
    return f".venv/bin/python tests/fuzz/replay.py {target} {path}"
