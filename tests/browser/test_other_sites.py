"""Pages of others in the browser of somebody who is signed in: a real browser says of each request
where it comes from, and that is what the console goes by.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from rosterd.web import console, operators
from tests.browser import browsing
from tests.integration import operators_desk, test_control, vendors

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><title>other</title>
<form id="in" method="post" action="{console}/sign-in"><input name="token" value="{token}">
<button>in</button></form>
<form id="out" method="post" action="{console}/sign-out"><button>out</button></form>
<form id="show" method="post" action="{console}/applications/math-galaxy/credentials">
<input name="word" value="0"><button>show</button></form>
<a id="link" href="{console}/status">link</a>
<img src="{console}/v1/exports" alt=""><link rel="stylesheet" href="{console}/roster/resources">
<iframe src="{console}/"></iframe><iframe src="{console}/roster/resources"></iframe>
"""


@contextlib.asynccontextmanager
async def other_site(console_at: str) -> AsyncIterator[int]:
    """A program beside the daemon, with a page that wants something of the console; its port."""

    async def page(_request: web.Request) -> web.Response:
        text = PAGE.format(console=console_at, token=test_control.VIEWER)
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    async with vendors.listening(app) as address:
        yield int(address.rpartition(":")[2])


async def test_pages_of_others_reach_nothing_in_somebodys_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebound = "--host-resolver-rules=MAP attacker.example 127.0.0.1"
    monkeypatch.setattr(browsing, "ARGUMENTS", (*browsing.ARGUMENTS, rebound))
    desk = operators_desk.Desk()
    people = operators.Operators(test_control.write_tokens(tmp_path / "tokens"))
    async with contextlib.AsyncExitStack() as stack:
        served = console.Console(desk, people).application()
        address = await stack.enter_async_context(vendors.listening(served))
        port = await stack.enter_async_context(other_site(address))
        started = await stack.enter_async_context(browsing.browser())
        tab = await stack.enter_async_context(browsing.tab(started, address, test_control.OPERATOR))
        # another port is of the same site to a browser, and cookies go along
        for other in (f"http://127.0.0.1:{port}/", f"http://localhost:{port}/"):
            desk.asked.clear()
            for form in ("in", "out", "show"):
                await tab.page.goto(other)
                await tab.page.click(f"#{form} button")
                await tab.page.wait_for_url(f"{address}/**")
                assert "of another site asked for this" in await tab.text(), (other, form)
            assert desk.asked == [], other
            assert await tab.go("/status") == 200
            assert "grace (operator)" in await tab.text()
        await tab.page.goto(f"http://127.0.0.1:{port}/")
        await tab.page.click("#link")
        await tab.page.wait_for_url(f"{address}/status")
        assert "Conditions" in await tab.text()

        answer = await tab.page.goto(f"{address.replace('127.0.0.1', 'attacker.example')}/sign-in")
        assert answer is not None
        assert answer.status == 421
        assert await tab.page.locator("#token").count() == 0
