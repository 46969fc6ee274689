"""The REST interface at /docs in a real Chromium; the fixture sees to it that no other host is asked for anything."""

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


async def test_operations_are_shown(watched) -> None:
    page = await watched.open("/docs")
    await expect(page).to_have_title("Stompede: REST interface")
    await expect(page.get_by_role("heading", name="Stompede")).to_be_visible()
    for path in ("/api/v1/login", "/api/v1/riders", "/health/ready"):
        await expect(page.locator(".opblock-summary-path", has_text=path).first).to_be_visible()


async def test_an_operation_is_tried_out(watched) -> None:
    page = await watched.open("/docs")
    operation = page.locator(".opblock", has=page.get_by_text("/health/ready"))
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    await expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")


async def test_the_page_follows_the_theme(watched) -> None:
    page = await watched.open("/docs", color_scheme="dark")
    await expect(page.locator("html")).to_have_class("dark-mode")
