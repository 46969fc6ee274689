"""The tests inside of stomp.py 4.1.24's source distribution, unmodified, against a running node.

Only the modules that talk to a server of STOMP are run. `multicast_test` and the like need none, `local_test` needs
Docker, `threading_test` the login of another server's installation, and `apollo_test` a section that its own
configuration lacks.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from probing import HERE, Served

from certificates import self_signed
from subprocesses import stompede_serve

pytestmark = pytest.mark.proof

SOURCES = HERE / "python" / ".suite" / "stomp.py-4.1.24"
INTERPRETER = HERE / "python" / ".venv" / "bin" / "python"
# Those of a group share a queue or a port of their own, and run one after the other.
SHARING = (
    "s10_test", "s11_test", "s12_test", "nonascii_test", "misc_test", "rabbitmq_test", "activemq_test",
    "stompserver_test",
)  # fmt: skip
GROUPS = (("basic_test",), SHARING, ("ssl_test", "cli_ssl_test"))
OWN_SERVER = "talks to a server of its own at port 60000, which something else may have"
NOT_OURS = {
    "basic_test.TestBasicSend.test_timeout": "wants a network that swallows packets to 192.0.2.0",
    "misc_test.TestNoResponseConnectionKill.test_noresponse": OWN_SERVER,
    "s11_test.Test11Send.testheartbeat_timeout": OWN_SERVER,
    "s12_test.Test12Connect.test_timeout": OWN_SERVER,
}
LIMIT_S = 90.0
FAILED = re.compile(r"^(?:FAIL|ERROR): \w+ \(stomp\.test\.([\w.]+)\)", re.MULTILINE)
RAN = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[str]:
    certificate, key = self_signed(tmp_path)
    settings = {
        "tcp_certificate": certificate,
        "tcp_key": key,
        "handshake_timeout_s": 60,
        "connect_timeout_s": 60,
    }
    options = ("--tcp-port", "0", *(f"--set={name}={value}" for name, value in settings.items()))
    with stompede_serve("stompede.testing.conformance:app", *options) as (process, _):
        yield process.wait_log(r'"tcp": "stomp\+ssl://127\.0\.0\.1:(\d+)"')[1]


def command_line_tests() -> list[tuple[str]]:
    """Each spends its time in sleeps, so each gets a process."""
    names = re.findall(r"def (test\w+)", (SOURCES / "stomp" / "test" / "cli_test.py").read_text())
    return [(f"cli_test.TestCLI.{name}",) for name in names]


def test_the_tests_of_stomp_py_pass_unmodified(
    served: Served, tls_port: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    if not SOURCES.exists():
        pytest.skip("the sources of stomp.py 4.1.24 are not there; `make clients` brings them")
    port = str(urlsplit(served.tcp).port)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("STOMPEDE_", "PYTHON"))
    }
    for server in ("STD", "RABBITMQ", "STOMPSERVER"):
        environment |= {f"{server}_HOST": "127.0.0.1", f"{server}_PORT": port}
        environment |= {f"{server}_USER": "guest", f"{server}_PASSWORD": "guest"}
    environment["STD_SSL_PORT"] = tls_port
    running = []
    for group in (*GROUPS, *command_line_tests()):
        log = tmp_path / f"{group[0]}.log"
        with log.open("wb") as output:
            modules = [f"stomp.test.{module}" for module in group]
            command = [str(INTERPRETER), "-W", "ignore", "-m", "unittest", "-v", *modules]
            process = subprocess.Popen(
                command, cwd=SOURCES, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        running.append((process, log))
    deadline = time.monotonic() + LIMIT_S
    passed, failed = 0, {}
    for process, log in running:
        try:
            process.wait(deadline - time.monotonic())
        finally:
            process.kill()
        said = log.read_text(errors="replace")
        ran = RAN.search(said)
        assert ran, said
        names = FAILED.findall(said)
        passed += int(ran[1]) - len(names)
        failed |= dict.fromkeys(names, said)
    left = {name: why for name, why in NOT_OURS.items() if name in failed}
    record_property("suite", {"suite": "Tests of stomp.py 4.1.24", "passed": passed, "left": left})
    unexpected = failed.keys() - NOT_OURS.keys()
    assert not unexpected, "\n".join(failed[name] for name in sorted(unexpected))
