"""The console as people see it: every page, in both themes, as each role, without a mouse and
without JavaScript.
"""

import asyncio
from collections.abc import Mapping
from hashlib import sha256

import pytest
from playwright.async_api import expect

from tests.browser import browsing
from tests.integration import demo_repository, processes

pytestmark = pytest.mark.browser

PAGES: Mapping[str, str] = {
    "/": "Applications",
    "/?q=galaxy&only=served&sort=users&order=desc": "Galaxy",
    "/applications/math-galaxy": "What it sees",
    "/applications/everything": "Test the connection",
    "/add": "History Trail",
    "/add?q=trail&dev=1": "History Trail",
    "/add?listing=history-trail": "What to commit",
    "/add?own=1": "Name in the repository",
    "/add?own=1&form=1&name=copied&copy=music-studio": "name: copied",
    "/applications/math-galaxy/letter": "signed it up",
    "/find": "Find a person or a class",
    "/roster": "student-system",
    "/roster/users": "sourcedId",
    "/roster/classes": "sourcedId",
    "/history": "vouched for by two people's keys",
    "/audit": "Head: sha256:",
    "/audit?kind=applied": "applied",
    "/status": "Conditions",
    "/nothing": "Not found",
}
"""Path -> something that stands there for an operator."""
FOR_OPERATORS = ("/find", "/roster/users", "/applications/math-galaxy/letter")


async def test_every_page_is_sound_and_accessible_for_an_operator(demo: processes.Demo) -> None:
    async with (
        browsing.browser() as started,
        browsing.tab(started, demo.told["console"], demo.told["console_token"]) as tab,
    ):
        for path, part in PAGES.items():
            status = await tab.go(path)
            assert status == (404 if path == "/nothing" else 200), path
            tab.seen.complaints[:] = [
                each for each in tab.seen.complaints if "404" not in each or path != "/nothing"
            ]
            assert part in await tab.text(), path
            await tab.sound(path)
            await tab.accessible_in_both_themes(path)


async def test_a_viewer_sees_every_page_but_those_of_single_people(demo: processes.Demo) -> None:
    async with (
        browsing.browser() as started,
        browsing.tab(started, demo.told["console"], browsing.VIEWER, theme="dark") as tab,
    ):
        for path in PAGES:
            refused = {"/nothing": 404, **dict.fromkeys(FOR_OPERATORS, 403)}
            assert await tab.go(path) == refused.get(path, 200), path
            if path in FOR_OPERATORS:
                assert "Not for this role" in await tab.text()
        await tab.accessible("what is not found")
        await tab.go("/applications/math-galaxy")
        assert await tab.page.locator("form[action*=credentials]").count() == 0
        assert await tab.page.locator("nav a", has_text="Find").count() == 0


async def test_a_tab_of_a_phone_shows_cards_that_fit(demo: processes.Demo) -> None:
    async with (
        browsing.browser() as started,
        browsing.tab(started, demo.told["console"], demo.told["console_token"], width=390) as tab,
    ):
        for path in ("/", "/applications/math-galaxy", "/roster", "/history"):
            await tab.go(path)
            wide = await tab.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, (path, wide)
            await tab.accessible(path)


async def test_the_way_of_an_operator_needs_no_javascript(demo: processes.Demo) -> None:
    async with (
        browsing.browser() as started,
        browsing.tab(
            started, demo.told["console"], demo.told["console_token"], scripts=False
        ) as tab,
    ):
        page = tab.page
        await page.fill("#q", "warehouse")
        await page.click("form[role=search] button")
        assert await page.locator("tbody tr").count() == 1
        await page.click("tbody a")
        assert "/applications/everything" in page.url

        await page.fill("#text", "student")
        await page.click("form[action='/find'] button")
        assert "student" not in page.url
        await page.locator("form[action='/explain'] button").first.click()
        assert "access: full shares every record" in await tab.text()

        await tab.go("/add?listing=history-trail")
        await page.check("#access-basic")
        await page.check("#orgs-rule")
        await page.fill("#orgs_where", "type='school'")
        await page.click("form.sheet button")
        assert "orgs: {where: \"type='school'\"}" in await tab.text()
        assert "LIMITED ACCESS" in await tab.text()

        await tab.go("/add?own=1&form=1&name=copied&copy=music-studio")
        await page.click("form[action='/add/branch'] button")
        assert "The branch add-copied is prepared" in await tab.text()
        repository = demo_repository.Repository.of(demo)
        assert repository.git("log", "-1", "--format=%an %G?", "add-copied") == "rosterd N"
        assert repository.git("diff", "--name-status", "main", "add-copied").split() == [
            *("A", "applications/copied.yaml", "A", "permissions/copied.yaml"),
        ]

        await tab.go("/roster/users")
        await page.click("nav[aria-label='Pages of this list'] button:has-text('Next')")
        assert "51\u2013" in await tab.text()

        await tab.go("/applications/nothing")
        past = page.locator("section[aria-labelledby=past]")
        assert "a commit" in await past.inner_text()
        assert await past.locator("svg.chart path.line").count() == 1
        assert "vouched for by" in await tab.text()

        await tab.go("/applications/everything")
        await page.click("form[action*='/sanity'] button")
        assert "Students without a grade" in await tab.text()
        await tab.go("/applications/everything")
        await page.click("form[action*='/test'] button")
        assert "everything answers." in await tab.text()


