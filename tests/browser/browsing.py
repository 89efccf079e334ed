"""A real browser before the console of a real demo, and what may never be seen there."""

import contextlib
import importlib.resources
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from playwright import async_api

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    "/usr/bin/chromium",
)
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Without them it looks for its makers' hosts at every start."""
VIEWER: Final = "a-viewers-token"
AXE: Final = importlib.resources.files("axe_playwright_python") / "axe.min.js"
PATIENCE: Final = 20_000
"""Milliseconds a page may take on a busy machine."""

Theme = Literal["light", "dark"]


@dataclass
class Seen:
    """What went wrong in a browser: nothing of this may ever happen."""

    dialogs: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Of the console of the browser: breaches of the policy, failed requests."""


@dataclass
class Tab:
    """One signed-in tab."""

    page: async_api.Page
    base: str
    seen: Seen

    async def go(self, path: str) -> int:
        """Open a page; its status."""
        response = await self.page.goto(self.base + path)
        assert response is not None
        return response.status

    async def text(self) -> str:
        return " ".join((await self.page.inner_text("body")).split())

    async def sound(self, what: str) -> None:
        """Nothing on this page became more than text."""
        assert self.seen.dialogs == [], what
        assert self.seen.complaints == [], what
        for selector in ("script", "img", "iframe", "style", "[style]", "[onerror]", "[onfocus]"):
            assert await self.page.locator(selector).count() == 0, (what, selector)
        assert await self.page.locator("svg:not(.chart)").count() == 0, what
        assert await self.page.locator("a[href^='javascript']").count() == 0, what

    async def accessible_in_both_themes(self, what: str) -> None:
        """The rest of it is the same in the dark, so colors alone are looked at there again."""
        await self.accessible(what)
        await self.page.emulate_media(color_scheme="dark")
        await self.accessible(f"{what} in the dark", colors_only=True)
        await self.page.emulate_media(color_scheme="light")

    async def accessible(self, what: str, *, colors_only: bool = False) -> None:
        """axe-core finds nothing serious or critical, and there is one heading of the first level.

        `colors_only` for a page that was looked at in the other theme: the rest of it is the same.
        """
        assert await self.page.locator("h1").count() == 1, what
        if await self.page.evaluate("typeof axe") == "undefined":
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        rules = ", runOnly: ['color-contrast']" if colors_only else ""
        asked = f"axe.run({{resultTypes: ['violations']{rules}}})"
        result: Any = await self.page.evaluate(asked)
        grave = [
            (each["id"], each["impact"], [node["html"] for node in each["nodes"]][:3])
            for each in result["violations"]
            if each["impact"] in ("serious", "critical")
        ]
        assert grave == [], (what, json.dumps(grave, indent=1))


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[async_api.Browser]:
    """Chromium, as small as it gets."""
    async with async_api.async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield started
        finally:
            await started.close()


@contextlib.asynccontextmanager
async def tab(
    started: async_api.Browser,
    base: str,
    token: str | None,
    *,
    theme: Theme = "light",
    scripts: bool = True,
    width: int = 1280,
) -> AsyncIterator[Tab]:
    """A tab of its own on the console at `base`, signed in with `token` if there is one."""
    context = await started.new_context(
        color_scheme=theme,
        java_script_enabled=scripts,
        viewport={"width": width, "height": 900},
    )
    context.set_default_timeout(PATIENCE)
    try:
        page, seen = await context.new_page(), Seen()

        async def dismissed(dialog: async_api.Dialog) -> None:
            seen.dialogs.append(dialog.message)
            await dialog.dismiss()

        page.on("dialog", dismissed)
        page.on("console", lambda said: seen.complaints.append(said.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        opened = Tab(page, base, seen)
        if token is not None:
            await opened.go("/sign-in")
            await page.fill("#token", token)
            await page.click("main button")
            await page.wait_for_url(f"{opened.base}/")
            seen.complaints.clear()  # that the field of the token had the focus already
        yield opened
    finally:
        await context.close()
