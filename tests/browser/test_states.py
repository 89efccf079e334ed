"""Pages in the states that a demo rarely has: nothing there yet, everything held, refused, failed.

Served from a desk in memory, so each state takes no daemon; and the page of vendors that shows key
and secret once, from its own listener with real links.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright import async_api

from rosterd import errors
from rosterd.web import desk
from tests.browser import browsing
from tests.integration import operators_desk, test_control, test_revealing

pytestmark = pytest.mark.browser
APPLICATION = "/applications/math-galaxy"


class Empty(operators_desk.Desk):
    """A daemon of which nothing is known yet."""

    def __init__(self) -> None:
        super().__init__()
        self.served = {
            **self.served,
            "ready": False, "commit": None, "applied": None, "people": [], "generation": None,
            "published": None, "counts": {},
        }  # fmt: skip
        self.repository = {**self.repository, "state": "starting", "fetched": None, "looked": None}

    def status(self) -> desk.Status:
        return {**super().status(), "sources": [], "conditions": [], "history": [], "endings": []}

    async def applications(self) -> Sequence[desk.Application]:
        return []

    async def imports(self, limit: int) -> Sequence[desk.Import]:
        return []

    async def held_imports(self) -> Sequence[desk.HeldImport]:
        return []

    async def exports(self, limit: int) -> Sequence[desk.Export]:
        return []

    async def catalog(self) -> Sequence[desk.Listed]:
        return []


class Stuck(operators_desk.Desk):
    """A daemon in which everything waits for somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.repository = {
            **self.repository,
            "state": "waiting",
            "missing": [{"path": "permissions/math-galaxy.yaml", "needed": 2, "have": ["ada"]}],
            "problems": ["permissions/math-galaxy.yaml:7:9: there is no such collection"],
        }
        held: desk.Held = {
            "application": "math-galaxy", "since": operators_desk.NOW, "cause": "documents",
            "why": "a commit changed what it sees", "stopped": "", "commit": "a" * 40,
            "generation": 41, "change": "sha256:0", "release": "release:\n  - change: sha256:0\n",
            "collections": [{"collection": "users", "gain": 0, "lose": 901, "over": True}],
        }  # fmt: skip
        self.guards = {
            "holds": [held], "frozen": "summer", "unmet": [],
            "blocks": [
                {
                    "application": "reading-lab", "reason": "its vendor was broken into",
                    "actor": "ada", "since": operators_desk.NOW, "drift": True,
                }
            ],
            "suspended": {
                "reason": "a lost key", "since": "2026-10-05", "days": 2, "long": True,
                "waiting": ["math-galaxy"],
            },
        }  # fmt: skip
        self.warnings = ["nobody can be notified"]

    def status(self) -> desk.Status:
        source = super().status()["sources"][0]
        held: desk.Source = {**source, "state": "held", "reason": "it changes too much"}
        paused: desk.Source = {
            **source, "name": "charter-school", "state": "waiting", "paused": True,
            "reason": "nothing is imported from 2026-10-01 to 2026-10-08 (blackout)",
            "stale": "2026-09-30T05:30+00:00",
        }  # fmt: skip
        return {**super().status(), "sources": [held, paused]}

    async def letterbox(self, application: str) -> desk.Letterbox:
        return {**await super().letterbox(application), "server": False}


class Failing(operators_desk.Desk):
    """A daemon that answers in all the wrong ways."""

    async def imports(self, limit: int) -> Sequence[desk.Import]:
        raise RuntimeError("something private")

    async def head(self) -> desk.Head:
        raise errors.TemporaryError("the store does not answer")

    async def catalog(self) -> Sequence[desk.Listed]:
        raise errors.InputError("cannot read the catalogue")


async def looked_at(tab: browsing.Tab, path: str, part: str, status: int = 200) -> None:
    assert await tab.go(path) == status, path
    await shown(tab, path, part)


async def shown(tab: browsing.Tab, what: str, part: str) -> None:
    # what a key or a click leads to may not have begun to load
    body = async_api.expect(tab.page.locator("body"), what)
    await body.to_contain_text(part, use_inner_text=True, timeout=browsing.PATIENCE)
    await tab.page.wait_for_load_state()
    await tab.accessible_in_both_themes(what)


