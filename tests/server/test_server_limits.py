"""Every limit of the settings, met by a client over a real connection, with the sentence that it gets."""

import json
import threading
from typing import Any

import pytest

from serving import Serve, make_app, until
from stompede import BusError, Settings
from stompsocket import InvalidStatus, StompSocket, encode


async def refused(client: StompSocket, *payloads: bytes) -> dict[str, str]:
    """Sends what goes beyond a limit; returns the headers of the ERROR frame, after the close frame has come."""
    for payload in payloads:
        try:
            await client.send_ws(payload, text=False)
        except OSError:
            break
    error = await client.error()
    closed = await client.closed()
    assert (closed.code, closed.reason) == (4502, "limit-exceeded")
    assert (error.headers["reconnect"], error.headers["disconnect-reason"]) == ("false", "limit-exceeded")
    return {**error.headers, "body": error.text}


FRAMES: dict[str, tuple[dict[str, Any], list[bytes], list[bytes]]] = {
    "max_headers": (
        {"max_headers": 5},
        [b"SEND\ndestination:/topic/a\na:1\nb:1\nc:1\nd:1\n\n\0"],
        [b"SEND\ndestination:/topic/a\na:1\nb:1\nc:1\nd:1\ne:1\n\n\0"],
    ),
    "max_header_line_bytes": (
        {"max_header_line_bytes": 50},
        [b"SEND\ndestination:/topic/a\nk:" + b"x" * 48 + b"\n\n\0"],
        [b"SEND\ndestination:/topic/a\nk:" + b"x" * 49 + b"\n\n\0"],
    ),
    "max_header_block_bytes": (
        {"max_header_block_bytes": 100},
        [b"SEND\ndestination:/topic/a\nk:" + b"x" * 60 + b"\n\n\0"],
        [b"SEND\ndestination:/topic/a\nk:" + b"x" * 80 + b"\n\n\0"],
    ),
    "max_body_bytes": (
        {"max_body_bytes": 100},
        [encode("SEND", {"destination": "/topic/a"}, "x" * 100)],
        [encode("SEND", {"destination": "/topic/a"}, "x" * 101)],
    ),
}


@pytest.mark.parametrize("limit", FRAMES)
async def test_a_frame_at_the_limit_is_taken_and_one_beyond_it_ends_the_session(
    serve: Serve, limit: str
) -> None:
    settings, within, beyond = FRAMES[limit]
    served = await serve(make_app(**settings))
    client = await served.client()
    await client.send_ws(within[0], text=False)
    await client.settle()
    assert served.node.statistics().hub.published == 2
    told = await refused(client, *beyond)
    assert limit in told["body"]
    assert str(settings[limit]) in told["body"]
    line = await served.ended("limit-exceeded")
    assert limit in line["detail"]


@pytest.mark.parametrize(
    ("limit", "size", "payload"),
    [
        ("max_header_line_bytes", 1000, b"SEND\ndestination:/topic/a\nk:" + b"x" * 1500),
        ("max_header_block_bytes", 2000, b"SEND\n" + (b"k:" + b"x" * 200 + b"\n") * 30),
        ("max_header_line_bytes", 1000, b"x" * 3000),
        ("max_body_bytes", 1000, b"SEND\ndestination:/topic/a\ncontent-length:99999999999\n\n"),
        ("max_body_bytes", 1000, b"SEND\ndestination:/topic/a\n\n" + b"x" * 1500),
        ("max_headers", 20, b"SEND\n" + b"k:v\n" * 30),
    ],
)
async def test_an_unfinished_frame_is_refused_as_soon_as_it_is_too_much(
    serve: Serve, limit: str, size: int, payload: bytes
) -> None:
    served = await serve(make_app(**{limit: size}))
    client = await served.client()
    half = len(payload) // 2
    told = await refused(client, payload[:half], payload[half:])
    assert limit in told["body"]


async def test_limits_hold_before_connect_as_well(serve: Serve) -> None:
    served = await serve(make_app(max_header_line_bytes=1000))
    client = await served.open()
    assert "max_header_line_bytes" in (await refused(client, b"CONNECT\nhost:" + b"x" * 2000))["body"]


async def test_a_frame_beyond_a_limit_is_named_by_its_receipt_where_it_could_be_read(serve: Serve) -> None:
    served = await serve(make_app(max_body_bytes=100))
    client = await served.client()
    frame = encode("SEND", {"destination": "/topic/a", "receipt": "r7", "content-length": 101}, "x" * 101)
    assert (await refused(client, frame))["receipt-id"] == "r7"


