"""Queues: each message waits for one consumer."""

import asyncio

from serving import Serve, make_app, until


async def test_a_message_goes_to_one_consumer_in_turn(serve: Serve) -> None:
    served = await serve()
    clients = [await served.client() for _ in range(3)]
    for client in clients:
        await client.subscribe("/queue/orders")
    for number in range(6):
        await clients[0].request("SEND", {"destination": "/queue/orders"}, f"{number}")
    got = [[(await client.message()).text for _ in range(2)] for client in clients]
    assert sorted(sum(got, [])) == [str(number) for number in range(6)]
    for client in clients:
        assert await client.settle() == []
