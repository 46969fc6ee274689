"""What came out, as JSON for programs and as a table for people."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks import rabbitmq
from benchmarks.generator import ROOT, Report
from benchmarks.scenarios import Kind, Scenario

PACKAGES: Final = ("stompede", "picows", "aiofastnet", "uvicorn", "httptools", "msgspec")


@dataclass(frozen=True)
class Spread:
    """A figure that was measured several times."""

    median: float
    least: float
    most: float

    def as_json(self) -> dict[str, float]:
        """For the JSON line."""
        return {"median": round(self.median, 4), "min": round(self.least, 4), "max": round(self.most, 4)}


def spread(values: Iterable[float]) -> Spread:
    """Median, least and most."""
    measured = list(values)
    return Spread(statistics.median(measured), min(measured), max(measured))


@dataclass(frozen=True)
class Outcome:
    """A scenario and what came out.

    Attributes:
        scenario: what was measured.
        product: the compared figure of Stompede.
        baseline: the compared figure of the baseline.
        ratio: product to baseline, pair by pair.
        cpu_ratio: the same in deliveries per second of the server's CPU time, which other work on the machine
            disturbs less; None where nothing is delivered all the time.
        whole: every client got exactly what it should have, in every run.
        reports: all reports of the load generator, of product and baseline.
    """

    scenario: Scenario
    product: Spread
    baseline: Spread
    ratio: Spread
    cpu_ratio: Spread | None
    whole: bool
    reports: tuple[Sequence[Report], Sequence[Report]]

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.scenario.ratio is not None:
            wanted, got = self.scenario.ratio, self.ratio.median
        elif self.scenario.bound is not None:
            wanted, got = self.scenario.bound, self.product.median
        else:
            return None
        return got >= wanted if self.scenario.least else got <= wanted

    @property
    def result_text(self) -> str:
        """The judged figure."""
        if self.scenario.bound is not None:
            return f"{number(self.product.median)} {self.scenario.unit}"
        return f"{self.ratio.median:.2f}"

    @property
    def wanted_text(self) -> str:
        """The target."""
        sign = "≥" if self.scenario.least else "≤"
        if self.scenario.ratio is not None:
            return f"{sign} {self.scenario.ratio:.2f}"
        if self.scenario.bound is not None:
            return f"{sign} {number(self.scenario.bound)} {self.scenario.unit}"
        return ""

    def as_json(self) -> dict[str, Any]:
        """One line."""
        ours, theirs = self.reports
        return {
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "metric": self.scenario.metric,
            "product": self.product.as_json(),
            "baseline": {"name": self.scenario.baseline, **self.baseline.as_json()},
            "ratio": self.ratio.as_json(),
            "ratioPerCpuS": None if self.cpu_ratio is None else self.cpu_ratio.as_json(),
            "wanted": self.wanted_text,
            "met": self.met,
            "countsRight": self.whole,
            "productReports": list(ours),
            "baselineReports": list(theirs),
        }


def outcome_of(scenario: Scenario, product: Sequence[Report], baseline: Sequence[Report]) -> Outcome:
    """Compares the runs of a scenario pair by pair."""
    cpu_ratio = None
    if scenario.kind is Kind.PAIRS and scenario.metric != "p50Us":
        cpu_ratio = _ratios(product, baseline, "deliveredPerCpuS")
    return Outcome(
        scenario,
        product=spread(float(report[scenario.metric]) for report in product),
        baseline=spread(float(report[scenario.metric]) for report in baseline),
        ratio=_ratios(product, baseline, scenario.metric),
        cpu_ratio=cpu_ratio,
        whole=all(report["ok"] for report in (*product, *baseline)),
        reports=(product, baseline),
    )


def _ratios(product: Sequence[Report], baseline: Sequence[Report], metric: str) -> Spread:
    pairs = zip(product, baseline, strict=True)
    return spread(ours[metric] / theirs[metric] if theirs[metric] else 0.0 for ours, theirs in pairs)


def number(value: float) -> str:
    """With thousands separated, to three digits or to the unit."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(outcomes: Sequence[Outcome], missing: Sequence[str] = ()) -> str:
    """In Markdown; what is missing says why."""
    lines = [
        "| scenario | Stompede | baseline | ratio (least–most) | per CPU-second | wanted | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for outcome in outcomes:
        scenario = outcome.scenario
        verdict = {True: "met", False: "**missed**", None: ""}[outcome.met]
        if not outcome.whole:
            verdict = "**counts differ**"
        product = f"{number(outcome.product.median)} {scenario.unit}"
        ratio = f"{outcome.ratio.median:.2f} ({outcome.ratio.least:.2f}–{outcome.ratio.most:.2f})"
        cpu_ratio = "" if outcome.cpu_ratio is None else f"{outcome.cpu_ratio.median:.2f}"
        lines.append(
            f"| {scenario.title} | {product} | {number(outcome.baseline.median)} | {ratio} | {cpu_ratio} | "
            f"{outcome.wanted_text} | {verdict} |"
        )
    lines += [f"| {reason} | not measured | | | | | |" for reason in missing]
    return "\n".join(lines)


def storm_text(outcomes: Sequence[Outcome]) -> str:
    """What the running fan-out felt of the storm."""
    for outcome in outcomes:
        if outcome.scenario.kind is Kind.STORM:
            ours, theirs = (_p99_beside(reports) for reports in outcome.reports)
            return (
                "While the 9,000 connect, 20 publications a second go to 1,000 subscribers on the same node: "
                f"p99 {ours.median:.0f} ms ({ours.least:.0f}–{ours.most:.0f}); "
                f"on the baseline, which only answers, {theirs.median:.0f} ms."
            )
    return ""


def _p99_beside(reports: Sequence[Report]) -> Spread:
    return spread(report["beside"]["p99Us"] / 1000 for report in reports)


_PAGE: Final = """\
<!-- Written by `make bench`; change benchmarks/, not this. -->

## Results

Commit `{commit}` on {cpu}, {cores} cores, {kernel}; {versions}.

Loopback, 200-byte bodies, 1,000 subscribers unless said; medians of {pairs} pairs. Compare the ratios, not the
figures, which depend on the machine and on what else it does. The ratio per second of the server's CPU time is the
steadier one.

{table}

{storm}
"""


def page(outcomes: Sequence[Outcome], about: Mapping[str, Any], missing: Sequence[str] = ()) -> str:
    """What the documentation includes."""
    return _PAGE.format(
        commit=about["commit"],
        **about["machine"],
        versions=", ".join(f"{name} {release}" for name, release in about["versions"].items()),
        pairs=about["pairs"],
        table=table(outcomes, missing),
        storm=storm_text(outcomes),
    )


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine(pairs: int, seconds: float) -> dict[str, Any]:
    """Where, with what and how often: part of every JSON line."""
    versions = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    if rabbitmq.installed():
        versions["RabbitMQ"] = rabbitmq.version()
    return {
        "commit": _git("rev-parse", "--short=12", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--", "src", "benchmarks")),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "kernel": f"{platform.system()} {platform.release()}",
        },
        "versions": versions,
        "pairs": pairs,
        "seconds": seconds,
        "arguments": sys.argv[1:],
    }
