"""``stompede simulate``: load that looks like the real thing, over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stompede.apps.location.simulation.figures import FleetStatistics
from stompede.apps.location.simulation.fleet import Fleet, FleetOptions
from stompede.apps.location.simulation.rider import Step, StreetRider
from stompede.apps.location.simulation.streets import built_in_city
from stompede.apps.location.simulation.traces import TraceError, read_traces
from stompede.client import connect
from stompede.errors import ConfigurationError

_SHOW_EVERY_S: Final = 1.0
_LINE_EVERY_S: Final = 10.0  # where nobody looks live: a log file
_DEFAULT_RIDERS: Final = 200
_UNITS: Final[Mapping[str, float]] = {"": 1, "s": 1, "min": 60, "m": 60, "h": 3600}

simulate = typer.Typer(name="simulate", help="Simulate clients over real connections.", no_args_is_help=True)


@simulate.callback()
def _simulate() -> None:
    """Simulate clients over real connections."""


Url = Annotated[str, typer.Option(help="Where the node speaks STOMP over WebSocket.")]
Riders = Annotated[
    int | None,
    typer.Option(min=1, help="How many riders; with traces, by default all of them.", show_default="200"),
]
Rate = Annotated[str, typer.Option(metavar="N/TIME", help="Positions of one rider: 1/s, 0.2/s, 12/min.")]
Duration = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="How long: 90, 90s, 5m, 1h.", show_default="until Ctrl-C"),
]
Traces = Annotated[
    list[Path] | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Recorded movement to replay: CSV with time, id, lat, lon in the header, or GPX; plain or gzipped; "
        "may be repeated.",
        show_default="the streets of Helsinki's centre",
    ),
]
Speed = Annotated[float, typer.Option(min=0.01, max=10_000, help="How much faster than real they move.")]
Once = Annotated[bool, typer.Option("--once", help="End when the traces do, instead of beginning again.")]
Seed = Annotated[int, typer.Option(help="Another number gives other rides.")]
Connections = Annotated[
    int | None, typer.Option(min=1, help="Connections that the riders share.", show_default="one each")
]
FirstId = Annotated[int, typer.Option(min=0, help="Id of the first rider on the streets.")]
Destination = Annotated[str, typer.Option(help="Where positions are sent.")]
Token = Annotated[
    str | None,
    typer.Option(help="Bearer token of the one rider, where there are accounts.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON, and no progress.")]


@simulate.command()
def riders(
    context: typer.Context,
    url: Url = "ws://localhost:8080/stomp",
    riders: Riders = None,
    rate: Rate = "1/s",
    duration: Duration = None,
    traces: Traces = None,
    speed: Speed = 1.0,
    once: Once = False,
    seed: Seed = 1,
    connections: Connections = None,
    first_id: FirstId = 1,
    destination: Destination = "/app/commute",
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Riders that report their positions: along the streets of Helsinki's centre, or along recorded traces.

    Each begins with INIT, reports WORKING and, at stops, PAUSED, and ends with DONE. Ctrl-C ends all shifts.
    The exit code is 1 when no position got through.
    """
    _refuse_what_means_nothing(context, replaying=bool(traces))
    duration_s = None if duration is None else _seconds(duration)
    interval_s = 1.0 / _per_second(rate)
    connect(url, token=token)  # connects nothing yet, and says what is wrong with the URL
    if traces:
        sources = _replayed(traces, riders, speed=speed, loop=not once)
    else:
        sources = _on_streets(riders or _DEFAULT_RIDERS, first_id, seed, interval_s, speed)
    fleet = Fleet(
        lambda: connect(url, token=token),
        sources,
        FleetOptions(connections=connections, destination=destination),
    )
    final = asyncio.run(_run(fleet, duration_s, show=not as_json))
    if as_json:
        typer.echo(msgspec.json.encode(final))
    else:
        Console(stderr=True).print(_summary(final))
    if not final.answered:
        reason = f": {final.last_error}" if final.last_error else ""
        typer.echo(f"stompede: no position got through to {url}{reason}", err=True)
        raise typer.Exit(1)


def _refuse_what_means_nothing(context: typer.Context, *, replaying: bool) -> None:
    """Tells options that would be ignored: who gives them expects something else than what would happen."""
    for name in ("rate", "seed", "first_id") if replaying else ("once",):
        source = context.get_parameter_source(name)
        # By its name: the enumeration is click's or, from some version on, typer's own.
        if source is not None and source.name != "DEFAULT":
            option = "--" + name.replace("_", "-")
            reason = (
                "traces have their own times and ids; leave it out, or leave out --traces"
                if replaying
                else "rides on the streets have no end; give --traces, or --duration"
            )
            raise ConfigurationError(f"{option} means nothing here: {reason}")


