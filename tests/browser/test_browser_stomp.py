"""The STOMP tab in a real Chromium."""

import json
import re
import time
import urllib.request

import pytest
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

TESTER = "window.__stompede?.tester"
TOKEN_LIFE_S = 2


async def tester(watched, until) -> Page:
    page = await watched.open("/#stomp")
    await until(page, TESTER)
    return page


async def connected(page: Page, until) -> str:
    """Connects as the form says; gives the session id."""
    await page.get_by_role("button", name="Connect", exact=True).click()
    await until(page, f"{TESTER}.connected()")
    return await page.evaluate(f"{TESTER}.sessionId()")


def token(url: str, life_s: float) -> str:
    """A demo member's token that soon expires."""
    body = json.dumps({"login": "cook", "password": "cook", "ttlS": life_s}).encode()
    request = urllib.request.Request(f"{url}/api/v1/login", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)["token"]


async def test_frames_are_sent_received_and_shown(watched, until) -> None:
    page = await tester(watched, until)
    assert await connected(page, until)
    await expect(page.locator("#tester-state")).to_have_text("Connected")

    await page.get_by_label("Destination to subscribe to").fill("/topic/riders")
    await page.get_by_role("button", name="Subscribe", exact=True).click()
    topic = page.locator("#subscriptions li", has_text="/topic/riders")
    await expect(topic.locator(".badge")).not_to_have_text("0", timeout=10_000)

    await page.get_by_label("Receipt").check()
    await page.get_by_role("button", name="Send", exact=True).click()
    reply = page.locator("[data-kind='reply']")
    await expect(reply).to_contain_text("9001")
    await expect(reply).to_contain_text("client-request-code")
    await expect(page.locator("[data-kind='receipt']")).to_have_count(1)

    for command in ("CONNECT", "CONNECTED", "SUBSCRIBE", "SEND", "MESSAGE", "RECEIPT"):
        await expect(page.locator(f"#log [data-command='{command}']").first).to_be_attached()

    await topic.get_by_role("button", name="Unsubscribe").click()
    await expect(topic).to_have_count(0)
    await page.get_by_role("button", name="Disconnect").click()
    await expect(page.locator("#tester-state")).to_have_text("Not connected")
    await expect(page.locator("#log [data-command='DISCONNECT']")).to_have_count(1)


async def test_error_is_shown_with_its_code_and_matched_to_the_request(watched, until) -> None:
    page = await tester(watched, until)
    await connected(page, until)
    await page.locator("#send-to").fill("/app/nowhere")
    await page.locator("#body").press("Control+Enter")
    error = page.locator("[data-kind='error']")
    await expect(error.get_by_role("heading")).to_have_text("not-found")
    await expect(error).to_contain_text("/app/nowhere")
    await expect(error).to_contain_text("client-request-code")
    await error.get_by_role("button", name="Send again").click()
    await expect(page.locator("[data-kind='error']")).to_have_count(2)


async def test_own_headers_go_with_a_frame(watched, until) -> None:
    page = await tester(watched, until)
    await connected(page, until)
    await page.get_by_role("button", name="Add a header").click()
    await page.get_by_label("Header name").fill("x-shift")
    await page.get_by_label("Header value").fill("night: 7")
    await page.get_by_role("button", name="Send", exact=True).click()
    sent = page.locator("#log [data-command='SEND']")
    await sent.locator("summary").click()
    await expect(sent.locator("pre")).to_contain_text("x-shift:night\\c 7")


async def test_log_is_filtered_paused_and_cleared(watched, until) -> None:
    page = await tester(watched, until)
    await connected(page, until)
    await page.get_by_label("Show frames that contain").fill("request-error")
    await expect(page.locator("#log li:visible")).to_have_count(1)
    await page.get_by_label("Show frames that contain").fill("")
    await page.get_by_role("button", name="Pause").click()
    before = await page.locator("#log li").count()
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#log-count")).to_contain_text("passed while paused")
    assert await page.locator("#log li").count() == before
    await page.locator("#log-clear").click()
    await expect(page.locator("#log li")).to_have_count(0)


