"""The console's listener: who is asking, which page that is, and how it leaves.

Signing in trades a token for a session cookie that no other site can send along. Each form carries
a word made from that cookie besides, so that nothing is asked in somebody's name but by these pages.
Whatever goes wrong, the answer has our headers, and says nothing of what it was about.
"""

import asyncio
import hmac
import importlib.resources
import urllib.parse
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final

import jinja2
from aiohttp import web

from rosterd import errors
from rosterd.web import accesses, control, desk, operators
from rosterd.web.console import (
    adding,
    applications,
    dossiers,
    finding,
    histories,
    origins,
    pages,
    rosters,
    standing,
    wording,
    writing,
)
from rosterd.web.control import endpoints
from rosterd.web.oneroster import answers, serving

PAGES: Final = (
    *applications.PAGES,
    *dossiers.PAGES,
    *writing.PAGES,
    *adding.PAGES,
    *finding.PAGES,
    *rosters.PAGES,
    *histories.PAGES,
    *standing.PAGES,
)
COOKIE: Final = "rosterd_session"
WORD: Final = "word"
"""Name of the field by which a form shows that it is ours."""
PATIENCE: Final = 10.0
"""Seconds within which a form has to be there."""
_LONGEST_FORM: Final = 65_536
_FIELDS: Final = 400
_FAILED: Final = "the daemon failed; the fault is in its log"
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": answers.SERVER,
}
_REFUSALS: Final[dict[type[Exception], type[web.HTTPError]]] = {
    pages.Missing: web.HTTPNotFound,
    pages.Forbidden: web.HTTPForbidden,
    errors.InputError: web.HTTPBadRequest,
    errors.UnsafePlan: web.HTTPConflict,
    errors.TemporaryError: web.HTTPServiceUnavailable,
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Console:
    """The pages, and the reading half of the operators' JSON."""

    def __init__(
        self,
        the_desk: desk.Desk,
        people: operators.Operators,
        *,
        public_url: str | None = None,
    ) -> None:
        """`public_url` is the base under which a proxy that ends TLS serves it, if one does."""
        self._desk = the_desk
        self._people = people
        self._origins = origins.Origins(public_url)
        self._secure = public_url is not None
        # no page of a neighbouring name, and none in the clear, can set a cookie called so
        self._cookie = f"__Host-{COOKIE}" if self._secure else COOKIE
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("rosterd.web"),
            autoescape=True,
            finalize=wording.plain,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(wording.FILTERS)
        self._templates.globals["address"] = pages.address
        folder = importlib.resources.files("rosterd.web") / "templates"
        self._style = (folder / "console.css").read_bytes()

    def application(self) -> web.Application:
        """The console listener's application."""
        app = web.Application(middlewares=[self._guarded], client_max_size=_LONGEST_FORM)
        app[control.DESK] = self._desk
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/console.css", self._styled)
        app.router.add_get("/sign-in", self._sign_in)
        app.router.add_post("/sign-in", self._signed_in)
        app.router.add_post("/sign-out", self._signed_out)
        for page in PAGES:
            app.router.add_route(page.method, page.path, self._paged(page))
        for endpoint in control.ENDPOINTS:
            if endpoint.console:
                handler = self._allowed(endpoint)
                app.router.add_route(endpoint.method, endpoint.path, handler)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = await self._answer(request, handler)
        except Exception as error:  # noqa: BLE001 - not even a page that tells of a failure may fail
            serving.log_failure(error, "console")
            response = web.Response(status=500, text=f"{_FAILED}\n")
        response.headers.update(_HEADERS)
        return response

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            self._origins.refuse(request)
            return await handler(request)
        except web.HTTPException as error:
            if request.path.startswith("/v1/"):
                return control.json(error.status, {"error": error.reason})
            if isinstance(error, web.HTTPMove):
                return web.Response(status=error.status, headers={"Location": str(error.location)})
            return await self._refusal(request, error.status, error.reason)

    def _operator(self, request: web.Request) -> operators.Operator | None:
        if _by_token(request):
            token = request.headers["Authorization"].partition(" ")[2]
            return self._people.known(token.strip())
        session = self._session(request)
        return self._people.of_session(session) if session else None

    def _session(self, request: web.Request) -> str:
        return request.cookies.get(self._cookie, "")

    def _word(self, request: web.Request) -> str:
        """What our forms say in this session, and nobody who does not have its cookie can."""
        text = f"form {self._session(request)}"
        return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def _allowed(self, endpoint: endpoints.Endpoint) -> _Handler:
        answer = control.handler(endpoint)

        async def checked(request: web.Request) -> web.StreamResponse:
            operator = self._operator(request)
            refusal = _refused(endpoint, request, operator)
            if refusal is None and operator is not None:
                request[control.WHO] = operator.name
                return await answer(request)
            status, reason = refusal or (401, "")
            who = operator.name if operator is not None else "-"
            accesses.page(method=endpoint.method, path=endpoint.path, who=who, status=status)
            refused = control.json(status, {"error": reason})
            if status == 401:
                refused.headers["WWW-Authenticate"] = 'Bearer realm="rosterd console"'
            return refused

        return checked

    async def _metrics(self, request: web.Request) -> web.Response:
        """For a program with a token of the role `metrics`, or more."""
        if self._operator(request) is None:
            refused = web.Response(status=401, text="a token with the role metrics is needed\n")
            refused.headers["WWW-Authenticate"] = 'Bearer realm="rosterd metrics"'
            return refused
        try:
            body = await self._desk.metrics()
        except errors.TemporaryError as error:
            raise web.HTTPServiceUnavailable(reason="the store does not answer") from error
        return web.Response(body=body, headers={"Content-Type": desk.METRICS_TYPE})

    # ------------------------------------------------------------ signing in

    async def _styled(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._style, content_type="text/css", charset="utf-8")

    async def _sign_in(self, request: web.Request) -> web.Response:
        if self._operator(request) is not None:
            raise web.HTTPSeeOther("/")
        return self._entrance(wrong=False)

    async def _signed_in(self, request: web.Request) -> web.Response:
        token = (await _form(request)).get("token", [""])[-1].strip()
        session, who = self._people.sign_in(token), self._people.known(token)
        status = 401 if session is None else 303
        accesses.page(method="POST", path="/sign-in", who=who.name if who else "-", status=status)
        if session is None:
            return self._entrance(wrong=True)
        self._people.sign_out(self._session(request))  # whoever had it, it ends here
        response = web.Response(status=status, headers={"Location": "/"})
        response.set_cookie(
            self._cookie,
            session,
            max_age=int(operators.SESSION),
            httponly=True,
            secure=self._secure,
            samesite="Strict",
            path="/",
        )
        return response

    async def _signed_out(self, request: web.Request) -> web.Response:
        session = self._session(request)
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        if session:
            self._people.sign_out(session)
            response.del_cookie(self._cookie, path="/", secure=self._secure)
        return response

    def _entrance(self, *, wrong: bool) -> web.Response:
        text = self._templates.get_template("sign-in.html").render(
            possible=self._people.any, wrong=wrong, who=None
        )
        return web.Response(status=401 if wrong else 200, text=text, content_type="text/html")

    # ------------------------------------------------------------ pages

    def _paged(self, page: pages.Page) -> _Handler:
        async def answered(request: web.Request) -> web.StreamResponse:
            operator = self._operator(request)
            if operator is None:
                raise web.HTTPSeeOther("/sign-in")
            status = 500
            try:
                response = await self._permitted(page, request, operator)
                status = response.status
            except web.HTTPException as error:
                status = error.status
                raise
            finally:
                accesses.page(method=page.method, path=page.path, who=operator.name, status=status)
            return response

        return answered

    async def _permitted(
        self, page: pages.Page, request: web.Request, who: operators.Operator
    ) -> web.StreamResponse:
        if not who.may("viewer"):
            raise web.HTTPForbidden(reason="this takes the role viewer")
        if not who.may(page.role):
            raise web.HTTPForbidden(reason=f"this takes the role {page.role}")
        context = await self._answered(page, request, who)
        return await self._shown(request, page.template, 200, page.under or page.path, context)

    async def _answered(
        self, page: pages.Page, request: web.Request, who: operators.Operator
    ) -> pages.Context:
        try:
            return await page.answer(await self._asked(page, request, who))
        except tuple(_REFUSALS) as error:
            refusal = next(raised for kind, raised in _REFUSALS.items() if isinstance(error, kind))
            raise refusal(reason=" ".join(str(error).split())) from error
        except web.HTTPException:
            raise
        except Exception as error:
            serving.log_failure(error, page.path)
            raise web.HTTPInternalServerError(reason=_FAILED) from error

    async def _asked(
        self, page: pages.Page, request: web.Request, who: operators.Operator
    ) -> pages.Asked:
        posted = page.method == "POST"
        chosen = await _form(request) if posted else _fields(request.query_string)
        given = {name: values[-1] for name, values in chosen.items()}
        if posted and not _by_token(request):
            said = given.get(WORD, "").encode("utf-8", "replace")
            if not hmac.compare_digest(said, self._word(request).encode()):
                raise web.HTTPForbidden(
                    reason="this form was not made for this session: go back, reload, try again"
                )
        return pages.Asked(
            desk=self._desk,
            who=who,
            given=given,
            chosen=chosen,
            name=request.match_info.get("name", ""),
            posted=posted,
        )

    async def _refusal(self, request: web.Request, status: int, reason: str) -> web.Response:
        context = {"status": status, "reason": reason}
        return await self._shown(request, "refused.html", status, "", context)

    async def _shown(
        self, request: web.Request, template: str, status: int, here: str, context: pages.Context
    ) -> web.Response:
        who = self._operator(request)
        known: dict[str, Any] = {
            "who": who,
            "word": self._word(request),
            "here": here,
            "navigation": [
                page for page in PAGES if page.label and who is not None and who.may(page.role)
            ],
            "now": self._desk.status()["now"],
            "version": self._desk.status()["version"],
        }
        # on another thread: a page of many lines would keep vendors waiting
        text = await asyncio.to_thread(self._drawn, template, {**known, **context})
        return web.Response(status=status, text=text, content_type="text/html")

    def _drawn(self, template: str, context: pages.Context) -> str:
        return self._templates.get_template(template).render(context)


def _refused(
    endpoint: endpoints.Endpoint, request: web.Request, who: operators.Operator | None
) -> tuple[int, str] | None:
    """(status, why) for whoever may not ask this in this way."""
    if who is None:
        return 401, "an operator's token is needed"
    if not who.may(endpoint.role):
        return 403, f"this takes the role {endpoint.role}"
    if endpoint.method != "GET" and not _by_token(request):
        # a browser sends its cookie along whoever wrote the form
        return 403, "this takes the token itself, not a session"
    return None


def _by_token(request: web.Request) -> bool:
    """Whether the token itself is sent, not a session. Another kind of `Authorization` is none: a
    browser adds what a proxy in front of the console asked for to whatever form it sends.
    """
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return scheme.lower() == "bearer"


async def _form(request: web.Request) -> dict[str, list[str]]:
    """The fields of a form. Ours are UTF-8 whatever the request calls itself; what is not becomes
    marks, which match nothing.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            body = await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(reason="the form did not come") from error
    except web.RequestPayloadError as error:
        raise web.HTTPBadRequest(reason="the form cannot be unpacked") from error
    return _fields(body.decode("utf-8", "replace"))


def _fields(text: str) -> dict[str, list[str]]:
    try:
        return urllib.parse.parse_qs(
            text, keep_blank_values=True, max_num_fields=_FIELDS, errors="replace"
        )
    except ValueError as error:
        raise web.HTTPBadRequest(reason="the form has too many fields") from error
