"""What tests of acknowledgement share."""

from serving import Served
from stompsocket import Frame, StompSocket

JOBS = "/queue/jobs"


async def client_of(served: Served, version: str) -> StompSocket:
    client = await served.open()
    await client.connect({"accept-version": version})
    return client


async def answer(client: StompSocket, message: Frame, command: str = "ACK", **headers: str) -> Frame:
    """ACK or NACK as the version has it; returns the RECEIPT, or the ERROR that came instead."""
    if "ack" in message.headers:
        named = {"id": message.headers["ack"]}
    else:
        named = {"message-id": message.headers["message-id"], "subscription": message.headers["subscription"]}
    return await client.request(command, {**named, **headers})


async def put(client: StompSocket, *bodies: object, destination: str = JOBS) -> None:
    for body in bodies:
        await client.request("SEND", {"destination": destination}, str(body))


async def messages(client: StompSocket, count: int) -> list[Frame]:
    return [await client.message() for _ in range(count)]


def texts(frames: list[Frame]) -> list[str]:
    return [frame.text for frame in frames]


def kept(served: Served) -> tuple[int, int]:
    store = served.node.statistics().queues.store
    return store.waiting, store.taken
