"""``stompede demo``: a node and simulated riders, in two processes: the node has its core to itself."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Final

import typer

from stompede._app.listening import listen
from stompede.cli._values import load_settings
from stompede.errors import ConfigurationError, StompedeError

_READY_WITHIN_S: Final = 30
_STOP_WITHIN_S: Final = 30
_FOLLOW_WITHIN_S: Final = 1.0  # where one has ended by itself: nothing is left to end in order
_LOOK_EVERY_S: Final = 0.1

WHAT_TO_TRY: Final = """
  http://localhost:{port}/             the live map: click a rider to follow it
  http://localhost:{port}/#stomp       the STOMP test page: connect, subscribe, send, see every frame
  http://localhost:{port}/docs         the REST interface
  http://localhost:{port}/asyncapi     every destination with the schema of its messages
  http://localhost:{port}/metrics      figures for Prometheus

Demo members: cook/cook, guest/guest, admin/admin, rider-1/rider. Ctrl-C ends node and riders.
"""


def demo(
    riders: Annotated[int, typer.Option(min=0, help="Riders on the streets.")] = 200,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port to listen at. [default: 8080]", show_default=False),
    ] = None,
) -> None:
    """Run a node in demo mode and simulated riders that report to it, until Ctrl-C."""
    flags = {"host": host, "port": port}
    effective = load_settings(None, [f"{name}={value}" for name, value in flags.items() if value is not None])
    host, port = effective.listen.host, effective.listen.port
    if effective.listen.certfile is not None:
        raise ConfigurationError(
            f"{effective.sources['certfile']}: the demo speaks no TLS; leave the certificate out, or run "
            "`stompede serve --demo` and `stompede simulate riders --url wss://...`"
        )
    listen(host, port).close()  # a node of somebody else there would answer as if it were ours
    stompede = [sys.executable, "-m", "stompede"]
    place = ["--host", host, "--port", str(port)]
    with _Family() as family:
        node = family.start("node", [*stompede, "serve", "--demo", *place, "--set", "log_level=warning"])
        address = _reached_at(host)
        family.wait_until(lambda: _is_ready(address, port), node)
        if family.asked_to_stop:
            return
        typer.echo(WHAT_TO_TRY.format(port=port))
        if riders:
            url = f"ws://{address}:{port}{effective.node.endpoints[0]}"
            family.start("riders", [*stompede, "simulate", "riders", "--url", url, "--riders", str(riders)])
        family.wait()


class _Family:
    """Child processes that end together, the last started first.

    Each is in a process group of its own: Ctrl-C reaches this process alone, which then ends them in order.
    """

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._patience_s: float = _STOP_WITHIN_S
        self.asked_to_stop = False
        self._former: dict[signal.Signals, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> _Family:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._former[number] = signal.signal(number, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children.values()):
            if child.poll() is None:
                child.terminate()
                try:
                    child.wait(self._patience_s)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
        for number, former in self._former.items():
            signal.signal(number, former)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked_to_stop = True

    def start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Starts a program; ``name`` is what it is called when it ends by itself."""
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)  # noqa: S603 - our own program
        self._children[name] = child
        return child

    def wait_until(self, condition: Callable[[], bool], needed: subprocess.Popen[bytes]) -> None:
        """Waits until something is so; raises when the process that it needs ends, or it takes too long."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while not self.asked_to_stop and not condition():
            code = needed.poll()
            if code is not None:
                if code < 0:
                    raise StompedeError(f"the node ended by {_how(code)} before it was ready")
                raise typer.Exit(code)  # it has said why
            if time.monotonic() > deadline:
                raise StompedeError(f"the node was not ready within {_READY_WITHIN_S} s")
            time.sleep(_LOOK_EVERY_S)

    def wait(self) -> None:
        """Waits until somebody asks to stop.

        Raises:
            StompedeError: a child has ended by itself; says which and how.
        """
        while not self.asked_to_stop:
            for name, child in self._children.items():
                code = child.poll()
                if code is not None:
                    self._patience_s = _FOLLOW_WITHIN_S
                    raise StompedeError(f"the {name} ended by {_how(code)}; the demo ends with it")
            time.sleep(_LOOK_EVERY_S)


def _how(code: int) -> str:
    """What `subprocess.Popen.returncode` says: a signal where it is negative."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:  # one of the real-time signals
        return f"signal {-code}"


def _reached_at(host: str) -> str:
    """How a URL names the address that a node on this machine listens at."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - read, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _is_ready(address: str, port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
