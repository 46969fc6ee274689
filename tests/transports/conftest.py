import pytest

from serving import Served
from serving import serve as serve
from serving import transport as transport


@pytest.fixture
def echo(served: Served) -> str:
    """The plain SockJS service that echoes."""
    return served.http + "/echo"


@pytest.fixture
def close(served: Served) -> str:
    """The one that closes at once."""
    return served.http + "/close"
