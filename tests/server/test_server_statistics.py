"""What a node tells of itself: every part has its figures there, and operators find them under ``/metrics``."""

import httpx
import msgspec

from serving import Serve, until
from stompede.server.session.sessions import SessionsStatistics


async def test_publisher_routes_and_deadlines_are_counted_and_shown_as_metrics(serve: Serve) -> None:
    served = await serve()
    client = await served.member("cook")
    await client.errors()
    await client.subscribe("/topic/a")
    await client.subscribe("/user/queue/x", 2)
    for number in range(2):
        await served.app.publish("/topic/a", "x")
        await client.message()
        await client.send("SEND", {"destination": f"/app/none/{number}"}, "x")
        await client.message()
    await served.app.send_to_user("cook", "/queue/x", "x")
    await client.message()
    served.app.publish_threadsafe("/topic/a", "x")
    await client.message()
    statistics = served.node.statistics()
    assert msgspec.structs.astuple(statistics.publisher) == (3, 1, 0, 0, 0)
    assert msgspec.structs.astuple(statistics.routes) == (3, 5, 2, 0)
    assert statistics.deadlines.waiting == 1
    assert statistics.deadlines.failed == 0
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{served.http}/metrics")).text
    for line in (
        "stompede_application_published_total 3.0", "stompede_application_sent_to_users_total 1.0",
        "stompede_threadsafe_queued 0.0", "stompede_threadsafe_refused_total 0.0",
        "stompede_threadsafe_failed_total 0.0", "stompede_routes_remembered 3.0",
        "stompede_routes_resolved_total 5.0", "stompede_routes_refused_total 2.0",
        "stompede_routes_forgotten_total 0.0", "stompede_deadlines_waiting 1.0",
        "stompede_deadlines_failed_total 0.0",
    ):  # fmt: skip
        assert f"\n{line}\n" in text


async def test_sessions_tell_who_is_here_and_how_the_others_left(serve: Serve) -> None:
    served = await serve(max_sessions=2)
    cook, guest = await served.member("cook"), await served.client()
    assert served.node.refuse() is not None
    assert served.node.attendance.statistics() == SessionsStatistics(2, 2, 1, 2, 2, 0, 1, {})
    for client in (cook, guest):
        await client.send("DISCONNECT")
        await client.closed()
        client.drop()
    await until(lambda: served.node.statistics().connections == 0)
    assert served.node.attendance.statistics() == SessionsStatistics(0, 0, 0, 2, 2, 0, 1, {"disconnect": 2})
