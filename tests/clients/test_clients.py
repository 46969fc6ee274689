"""Clients that others wrote, as they come from their registries, against a running node.

What each is asked to do stands in the `checks` file of its ecosystem's folder; `make conformance` writes the table of
`docs/compatibility.md` from these runs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from probing import CHECKS, PROBES, Probe, Served

pytestmark = [pytest.mark.proof, pytest.mark.timeout(240)]


@pytest.mark.parametrize("probe", PROBES, ids=str)
def test_every_client_does_every_check_that_it_can(
    probe: Probe, served: Served, record_property: Callable[[str, object], None]
) -> None:
    probe.require()
    result = probe.run(served.url(probe.transport))
    record_property("probe", result)
    assert (result["client"], result["transport"]) == (probe.client, probe.transport)
    cannot = {name: f"unsupported: {reason}" for name, reason in probe.cannot.items()}
    assert result["checks"] == dict.fromkeys(CHECKS, "ok") | cannot