async def test_the_keyboard_alone_leads_to_key_and_secret(demo: processes.Demo) -> None:
    async with (
        browsing.browser() as started,
        browsing.tab(started, demo.told["console"], None) as tab,
    ):
        page = tab.page
        await tab.go("/sign-in")
        await expect(page.locator("#token")).to_be_focused()
        await page.keyboard.type(demo.told["console_token"])
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{tab.base}/")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await _tab_to(tab, "document.activeElement.textContent === 'Reading River'")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/applications/reading-river")
        await _tab_to(tab, "document.activeElement.textContent === 'Show key and secret'")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) == "solid"
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/credentials#credentials")
        assert demo.told["applications"]["reading-river"]["secret"] in await tab.text()

        await tab.go("/audit?kind=revealed&application=reading-river")
        assert "was shown key and secret of reading-river" in await tab.text()


async def _tab_to(tab: browsing.Tab, condition: str) -> None:
    for _ in range(150):
        await tab.page.keyboard.press("Tab")
        if await tab.page.evaluate(condition):
            return
    raise AssertionError(f"the keyboard never came to: {condition}")


async def test_names_that_are_markup_stay_text_wherever_they_are_shown(
    demo: processes.Demo,
) -> None:
    async with (
        browsing.browser() as started,
        browsing.tab(started, demo.told["console"], demo.told["console_token"]) as tab,
    ):
        for collection in ("orgs", "academicSessions", "courses", "classes", "users",
                           "enrollments", "demographics", "resources"):  # fmt: skip
            assert await tab.go(f"/roster/{collection}") == 200
            await tab.sound(collection)
        await tab.go("/roster/users")
        assert "<script>alert(document.cookie)</script>" in await tab.text()
        for text in ("<script>alert", "onerror=alert(1)"):
            await tab.go("/find")
            await tab.page.fill("#text", text)
            await tab.page.click("main form button")
            await tab.sound(text)
            assert "Found" in await tab.text()
            await tab.page.locator("form[action='/explain'] button").first.click()
            await tab.sound(f"why {text}")
        await tab.go("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
        await tab.sound("a search that is markup")
        await tab.go("/applications/math-galaxy")
        assert "onerror=alert(9)> & Galaxy" in await tab.text()
        await tab.sound("a title that is markup")


async def test_the_theme_follows_the_system(demo: processes.Demo) -> None:
    async with browsing.browser() as started:
        grounds = []
        for theme in ("light", "dark"):
            async with browsing.tab(started, demo.told["console"], None, theme=theme) as tab:
                await tab.go("/sign-in")
                await tab.accessible(f"signing in, {theme}")
                color = "getComputedStyle(document.body).backgroundColor"
                grounds.append(await tab.page.evaluate(color))
        assert len(set(grounds)) == 2


async def test_a_session_ends_with_the_token_it_came_from(demo: processes.Demo) -> None:
    tokens = demo.folder / "operators"
    text = tokens.read_text()
    digest = sha256(b"for a short time").hexdigest()
    tokens.write_text(f"{text}tim operator {digest}\n")
    async with browsing.browser() as started:
        async with browsing.tab(started, demo.told["console"], None) as stranger:
            await stranger.go("/sign-in")
            await stranger.page.fill("#token", "wrong")
            await stranger.page.click("main button")
            assert "Nobody has this token" in await stranger.text()
        async with browsing.tab(started, demo.told["console"], "for a short time") as tab:
            await tab.go("/applications/math-galaxy")
            tokens.write_text(text)
            await asyncio.to_thread(tokens.touch)
            await tab.page.click("form[action*=credentials] button")
            await tab.page.wait_for_url("**/sign-in**")
            assert "Sign in" in await tab.text()
