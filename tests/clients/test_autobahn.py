"""Autobahn|Testsuite's fuzzingclient against raw WebSocket echo. Collected where `wstest` is on PATH."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from subprocesses import stompede_serve

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

CASES = [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)]
LONG_CASES = ["9.*", "12.*", "13.*"]
"""By ``STOMPEDE_AUTOBAHN=all``: large messages, and compression."""
MOST_NON_STRICT = 4


def test_nothing_fails_nothing_is_unclean(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    cases = CASES + (LONG_CASES if os.environ.get("STOMPEDE_AUTOBAHN") == "all" else [])
    size = str(64 * 1024 * 1024)
    options = ("--set", f"max_message_bytes={size}", "--set", f"outbound_bytes={size}")
    with stompede_serve("stompede.testing.conformance:app", *options) as (_, url):
        server = {"agent": "stompede", "url": f"{url.replace('http', 'ws')}/echo/websocket"}
        spec = {"outdir": str(tmp_path), "servers": [server], "cases": cases, "exclude-cases": []}
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        command = ["wstest", "-m", "fuzzingclient", "-s", str(tmp_path / "spec.json")]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=1700)
    results = json.loads((tmp_path / "index.json").read_text())["stompede"]
    passed = {"OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED"}
    bad = {
        name: case
        for name, case in results.items()
        if not {case["behavior"], case["behaviorClose"]} <= passed
    }
    assert not bad
    assert sum(case["behavior"] == "NON-STRICT" for case in results.values()) <= MOST_NON_STRICT
    record_property(
        "suite", {"suite": "Autobahn Testsuite, fuzzingclient", "passed": len(results), "left": {}}
    )
