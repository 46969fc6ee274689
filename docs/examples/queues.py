from msgspec import Struct

from stompede import Principal, Queue, Stompede


class Order(Struct):
    dish: str


app = Stompede()


# --8<-- [start:bounds]
app.destination(
    "/queue/orders",
    queue=Queue(
        max_messages=1000,
        ttl_s=3600,
        max_deliveries=5,
        dead_letters="/queue/orders-nobody-cooked",
    ),
)
# --8<-- [end:bounds]


# --8<-- [start:handler]
@app.message("/orders", publish="/queue/orders")
async def order(body: Order, who: Principal) -> Order:
    return body


@app.guard("/queue/orders", on="subscribe")
async def may_cook(who: Principal) -> bool:
    return "cook" in who.scopes


# --8<-- [end:handler]
