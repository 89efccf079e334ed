"""The page behind a link in a letter: a button, and what it shows once.

Programs that check mails open every link in them, so asking for the page changes nothing and looks
nothing up: it is the same for every token. Only the button takes the secret. Whatever a link is not
worth anything for (unknown, used, expired, revoked) gets one and the same answer. There is no
script, nothing is loaded, and no cache, frame or next page learns the address.
"""

import base64
import importlib.resources
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final, Protocol

import jinja2
from aiohttp import web

from rosterd import errors
from rosterd.web import accesses, rates
from rosterd.web.oneroster import answers, serving

PATH: Final = "/reveal/{token}"
PER_MINUTE: Final = 30
"""Wrong links from one address, before they are told to wait. Tokens have 256 random bits: this keeps
the noise down. A right one is never kept waiting, as behind a proxy all have the same address."""
_LONGEST: Final = 200


class Shown(Protocol):
    """What a link shows."""

    @property
    def title(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def secret(self) -> str: ...


Spend = Callable[[str], Awaitable[Shown | None]]
"""Token -> what it shows, once."""


class Revealing:
    """`GET` and `POST /reveal/TOKEN` on the vendors' listener."""

    def __init__(
        self,
        spend: Spend,
        public_url: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives the seconds by which requests are counted."""
        self._spend = spend
        self._base = public_url
        self._rates = rates.Rates(PER_MINUTE, clock)
        folder = importlib.resources.files("rosterd.web") / "templates"
        self._style = (folder / "reveal.css").read_text(encoding="utf-8")
        templates = jinja2.Environment(
            loader=jinja2.PackageLoader("rosterd.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._page = templates.get_template("reveal.html")
        # exactly the text between the tags, by its digest: no other style is taken
        style = base64.b64encode(sha256(self._style.encode()).digest()).decode()
        self._headers: Final = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{style}';"
            " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex, nofollow, noarchive",
            "Server": answers.SERVER,
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The page, or what the link shows."""
        try:
            response = await self._answered(request)
        except errors.TemporaryError:
            response = self._shown(503, "failed", {"Retry-After": "30"})
        except Exception as error:  # noqa: BLE001 - a request never ends the server, nor shows why
            serving.log_failure(error, "reveal")
            response = self._shown(500, "failed")
        accesses.reveal(method=request.method, status=response.status)
        return response

    async def _answered(self, request: web.Request) -> web.Response:
        if request.method not in ("GET", "HEAD", "POST"):
            return self._shown(405, "button", {"Allow": "GET, HEAD, POST"})
        if request.method != "POST":
            return self._shown(200, "button")
        token = request.match_info["token"]
        shown = await self._spend(token) if len(token) <= _LONGEST else None
        if shown is not None:
            return self._shown(200, "shown", shown=shown)
        pause = self._rates.wait(request.remote or "")
        if pause:
            return self._shown(429, "later", {"Retry-After": str(pause)})
        return self._shown(410, "over")

    def _shown(
        self, status: int, state: str, headers: dict[str, str] | None = None, **facts: Any
    ) -> web.Response:
        text = self._page.render(
            state=state, style=self._style, base=self._base, shown=facts.get("shown")
        )
        return web.Response(
            status=status,
            text=text,
            content_type="text/html",
            charset="utf-8",
            headers={**self._headers, **(headers or {})},
        )
