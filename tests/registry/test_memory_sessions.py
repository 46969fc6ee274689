from stompede.registry import MemorySessionRegistry, SessionRegistry
from stompede.testing.contracts import SharedSessionRegistryContract


class TestMemorySessionRegistry(SharedSessionRegistryContract):
    async def make_registry(self) -> SessionRegistry:
        return MemorySessionRegistry()

    async def join(self, registry: SessionRegistry) -> SessionRegistry:
        return registry
