"""What the client's tests talk to: `stompede serve app:app`."""

import time
from pathlib import Path

from msgspec import Struct
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from stompede import History, Principal, Problem, Settings, Stompede

CLIENT = Path(__file__).parents[2]

app = Stompede(settings=Settings(jwt_secret="a secret of the tests that is long enough", token_grace_s=0))  # noqa: S106


class Number(Struct):
    number: int


@app.message("/double")
def double(body: Number) -> Number:
    return Number(2 * body.number)


@app.message("/quiet")
def quiet(body: Number) -> None:
    """Answers nothing."""


@app.message("/fail")
def fail(body: Number) -> None:
    raise Problem("no-such-number", detail=f"there is no {body.number}")


@app.message("/who")
def who_am_i(who: Principal) -> str:
    return who.name


@app.guard("/topic/secret/{name}")
def members_only(name: str, who: Principal) -> bool:
    return bool(name and who.name)


app.destination("/topic/kept/{name}", history=History(count=1000))
app.destination("/topic/short/{name}", history=History(count=2))
app.destination("/topic/secret/{name}", history=History(count=1000))


@app.fastapi.get("/token/{name}")
def token(name: str, ttl_s: float = 60) -> str:
    return app.issuer.issue(name, (), ttl_s, time.time())


PAGE = """<!doctype html>
<title>@stompede/client</title>
<link rel="icon" href="data:,">
<script type="importmap">
{"imports": {"@stompede/client": "/client/index.js", "@stomp/stompjs": "/stompjs/index.js"}}
</script>
<script type="module">
import * as stompede from "@stompede/client";
window.stompede = stompede;
</script>
"""


@app.fastapi.get("/page")
def page() -> HTMLResponse:
    """A page that has the package as it is built, without a bundler."""
    return HTMLResponse(PAGE)


if (CLIENT / "dist").exists():
    app.fastapi.mount("/client", StaticFiles(directory=CLIENT / "dist"))
    app.fastapi.mount(
        "/stompjs", StaticFiles(directory=CLIENT / "node_modules" / "@stomp" / "stompjs" / "esm6")
    )