def _on_streets(
    count: int, first_id: int, seed: int, interval_s: float, speed: float
) -> dict[int, Iterator[Step]]:
    streets = built_in_city()
    # Spread over the interval, so that the node does not get all positions at once.
    return {
        first_id + number: StreetRider(streets, first_id + number, seed).steps(
            interval_s, speed=speed, phase_s=interval_s * number / count
        )
        for number in range(count)
    }


def _replayed(
    paths: list[Path], most_riders: int | None, *, speed: float, loop: bool
) -> dict[int, Iterator[Step]]:
    try:
        return read_traces(paths, most_riders=most_riders).steps(speed=speed, loop=loop)
    except TraceError as error:
        raise ConfigurationError(str(error)) from error


async def _run(fleet: Fleet, duration_s: float | None, *, show: bool) -> FleetStatistics:
    """Run a fleet until its end, its time, or a signal; a second signal does not wait for the last answers."""
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(fleet.run())

    def asked_to_stop() -> None:
        if fleet.stopping:
            work.cancel()
        fleet.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop)
    timer = None if duration_s is None else loop.call_later(duration_s, fleet.stop)
    try:
        await _watch(fleet, work, show=show)
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        if timer is not None:
            timer.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return fleet.statistics()


async def _watch(fleet: Fleet, work: asyncio.Future[None], *, show: bool) -> None:
    console = Console(stderr=True)
    if not show:
        await asyncio.wait([work])
        return
    before = fleet.statistics()
    if not console.is_terminal:
        while not (await asyncio.wait([work], timeout=_LINE_EVERY_S))[0]:
            now = fleet.statistics()
            console.print(_line(before, now), soft_wrap=True)
            before = now
        return
    with Live(_line(before, before), console=console, auto_refresh=False, transient=True) as live:
        while not (await asyncio.wait([work], timeout=_SHOW_EVERY_S))[0]:
            now = fleet.statistics()
            live.update(_line(before, now), refresh=True)
            before = now


def _line(before: FleetStatistics, now: FleetStatistics) -> Text:
    seconds = max(now.seconds - before.seconds, 1e-9)
    errors = sum(now.errors.values())
    parts = [
        f"riders {now.riding}/{now.riders}",
        f"connections {now.connections}",
        f"positions {(now.sent - before.sent) / seconds:.0f}/s",
        f"answers {(now.answered - before.answered) / seconds:.0f}/s",
        f"p50 {_milliseconds(now.latency_p50_ms)}",
        f"p99 {_milliseconds(now.latency_p99_ms)}",
        f"errors {errors}",
    ]
    line = Text(" · ".join(parts), style="bold red" if errors else "")
    if errors and now.last_error:
        line.append(f"  {now.last_error}", style="red")
    return line


def _summary(final: FleetStatistics) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    seconds = max(final.seconds, 1e-9)
    table.add_row("riders", f"{final.riders}")
    table.add_row("time", f"{final.seconds:.1f} s")
    table.add_row(
        "positions", f"{final.sent} sent, {final.answered} answered, {final.answered / seconds:.0f}/s"
    )
    if final.skipped:
        table.add_row("left out", f"{final.skipped}: the answer to the one before had not come")
    table.add_row(
        "answer after",
        f"p50 {_milliseconds(final.latency_p50_ms)}, p99 {_milliseconds(final.latency_p99_ms)}",
    )
    table.add_row("reconnects", f"{final.reconnects}")
    errors = ", ".join(f"{code} {count}" for code, count in sorted(final.errors.items()))
    table.add_row("errors", errors or "none")
    return table


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _seconds(text: str) -> float:
    written = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|min|h)?", text.strip().lower(), re.ASCII)
    if written is None or float(written[1]) <= 0:
        raise ConfigurationError(f"--duration {text} is no time; write 90, 90s, 5m or 1h")
    return float(written[1]) * _UNITS[written[2] or ""]


def _per_second(text: str) -> float:
    written = re.fullmatch(r"(\d+(?:\.\d+)?)(?:/(s|m|min|h))?", text.strip().lower(), re.ASCII)
    rate = float(written[1]) / _UNITS[written[2] or ""] if written else 0.0
    if not 0.0001 <= rate <= 100:
        raise ConfigurationError(f"--rate {text} is none; write 1/s, 0.2/s or 12/min, 100/s at most")
    return rate