@pytest.mark.parametrize("fragments", [1, 3])
async def test_a_websocket_message_beyond_max_message_bytes_is_closed_with_1009(
    serve: Serve, fragments: int
) -> None:
    served = await serve(make_app(max_message_bytes=3000))
    client = await served.client()
    await client.send_ws(encode("SEND", {"destination": "/topic/a"}, "x" * 2000))
    payload = encode("SEND", {"destination": "/topic/a"}, "x" * 3000)
    size = -(-len(payload) // fragments)
    parts = [payload[index : index + size] for index in range(0, len(payload), size)]
    for index, part in enumerate(parts):
        await client.send_ws(part, opcode=1 if index == 0 else 0, fin=index == len(parts) - 1)
    assert (await client.closed()).code == 1009
    line = await served.ended("message-too-big")
    assert "3000" in line["detail"]


# Soft limits: the session lives on.


async def soft(client: StompSocket, command: str, headers: dict[str, object]) -> tuple[str, str]:
    await client.send(command, {**headers, "receipt": "r"})
    message = await client.message()
    assert message.headers["receipt-id"] == "r"
    body = json.loads(message.body)
    return body["code"], body["detail"]


async def test_max_destination_bytes(serve: Serve) -> None:
    served = await serve(make_app(max_destination_bytes=40))
    client = await served.client()
    await client.errors()
    within, beyond = "/topic/" + "ä" * 16, "/topic/" + "ä" * 17
    await client.subscribe(within, 1)
    await client.request("SEND", {"destination": within}, "x")
    await client.message()
    for command, extra in (("SEND", {}), ("SUBSCRIBE", {"id": 2})):
        code, detail = await soft(client, command, {"destination": beyond, **extra})
        assert code == "invalid-destination"
        assert "40" in detail


async def test_max_subscriptions(serve: Serve) -> None:
    served = await serve(make_app(max_subscriptions=3))
    client = await served.client()
    await client.errors()
    await client.subscribe("/topic/a", 1)
    await client.subscribe("/topic/b", 2)
    code, detail = await soft(client, "SUBSCRIBE", {"id": 3, "destination": "/topic/c"})
    assert (code, "max_subscriptions" in detail, "3" in detail) == ("rate-limited", True, True)
    await client.request("UNSUBSCRIBE", {"id": 1})
    await client.subscribe("/topic/c", 3)


async def test_a_subscription_id_is_bounded_as_destinations_are(serve: Serve) -> None:
    served = await serve(make_app(max_destination_bytes=40))
    client = await served.client()
    await client.errors()
    await client.subscribe("/topic/a", "i" * 40)
    code, detail = await soft(client, "SUBSCRIBE", {"id": "i" * 41, "destination": "/topic/a"})
    assert (code, "max_destination_bytes" in detail) == ("too-large", True)


async def test_max_sends_per_s(serve: Serve) -> None:
    served = await serve(make_app(max_sends_per_s=5))
    served.clock.shift = 0.5 - served.clock.now() % 1  # from the middle of a second on
    now = served.clock.now()
    served.node.now = lambda: now  # type: ignore[method-assign]
    client = await served.client()
    await client.errors()
    for _ in range(4):
        await client.request("SEND", {"destination": "/topic/a"}, "x")
    code, detail = await soft(client, "SEND", {"destination": "/topic/a"})
    assert (code, "max_sends_per_s" in detail, "5" in detail) == ("rate-limited", True, True)
    assert (await soft(client, "SUBSCRIBE", {"id": 9, "destination": "/topic/a"}))[0] == "rate-limited"
    served.node.now = lambda: now + 1  # type: ignore[method-assign]
    await client.request("SEND", {"destination": "/topic/a"}, "x")


async def test_max_topics(serve: Serve) -> None:
    served = await serve(make_app(max_topics=2))
    client = await served.client()
    await client.errors()
    await client.subscribe("/topic/a", 1)
    await client.subscribe("/topic/b", 2)
    code, detail = await soft(client, "SUBSCRIBE", {"id": 3, "destination": "/topic/c"})
    assert (code, "max_topics" in detail) == ("unavailable", True)
    await client.subscribe("/topic/b", 3)
    await client.request("UNSUBSCRIBE", {"id": 1})
    await client.subscribe("/topic/c", 4)


async def test_max_sessions(serve: Serve) -> None:
    served = await serve(make_app(max_sessions=2))
    one, two = await served.client(), await served.client()
    with pytest.raises(InvalidStatus) as full:
        await served.open()
    assert full.value.response.status_code == 503
    assert "max_sessions" in full.value.response.body.decode()
    assert served.node.statistics().refused_total == 1
    one.drop()
    await until(lambda: served.node.statistics().connections == 1)
    await served.client()
    await two.settle()


async def test_threadsafe_queue(serve: Serve) -> None:
    served = await serve(make_app(threadsafe_queue=3))
    client = await served.client()
    await client.subscribe("/topic/a")
    outcomes: list[str] = []

    def publish() -> None:
        for number in range(5):
            try:
                served.app.publish_threadsafe("/topic/a", str(number))
                outcomes.append("taken")
            except BusError as error:
                outcomes.append(str(error))

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join()  # while the loop stands still
    assert outcomes[:3] == ["taken"] * 3
    assert all("threadsafe_queue" in outcome for outcome in outcomes[3:])
    assert [(await client.message()).text for _ in range(3)] == ["0", "1", "2"]


async def test_head_cache_is_bounded(serve: Serve) -> None:
    served = await serve(make_app(head_cache=10))
    client = await served.client()
    for number in range(100):
        await client.send("SEND", {"destination": "/topic/a", "n": number}, "x")
    await client.settle()
    assert served.node.statistics().heads.entries <= 10


async def test_token_cache_is_bounded(serve: Serve) -> None:
    served = await serve(make_app(token_cache=5))
    client = await served.client()
    for number in range(20):
        await client.request(
            "SEND", {"destination": "/topic/a", "Authorization": served.token("cook", 100 + number)}
        )
    assert served.node.statistics().tokens.remembered.entries <= 5


COVERED_ELSEWHERE = {
    "inbound_bytes": "test_server_order", "max_handlers": "test_server_order", "handler_timeout_s": "test_server_order",
    "pool_threads": "test_server_order", "pool_queue": "test_server_order",
    "outbound_bytes": "test_server_slow_consumers", "outbound_age_s": "test_server_slow_consumers",
    "close_timeout_s": "test_server_slow_consumers", "handshake_timeout_s": "test_server_silence",
    "connect_timeout_s": "test_server_silence", "idle_timeout_s": "test_server_silence",
    "heart_beat_send_ms": "test_server_silence", "heart_beat_receive_ms": "test_server_silence",
    "heart_beat_tolerance": "test_server_silence", "heart_beat_grace_s": "test_server_silence",
    "max_sends_burst": "test_server_rates", "max_inbound_bytes_per_s": "test_server_rates",
    "max_connects_per_address_per_s": "test_server_rates", "max_handshakes": "test_server_rates",
    "shutdown_timeout_s": "test_stopping", "token_grace_s": "test_server_tokens",
    "sockjs_heart_beat_s": "test_sockjs_time", "sockjs_disconnect_delay_s": "test_sockjs_time",
    "sockjs_max_post_bytes": "test_sockjs_limits", "sockjs_stream_bytes": "test_sockjs_limits",
    "sockjs_max_posts": "test_sockjs_limits",
    "prefetch": "test_server_acks", "max_prefetch": "test_server_acks", "max_queues": "test_server_queues",
    "queue_bytes": "test_server_queues", "max_temporary_queues": "test_server_temporary",
    "max_transactions": "test_server_transactions", "max_transaction_frames": "test_server_transactions",
    "max_transaction_bytes": "test_server_transactions", "transaction_bytes": "test_server_transactions",
    "history_destinations": "test_server_histories", "history_bytes": "test_server_histories",
    "max_recoveries": "test_server_recovery",
    "compression_min_bytes": "test_compression", "compression_level": "test_compression",
    "presence_grace_s": "test_presence", "presence_events_per_s": "test_presence", "presence_ttl_s": "test_presence",
    "presence_listed": "test_server_presence", "presence_info_bytes": "test_server_presence",
    "presence_entries": "test_server_presence", "max_wildcard_subscriptions": "test_server_wildcards",
    "route_ttl_s": "registry", "token_ttl_s": "auth", "jwt_leeway_s": "auth",
    "max_connection_age_s": "test_server_aging", "drain_s": "test_server_stopping",
    "max_publish_bytes": "test_publish_rest", "bus_deaf_s": "test_two_nodes_on_redis",
    "bus_bytes": "test_redis_bus_weather", "bus_wait_s": "test_redis_bus_weather",
    "bus_message_bytes": "test_redis_bus_weather", "registry_ttl_s": "test_session_reporting",
}  # fmt: skip


def test_no_limit_is_without_a_test() -> None:
    numbers = {name for name, field in Settings.model_fields.items() if type(field.default) in (int, float)}
    here = {name.removeprefix("test_") for name in globals()} | set(FRAMES) | {"max_message_bytes"}
    untested = {
        name
        for name in numbers
        if name not in COVERED_ELSEWHERE and not any(each.startswith(name) for each in here)
    }
    assert untested == set()