async def test_what_is_not_there_yet_is_said(tmp_path: Path) -> None:
    async with (
        test_control.on_console(Empty(), test_control.write_tokens(tmp_path / "t")) as session,
        browsing.browser() as started,
        browsing.tab(started, str(session._base_url), test_control.OPERATOR) as tab,
    ):
        for path, part in (
            ("/", "declares no application yet"),
            ("/add", "The catalogue has nothing like this"),
            ("/roster", "Nothing was imported yet"),
            ("/history", "No commit was applied yet"),
            ("/audit", "Nothing like this is on record"),
            ("/status", "Nothing is served yet"),
        ):
            await looked_at(tab, path, part)


async def test_what_is_held_and_each_step_of_an_operator(tmp_path: Path) -> None:
    async with (
        test_control.on_console(Stuck(), test_control.write_tokens(tmp_path / "t")) as session,
        browsing.browser() as started,
        browsing.tab(started, str(session._base_url), test_control.OPERATOR) as tab,
    ):
        page = tab.page
        await looked_at(tab, "/", "Held, served as before")
        await looked_at(tab, "/status", "Applying and exporting are suspended")
        await looked_at(tab, "/history", "Held plans")
        await looked_at(tab, "/roster", "rosterd roster release")
        assert "Blackout" in await tab.text()
        await looked_at(tab, APPLICATION, "To let it go, commit this")

        await page.click("text=Write to them")
        await shown(tab, "choosing a letter", "signed it up")
        await page.click("main form button")
        await shown(tab, "a letter", "the settings name no mail server")
        assert await page.locator("main form button").is_disabled()

        await tab.go("/find")
        await page.fill("#text", "pupil")
        await page.click("form[action='/find'] button")
        await shown(tab, "what was found", "Seen by")
        await page.click("form[action='/explain'] button")
        await shown(tab, "who sees it", "1 of 2 applications")
        await tab.go("/find")
        await page.fill("#text", "nobody at all")
        await page.click("form[action='/find'] button")
        await shown(tab, "nothing found", "No active person")

        await looked_at(tab, "/add?own=1&form=1&name=new&copy=math-galaxy", "For all grades")
        await page.click("form[action='/add/branch'] button")
        await shown(tab, "a branch", "git fetch /srv/rosters add-new:add-new")


async def test_refusals_and_failures_are_pages_too(tmp_path: Path) -> None:
    tokens = test_control.write_tokens(tmp_path / "t")
    async with (
        test_control.on_console(Failing(), tokens) as session,
        browsing.browser() as started,
        browsing.tab(started, str(session._base_url), test_control.VIEWER) as tab,
    ):
        for path, status, part in (
            ("/roster", 500, "Something failed here"),
            ("/audit", 503, "Not now"),
            ("/add", 400, "That cannot be answered"),
            ("/find", 403, "Not for this role"),
            ("/nothing", 404, "Not found"),
            ("/applications/nobody", 404, "no application is called nobody".capitalize()),
        ):
            await looked_at(tab, path, part, status)
            assert "something private" not in await tab.text()
        await tab.page.click("text=Sign out")
        await tab.page.wait_for_url("**/sign-in")
        await tab.page.fill("#token", "wrong")
        await tab.page.click("main button")
        await shown(tab, "a wrong token", "Nobody has this token")
        tokens.unlink()
        await looked_at(tab, "/sign-in", "Nobody can sign in yet")


async def test_the_page_that_shows_a_vendor_key_and_secret_once(tmp_path: Path) -> None:
    async with (
        test_revealing.serving(tmp_path) as site,
        browsing.browser() as started,
    ):
        context = await started.new_context(color_scheme="light")
        page: async_api.Page = await context.new_page()
        tab: Any = browsing.Tab(page, str(site.client.make_url("/")).rstrip("/"), browsing.Seen())
        path = await site.link()
        await looked_at(tab, path, "The button shows the credentials")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.tagName") == "BUTTON"
        await page.keyboard.press("Enter")
        await shown(tab, "key and secret", await site.secret())
        await page.goto(tab.base + path)
        await page.click("button")
        await shown(tab, "a used link", "This link shows nothing")
        await context.close()
