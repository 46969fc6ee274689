from __future__ import annotations

import pytest
from auth_support import Pair, make_pair


@pytest.fixture(scope="session")
def pairs() -> dict[str, Pair]:
    return {algorithm: make_pair(algorithm) for algorithm in ("RS256", "ES256", "EdDSA")}
