"""What the suites of the tables in Redis run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redisserving import running_cluster, some_redis


@pytest.fixture(scope="module", params=["one server", pytest.param("a cluster", marks=pytest.mark.proof)])
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that may hold other things; among the long tests a cluster, too."""
    if request.param == "a cluster":
        with running_cluster() as cluster:
            yield cluster.url
        return
    with some_redis() as url:
        yield url
