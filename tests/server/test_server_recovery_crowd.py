"""A thousand clients that recover at once, from another process, while others are served live."""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

import pytest

from serving import make_app, serving
from stompede import History
from stompsocket import StompSocket

pytestmark = [pytest.mark.proof, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
PAST = 200
MOST_LATE_S = 0.5
"""What a thousand SUBSCRIBEs in one turn of the loop take alone is a tenth of a second on a busy machine."""


async def hear(client: StompSocket, late_s: list[float]) -> None:
    while True:
        message = await client.message()
        late_s.append(time.perf_counter() - float(message.text))


async def test_a_thousand_recoveries_at_once_do_not_stall_what_is_live() -> None:
    app = make_app()
    app.destination("/topic/past/{name}", history=History(count=1000))
    async with serving(app) as served:
        for number in range(PAST):
            await app.publish("/topic/past/bench", f"{number:<200}")
        late_s: list[float] = []
        hearers = [await served.client() for _ in range(5)]
        for hearer in hearers:
            await hearer.subscribe("/topic/live")
        hearing = [asyncio.create_task(hear(hearer, late_s)) for hearer in hearers]
        crowd = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.recovery", str(served.port), "--past", str(PAST),
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        assert await crowd.stdout.readline() == b"ready\n"
        crowd.stdin.write(b"go\n")
        report = asyncio.create_task(crowd.stdout.read())
        published = 0
        while not report.done():
            await app.publish("/topic/live", repr(time.perf_counter()))
            published += 1
            await asyncio.wait([report], timeout=0.01)
        await crowd.wait()
        result = json.loads(report.result())
        assert result["ok"], result
        assert result["messages"] == 1000 * PAST
        assert published > 10
        assert statistics.quantiles(late_s, n=100)[98] < MOST_LATE_S
        figures = served.node.recoverer.statistics()
        assert (figures.running, figures.waiting, figures.refused) == (0, 0, 0)
        assert figures.shared > 50 * figures.encoded
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)
