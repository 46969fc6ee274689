"""The suites that every back end passes, whoever wrote it: one module for each seam.

Derive a class in a test module, name it ``Test...``, and say how the thing is made. Each test is a promise of the
`Protocol` it is for; what a suite needs to know beyond that is a method to override.

    class TestMyBus(SharedBusContract):
        async def make_bus(self) -> MyBus:
            return MyBus("mybus://localhost")

The suites need pytest and pytest-asyncio, which Stompede itself does not install. That is why nothing else imports
them: `stompede.testing` works without.
"""

from pkgutil import iter_modules

import pytest

# Else a failed assert of a suite would not show its values: pytest rewrites the asserts of test modules alone.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))

from stompede.testing.contracts.bus import BusContract as BusContract  # noqa: E402 - see above
from stompede.testing.contracts.bus import SharedBusContract as SharedBusContract  # noqa: E402
from stompede.testing.contracts.history import HistoryContract as HistoryContract  # noqa: E402
from stompede.testing.contracts.presence import PresenceTableContract as PresenceTableContract  # noqa: E402
from stompede.testing.contracts.presence import (  # noqa: E402
    SharedPresenceTableContract as SharedPresenceTableContract,
)
from stompede.testing.contracts.queues import QueueStoreContract as QueueStoreContract  # noqa: E402
from stompede.testing.contracts.routing_table import RoutingTableContract as RoutingTableContract  # noqa: E402
from stompede.testing.contracts.routing_table import (  # noqa: E402
    SharedRoutingTableContract as SharedRoutingTableContract,
)
from stompede.testing.contracts.sessions import SessionRegistryContract as SessionRegistryContract  # noqa: E402
from stompede.testing.contracts.sessions import (  # noqa: E402
    SharedSessionRegistryContract as SharedSessionRegistryContract,
)
from stompede.testing.contracts.shared_history import SharedHistoryContract as SharedHistoryContract  # noqa: E402
from stompede.testing.contracts.shared_queues import (  # noqa: E402
    SharedQueueStoreContract as SharedQueueStoreContract,
)

__all__ = [
    "BusContract",
    "HistoryContract",
    "PresenceTableContract",
    "QueueStoreContract",
    "RoutingTableContract",
    "SessionRegistryContract",
    "SharedBusContract",
    "SharedHistoryContract",
    "SharedPresenceTableContract",
    "SharedQueueStoreContract",
    "SharedRoutingTableContract",
    "SharedSessionRegistryContract",
]
