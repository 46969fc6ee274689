"""Runs the scenarios: server on one core, load on the other, product and baseline in turn.

Prints one JSON line for each scenario, and a table for people on standard error. Ends with 1 when a message
was lost, came twice, out of order, or to the wrong client; a missed target is said, and ends with 0 unless
``--strict``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks import rabbitmq
from benchmarks.clock import run_clock
from benchmarks.generator import ROOT, Load, LoadError, Report, Running, compile_load
from benchmarks.recovery import run_recovery
from benchmarks.results import Outcome, machine, outcome_of, page, table
from benchmarks.scenarios import BESIDE_STORM, Kind, Scenario, scenarios
from benchmarks.servers import PRODUCT, Server, ServerError, allow_many_files

PAGE: Final = ROOT / "docs" / "benchmarks-results.md"
PAIRS: Final = 5
SECONDS: Final = 3.0
WARMUP_S: Final = 1.0
SETTLE_S: Final = 0.5  # what the load generator waits after opening


class Bench:
    """How scenarios are run.

    Args:
        pairs: times that product and baseline are measured in turn.
        seconds: time of one measurement.
        warmup_s: time before it that is not counted.
        server_core: core of the server.
        load_core: core of the load generator.
    """

    def __init__(self, pairs: int, seconds: float, warmup_s: float, server_core: int, load_core: int) -> None:
        self.pairs = pairs
        self.seconds = seconds
        self.warmup_s = warmup_s
        self.server_core = server_core
        self.load_core = load_core

    def run(self, scenario: Scenario) -> Outcome:
        """All pairs of a scenario, product first in each."""
        if scenario.kind is Kind.CLOCK:
            runs = [
                (run_clock(self.server_core, bare=False), run_clock(self.server_core, bare=True))
                for _ in range(self.pairs)
            ]
            return outcome_of(scenario, [ours for ours, _ in runs], [bare for _, bare in runs])
        if scenario.kind is Kind.RECOVERY:
            cores = self.server_core, self.load_core
            pairs = [(run_recovery(*cores), run_recovery(*cores, past=0)) for _ in range(self.pairs)]
            return outcome_of(scenario, [ours for ours, _ in pairs], [without for _, without in pairs])
        sides = ((PRODUCT, scenario.product), (scenario.baseline, scenario.baseline_load))
        reports: tuple[list[Report], list[Report]] = ([], [])
        with ExitStack() as stack:
            stay = scenario.kind is not Kind.FRESH
            names = [name for name, _ in sides] if stay else []
            servers = [stack.enter_context(self._server(name)) for name in names]
            for _ in range(self.pairs):
                for side, (name, load) in enumerate(sides):
                    if stay:
                        reports[side].append(self._measure(scenario, servers[side], load))
                        continue
                    with self._server(name) as server:
                        reports[side].append(self._measure(scenario, server, load))
        return outcome_of(scenario, *reports)

    def _server(self, name: str) -> Server:
        if name == rabbitmq.NAME:
            return rabbitmq.RabbitMq(self.server_core)
        return Server(name, self.server_core)

    def _measure(self, scenario: Scenario, server: Server, load: Load) -> Report:
        try:
            if scenario.kind is Kind.STORM:
                return self._storm(server, load)
            return self._load(server, load, self.seconds, self.warmup_s).report()
        except LoadError as error:
            raise ServerError(f"{scenario.name} on {server.name}: {error}\n{server.log()}") from error

    def _load(self, server: Server, load: Load, seconds: float, warmup_s: float) -> Running:
        return Running(load, server.port, server.pid, core=self.load_core, seconds=seconds, warmup_s=warmup_s)

    def _storm(self, server: Server, load: Load) -> Report:
        """All connect while a fan-out goes on, whose latency is measured until the last one is there."""
        beside = self._load(server, BESIDE_STORM, seconds=120, warmup_s=120)
        beside.wait_open()
        time.sleep(SETTLE_S + self.warmup_s)
        beside.end_phase()
        storm = self._load(server, load, self.seconds, warmup_s=0)
        storm.wait_open()
        beside.end_phase()
        result = storm.report()
        meanwhile = beside.report()
        return {**result, "ok": result["ok"] and meanwhile["ok"], "beside": meanwhile}


def _parse(arguments: Sequence[str] | None, known: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="name", help="scenarios to run: " + ", ".join(known))
    add(
        "--pairs",
        type=int,
        default=PAIRS,
        help="product and baseline in turn, so often (default %(default)s)",
    )
    add("--seconds", type=float, default=SECONDS, help="length of one measurement (default %(default)s)")
    add("--quick", action="store_true", help="one short pair each: to see that it runs, not for figures")
    add("--strict", action="store_true", help="end with 1 when a target is missed, too")
    add("--page", type=Path, default=PAGE, help="where a full run writes its table (default %(default)s)")
    add("--server-core", type=int, default=0, help="core of the servers (default %(default)s)")
    add("--load-core", type=int, default=1, help="core of the load generator (default %(default)s)")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - set(known)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return given


def _complain(outcomes: Sequence[Outcome], *, strict: bool) -> int:
    """Says what is not as it should be; returns the exit code."""
    missed = [outcome for outcome in outcomes if outcome.met is False]
    for outcome in missed:
        text = f"{outcome.scenario.title}: {outcome.result_text}, wanted {outcome.wanted_text}"
        print(f"TARGET MISSED: {text}", file=sys.stderr)
    broken = [outcome for outcome in outcomes if not outcome.whole]
    for outcome in broken:
        text = f"{outcome.scenario.title}: a client did not get exactly what it should have"
        print(f"COUNTS DIFFER: {text}", file=sys.stderr)
    return 1 if broken or (strict and missed) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 2 when nothing could be measured."""
    known = scenarios()
    given = _parse(arguments, [scenario.name for scenario in known])
    compile_load()
    allow_many_files()
    pairs, seconds, warmup_s = (1, 1.0, 0.5) if given.quick else (given.pairs, given.seconds, WARMUP_S)
    bench = Bench(pairs, seconds, warmup_s, given.server_core, given.load_core)
    about = machine(pairs, seconds)
    outcomes = []
    missing = []
    for scenario in known:
        if given.names and scenario.name not in given.names:
            continue
        if scenario.baseline == rabbitmq.NAME and not rabbitmq.installed():
            missing.append(f"{scenario.title}: RabbitMQ is not installed (make services)")
            continue
        try:
            outcome = bench.run(scenario)
        except ServerError as error:
            print(error, file=sys.stderr)
            return 2
        outcomes.append(outcome)
        print(json.dumps({**outcome.as_json(), **about}), flush=True)
    print(table(outcomes, missing), file=sys.stderr)
    if not given.names and pairs >= PAIRS:
        given.page.write_text(page(outcomes, about, missing))
    return _complain(outcomes, strict=given.strict)