async def test_login_sends_a_token_that_the_log_never_shows(watched, until) -> None:
    page = await tester(watched, until)
    sent: list[str] = []
    page.on("websocket", lambda ws: ws.on("framesent", lambda frame: sent.append(str(frame))))
    await page.get_by_label("Log in by").select_option("api")
    await page.locator("#login").fill("cook")
    await page.locator("#password").fill("cook")
    await connected(page, until)
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("[data-kind='reply']")).to_have_count(1)
    tokens = set(re.findall(r"Bearer (\S+)", "".join(sent)))
    assert len(tokens) == 1
    (secret,) = tokens
    everything = await page.evaluate("document.documentElement.outerHTML")
    assert secret not in everything
    assert secret.split(".")[1] not in everything
    assert secret.split(".")[2] not in everything


async def test_wrong_password_is_told_and_opens_nothing(watched, until) -> None:
    page = await tester(watched, until)
    await page.get_by_label("Log in by").select_option("api")
    await page.locator("#login").fill("cook")
    await page.locator("#password").fill("wrong")
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator("#connect-note")).to_be_visible()
    assert not await page.evaluate(f"{TESTER}.connected()")
    # The browser itself reports the 401 as an error; nothing else may be wrong.
    assert all("401" in error for error in watched.errors)
    watched.errors.clear()


async def test_wrong_passcode_in_connect_is_shown_as_the_error_frame_it_is(watched, until) -> None:
    page = await tester(watched, until)
    await page.get_by_label("Log in by").select_option("connect")
    await page.locator("#login").fill("cook")
    await page.locator("#password").fill("wrong")
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator("[data-kind='error']")).to_contain_text("ERROR")
    await expect(page.locator("#tester-state")).to_have_text("Not connected")
    await page.locator("#password").fill("cook")
    await connected(page, until)
    await expect(page.locator("#session-user")).to_have_text("cook")
    assert "passcode:wrong" not in await page.evaluate("document.documentElement.outerHTML")


async def test_expired_token_is_renewed_without_reconnecting(watched, until, served_app) -> None:
    page = await tester(watched, until)
    sockets: list[str] = []
    page.on("websocket", lambda ws: sockets.append(ws.url))
    await page.get_by_label("Log in by").select_option("token")
    short = token(served_app.url, TOKEN_LIFE_S)
    expired_at = (time.time() + TOKEN_LIFE_S + 1) * 1000
    await page.get_by_role("textbox", name="Token").fill(short)
    session = await connected(page, until)

    await until(page, f"Date.now() > {expired_at}")
    send = page.get_by_role("button", name="Send", exact=True)
    await send.click()
    error = page.locator("[data-kind='error']").first
    await expect(error.get_by_role("heading")).to_have_text("token-expired")
    form = page.locator("#renew-form")
    await expect(form).to_be_visible()

    await form.get_by_label("Login").fill("cook")
    await form.get_by_label("Password").fill("cook")
    await form.get_by_role("button", name="Log in again").click()
    await expect(form).to_be_hidden()
    await error.get_by_role("button", name="Send again").click()
    await expect(page.locator("[data-kind='reply']")).to_contain_text("9001")
    assert await page.evaluate(f"{TESTER}.sessionId()") == session
    assert await page.evaluate(f"{TESTER}.connected()")
    assert len(sockets) == 1


async def test_other_hosts_are_refused_with_a_reason(watched, until) -> None:
    page = await tester(watched, until)
    await page.get_by_label("Endpoint").fill("wss://example.org/stomp")
    await page.get_by_role("button", name="Connect", exact=True).click()
    await expect(page.locator("#connect-note")).to_contain_text("only connect to the node that served it")


async def test_tabs_are_walked_by_arrow_keys(watched, until) -> None:
    page = await tester(watched, until)
    await page.get_by_role("tab", name="STOMP").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("tab", name="Map")).to_be_focused()
    await expect(page.get_by_role("tabpanel", name="Map")).to_be_visible()
    await expect(page.get_by_role("tabpanel", name="STOMP")).to_be_hidden()
    await page.keyboard.press("End")
    await expect(page.get_by_role("tabpanel", name="STOMP")).to_be_visible()
    assert page.url.endswith("#stomp")


@pytest.mark.parametrize("tab", ["map", "stomp"])
async def test_everything_that_can_be_used_has_a_name(watched, until, tab: str) -> None:
    page = await watched.open(f"/#{tab}")
    await until(page, "window.__stompede?.riders?.().length > 0" if tab == "map" else TESTER)
    tree = await page.locator("body").aria_snapshot()
    assert "tab" in tree
    nameless = re.findall(
        r"^\s*- (?:button|textbox|searchbox|combobox|checkbox|spinbutton|link|tab)(?: \[.*\])?:?$",
        tree,
        re.MULTILINE,
    )
    assert nameless == []
