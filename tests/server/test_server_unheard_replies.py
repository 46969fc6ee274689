"""Replies that nobody hears."""

from serving import Serve, make_app, until


async def test_a_reply_that_nobody_hears_is_counted_and_said_once(serve: Serve) -> None:
    app = make_app()

    @app.message("/echo")
    async def echo(body: str) -> str:
        return body

    served = await serve(app)
    client, other = await served.client(), await served.client()
    await other.replies()
    for _ in range(3):
        await client.request("SEND", {"destination": "/app/echo"}, "x")
    await other.request("SEND", {"destination": "/app/echo"}, "x")
    await until(lambda: served.node.statistics().replies_unheard == 3)
    [line] = [line for line in served.logs if "has not subscribed to the replies" in line["event"]]
    assert (line["session"], line["destination"]) == (client.session, "/session/queue/replies")
