"""RabbitMQ with Web STOMP, where Debian's package is installed: a node of its own, on ports and in a directory that
nobody else has, on one core with one scheduler.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from benchmarks.servers import Server, ServerError, free_port

# Not the one in /usr/sbin, which changes the user.
PROGRAM: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
NAME: Final = "rabbitmq"
STOP_S: Final = 15

# No spinning of idle schedulers, which would be taken for work.
EMULATOR: Final = "+S 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none"


def installed() -> bool:
    """Whether it can be measured here."""
    return PROGRAM.exists() and shutil.which("epmd") is not None


def version() -> str:
    """Which one is installed."""
    query = ["dpkg-query", "--showformat", "${Version}", "--show", "rabbitmq-server"]
    with contextlib.suppress(OSError):
        return subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
    return ""


@final
class RabbitMq(Server):
    """See the module.

    Args:
        core: the core to run on.
    """

    def __init__(self, core: int) -> None:
        self._epmd_port = free_port()
        super().__init__(NAME, core)

    def _command(self) -> list[str]:
        return [str(PROGRAM)]

    def _environment(self, data: Path, _: Mapping[str, str]) -> dict[str, str]:
        config = data / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{free_port()}\nstomp.listeners.tcp.1 = 127.0.0.1:{free_port()}\n"
            f"web_stomp.tcp.ip = 127.0.0.1\nweb_stomp.tcp.port = {self.port}\nlog.console.level = error\n"
        )
        plugins = data / "enabled_plugins"
        plugins.write_text("[rabbitmq_web_stomp].\n")
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"stompede{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(data / "logs"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{EMULATOR} -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
        }

    def wait(self, limit_s: float = 90) -> None:
        """See `Server`; from then on ``pid`` is the process that does the work, not the script that started it."""
        super().wait(limit_s)
        emulators = [pid for pid in _below(self.pid) if _name_of(pid).startswith("beam")]
        if not emulators:
            raise ServerError(f"no emulator runs below {self.pid}:\n{self.log()}")
        self.pid = emulators[0]

    def stop(self) -> None:
        """Ends it, and the name server that it started."""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + STOP_S
        while self._process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        self._signal(signal.SIGKILL)
        self._process.wait()
        kill = ["epmd", "-port", str(self._epmd_port), "-kill"]
        subprocess.run(
            kill, env={**os.environ, "ERL_EPMD_RELAXED_COMMAND_CHECK": "1"}, capture_output=True, check=False
        )
        self._data.cleanup()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _below(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{each}/task/{each}/children").read_text()
            found += map(int, children.split())
    return found


def _name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
