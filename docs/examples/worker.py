from msgspec import Struct

from stompede import SessionClosedError
from stompede.client import Client


class Order(Struct):
    dish: str


class Dish(Struct):
    name: str


async def cook(order: Order) -> Dish:
    return Dish(f"hot {order.dish}")


# --8<-- [start:acks]
async def work(client: Client) -> None:
    async with client.subscribe("/queue/orders", Order, ack="client-individual", prefetch=5) as orders:
        async for order in orders:
            try:
                dish = await cook(order.body)
            except OSError:
                await order.nack()  # somebody else may have more luck
            else:
                await client.send("/queue/dishes", dish)
                await order.ack()


# --8<-- [end:acks]


# --8<-- [start:transaction]
async def work_in_one_step(client: Client) -> None:
    async with client.subscribe("/queue/orders", Order, ack="client-individual") as orders:
        async for order in orders:
            dish = await cook(order.body)
            try:
                async with client.transaction() as transaction:
                    transaction.send("/queue/dishes", dish)
                    transaction.ack(order)
            except SessionClosedError:
                continue  # if it did not take effect, the order comes again


# --8<-- [end:transaction]
