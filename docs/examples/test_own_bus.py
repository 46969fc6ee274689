from typing import Any

from own_bus import Exchange, ExchangeBus

from stompede.testing.contracts import SharedBusContract


class TestExchangeBus(SharedBusContract):
    patience_s = 1.0  # how long an item may take

    def setup_method(self) -> None:
        self.exchange = Exchange[Any]()

    async def make_bus(self) -> ExchangeBus[Any]:
        return ExchangeBus(self.exchange)
