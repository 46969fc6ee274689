"""The Map tab in a real Chromium."""

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

MAP = "window.__stompede"
RIDERS = f"{MAP}?.riders?.()"
DRAWN = f"{RIDERS}?.length > 0 && {MAP}.camera().loaded"


async def map_page(watched, until, **options: Any) -> Page:
    page = await watched.open(**options)
    await until(page, DRAWN)
    return page


async def lonely_rider(page: Page, until) -> dict[str, Any]:
    """A rider at work that is well inside the picture and has no other rider near it."""
    return await until(
        page,
        f"""(() => {{
          const all = {RIDERS};
          const box = document.getElementById("map").getBoundingClientRect();
          const far = (a, b) => a === b || Math.hypot(a.screen[0] - b.screen[0], a.screen[1] - b.screen[1]) > 30;
          return all.find((a) => a.workStatus === "WORKING" && all.every((b) => far(a, b)) &&
            a.screen[0] > 60 && a.screen[0] < box.width - 80 && a.screen[1] > 60 && a.screen[1] < box.height - 60);
        }})()""",
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_page_opens_in_the_theme_of_the_system(watched, until, theme: str) -> None:
    page = await map_page(watched, until, color_scheme=theme)
    await expect(page).to_have_title("Stompede")
    await expect(page.locator("html")).to_have_attribute("data-theme", theme)
    await expect(page.locator("#link-state")).to_have_text("Live")
    await expect(page.get_by_text("© OpenStreetMap contributors")).to_be_in_viewport()
    assert await page.evaluate(f"{MAP}.streets()") > 100
    ground = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    lightness = sum(int(part) for part in ground.strip("rgb()").split(",")) / 3
    assert (lightness > 128) is (theme == "light")


async def test_chosen_theme_is_remembered(watched, until) -> None:
    page = await map_page(watched, until, color_scheme="light")
    button = page.get_by_role("button", name="Theme")
    await button.click()
    await button.click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await until(page, DRAWN)


@pytest.mark.parametrize("tab", ["map", "stomp"])
async def test_phone_scrolls_in_one_direction_only(watched, until, tab: str) -> None:
    page = await watched.open(
        f"/#{tab}", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    await until(page, DRAWN if tab == "map" else f"{MAP}?.tester")
    width, shown = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert width <= shown == 360
    if tab == "map":
        await expect(page.get_by_text("© OpenStreetMap contributors")).to_be_in_viewport()
        await expect(page.locator("#rider-search")).to_be_in_viewport()


@pytest.mark.parametrize("size", [(375, 700), (320, 568)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_counters_and_their_labels_are_whole_on_a_phone(watched, until, size: tuple[int, int]) -> None:
    width, height = size
    page = await map_page(
        watched, until, viewport={"width": width, "height": height}, has_touch=True, is_mobile=True
    )
    await expect(page.locator("#rider-list li").nth(10)).to_be_attached()  # the side panel is full now
    parts = page.locator(".figures dt, .figures dd")
    await expect(parts).to_have_count(8)
    assert await parts.evaluate_all(CLIPPED) == []


# Texts of which some part is cut off by a box around them, or by the screen.
CLIPPED = """parts => parts.filter((part) => {
  const range = document.createRange();
  range.selectNodeContents(part);
  const text = range.getBoundingClientRect();
  for (let box = part; box; box = box.parentElement) {
    if (box !== document.documentElement && getComputedStyle(box).overflowY === "visible") continue;
    const { top, right, bottom, left } = box === document.documentElement
      ? { top: 0, right: innerWidth, bottom: innerHeight, left: 0 } : box.getBoundingClientRect();
    if (text.top < top - 1 || text.bottom > bottom + 1 || text.left < left - 1 || text.right > right + 1) return true;
  }
  return false;
}).map((part) => part.textContent)"""


async def test_riders_move_smoothly(watched, until) -> None:
    page = await map_page(watched, until)
    before = {rider["riderId"]: rider for rider in await page.evaluate(RIDERS)}
    moved = f"""{RIDERS}.filter((rider) => {{
        const old = {json.dumps(before)}[rider.riderId];
        return old && Math.hypot((rider.x - old.x) * 55300, (rider.y - old.y) * 111200) > 5;
    }}).length >= 5"""
    await until(page, moved, 20)
    # Positions come about once a second: far more distinct places than that are drawn between them.
    places = await page.evaluate(
        f"""() => new Promise((done) => {{
          const seen = new Map();
          const end = performance.now() + 1500;
          const look = () => {{
            for (const r of {RIDERS}) {{
              if (!seen.has(r.riderId)) seen.set(r.riderId, new Set());
              seen.get(r.riderId).add(r.x + "," + r.y);
            }}
            if (performance.now() < end) requestAnimationFrame(look);
            else done(Math.max(...[...seen.values()].map((places) => places.size)));
          }};
          look();
        }})"""
    )
    assert places >= 8


async def test_figures_show_what_arrives(watched, until) -> None:
    page = await map_page(watched, until)
    counters = await until(
        page, f"(c => c.positionsPerSecond > 1 && c.messagesPerSecond > 0 && c)({MAP}.counters())"
    )
    assert counters["framesDrawn"] > 0
    await expect(page.locator("#figure-riders")).not_to_have_text("–")
    await expect(page.locator("#figure-delay")).to_contain_text("s")


async def test_clicked_rider_is_followed_until_escape(watched, until) -> None:
    page = await map_page(watched, until)
    rider = await lonely_rider(page, until)
    camera = await page.evaluate(f"{MAP}.camera()")
    x, y = rider["screen"]
    await page.locator("#map canvas.maplibregl-canvas").click(position={"x": x, "y": y})

    followed = await until(page, f"{MAP}.following()")
    assert followed == rider["riderId"]
    panel = page.get_by_role("region", name="Followed rider")
    await expect(panel.get_by_role("heading")).to_have_text(f"Rider {followed}")
    await expect(panel).to_contain_text(f"/topic/rider/{followed}")
    await expect(panel).to_contain_text("km/h")

    near = f"""((c, r) => Math.hypot((c.center[0] - r.x) * 55300, (c.center[1] - r.y) * 111200) < 20 && c)
        ({MAP}.camera(), {RIDERS}.find((r) => r.riderId === {followed}))"""
    there = await until(page, near)
    assert there["zoom"] > camera["zoom"]
    onward = f"""((c) => Math.hypot(c.center[0] - {there["center"][0]}, c.center[1] - {there["center"][1]}) > 2e-5)
        ({MAP}.camera())"""
    await until(page, onward, 30)

    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    assert await page.evaluate(f"{MAP}.following()") is None


async def test_followed_rider_sends_its_own_stream(watched, until) -> None:
    page = await watched.open()
    wanted: list[str] = []
    came = asyncio.Event()

    def look(frame: str | bytes) -> None:
        if any(f"destination:{topic}\n" in str(frame) for topic in wanted):
            came.set()

    page.on("websocket", lambda socket: socket.on("framereceived", look))
    await page.reload()
    await until(page, DRAWN)
    rider = await lonely_rider(page, until)
    wanted.append(f"/topic/rider/{rider['riderId']}")
    await page.locator(f"#rider-list [data-rider='{rider['riderId']}']").click()
    async with asyncio.timeout(15):
        await came.wait()
    await expect(page.locator("#followed-delay")).to_contain_text("s")


async def test_rider_is_found_and_followed_by_the_keyboard_alone(watched, until) -> None:
    page = await map_page(watched, until)
    riders = await page.evaluate(RIDERS)
    wanted = max(rider["riderId"] for rider in riders)
    await page.keyboard.press("/")
    await expect(page.locator("#rider-search")).to_be_focused()
    await page.keyboard.type(str(wanted))
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("button", name=f"Rider {wanted}")).to_be_focused()
    await page.keyboard.press("Enter")
    assert await until(page, f"{MAP}.following()") == wanted
    await page.keyboard.press("Escape")
    assert await page.evaluate(f"{MAP}.following()") is None


async def test_reduced_motion_draws_riders_where_they_are_reported(watched, until) -> None:
    page = await map_page(watched, until, reduced_motion="reduce")
    rider = await lonely_rider(page, until)
    await page.locator(f"#rider-list [data-rider='{rider['riderId']}']").click()
    exact = f"""((c, r) => c.center[0].toFixed(5) === r.x.toFixed(5) && c.center[1].toFixed(5) === r.y.toFixed(5))
        ({MAP}.camera(), {RIDERS}.find((r) => r.riderId === {MAP}.following()))"""
    await until(page, exact)


async def test_connection_that_breaks_comes_back(watched, until) -> None:
    page = await watched.open("/#stomp")
    broken: list[Any] = []

    def through(route: Any) -> None:
        route.connect_to_server()
        broken.append(route)

    await page.route_web_socket("**/stomp", through)
    await page.evaluate("location.hash = '#map'")
    await until(page, f"{DRAWN} && {MAP}.connection() === 'live'")
    await broken[0].close(code=1012, reason="restart")
    await until(page, f"{MAP}.connection() === 'waiting'")
    await expect(page.locator("#link-state")).to_have_text("Live", timeout=10_000)
    assert len(broken) == 2
