"""The operators' page: what is served to whom, and what waits for whose statement.

It shows and never changes anything, so it needs no script, and the policy sent with it allows none.
Signing in trades a token for a session cookie that no other site can send along.
"""

import importlib.resources
import urllib.parse
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import jinja2
from aiohttp import web

from rosterd import errors
from rosterd.web import control, desk, operators
from rosterd.web.control import endpoints
from rosterd.web.oneroster import answers

COOKIE: Final = "rosterd_session"
_LISTED: Final = 8
_LONGEST_FORM: Final = 4_096
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
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Console:
    """The page, and the reading half of the operators' JSON."""

    def __init__(self, the_desk: desk.Desk, people: operators.Operators) -> None:
        self._desk = the_desk
        self._people = people
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("rosterd.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(_FILTERS)
        folder = importlib.resources.files("rosterd.web") / "templates"
        self._style = (folder / "console.css").read_bytes()

    def application(self) -> web.Application:
        """The console listener's application."""
        app = web.Application(middlewares=[self._guarded], client_max_size=_LONGEST_FORM)
        app[control.DESK] = self._desk
        app.router.add_get("/", self._page)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/console.css", self._styled)
        app.router.add_get("/sign-in", self._sign_in)
        app.router.add_post("/sign-in", self._signed_in)
        app.router.add_post("/sign-out", self._signed_out)
        for endpoint in control.ENDPOINTS:
            if endpoint.console:
                handler = self._allowed(endpoint)
                app.router.add_route(endpoint.method, endpoint.path, handler)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if request.path.startswith("/v1/"):
                response = control.json(error.status, {"error": error.reason})
            else:
                headers = (
                    {"Location": str(error.location)} if isinstance(error, web.HTTPMove) else {}
                )
                response = web.Response(status=error.status, text=error.reason, headers=headers)
        response.headers.update(_HEADERS)
        return response

    def _operator(self, request: web.Request) -> operators.Operator | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._people.known(token.strip())
        session = request.cookies.get(COOKIE)
        return self._people.of_session(session) if session else None

    def _allowed(self, endpoint: endpoints.Endpoint) -> _Handler:
        answer = control.handler(endpoint)

        async def checked(request: web.Request) -> web.Response:
            operator = self._operator(request)
            if operator is None:
                refused = control.json(401, {"error": "an operator's token is needed"})
                refused.headers["WWW-Authenticate"] = 'Bearer realm="rosterd console"'
                return refused
            if not operator.may(endpoint.role):
                return control.json(403, {"error": f"this takes the role {endpoint.role}"})
            if endpoint.method != "GET" and "Authorization" not in request.headers:
                # a browser sends its cookie along whoever wrote the form
                return control.json(403, {"error": "this takes the token itself, not a session"})
            request[control.WHO] = operator.name
            return await answer(request)

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

    # ------------------------------------------------------------ pages

    async def _styled(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._style, content_type="text/css", charset="utf-8")

    async def _sign_in(self, request: web.Request) -> web.Response:
        if self._operator(request) is not None:
            raise web.HTTPSeeOther("/")
        return self._form(wrong=False)

    async def _signed_in(self, request: web.Request) -> web.Response:
        form = urllib.parse.parse_qs(await request.text(), max_num_fields=5)
        session = self._people.sign_in(form.get("token", [""])[0].strip())
        if session is None:
            return self._form(wrong=True)
        response = web.Response(status=303, headers={"Location": "/"})
        response.set_cookie(
            COOKIE,
            session,
            max_age=int(operators.SESSION),
            httponly=True,
            samesite="Strict",
            path="/",
        )
        return response

    async def _signed_out(self, request: web.Request) -> web.Response:
        session = request.cookies.get(COOKIE)
        if session:
            self._people.sign_out(session)
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        response.del_cookie(COOKIE, path="/")
        return response

    def _form(self, *, wrong: bool) -> web.Response:
        text = self._templates.get_template("sign-in.html").render(
            possible=self._people.any, wrong=wrong
        )
        return web.Response(status=401 if wrong else 200, text=text, content_type="text/html")

    async def _page(self, request: web.Request) -> web.Response:
        operator = self._operator(request)
        if operator is None:
            raise web.HTTPSeeOther("/sign-in")
        if not operator.may("viewer"):
            raise web.HTTPForbidden(reason="this takes the role viewer")
        try:
            imports = await self._desk.imports(_LISTED)
            exports = await self._desk.exports(_LISTED)
        except errors.TemporaryError as error:
            raise web.HTTPServiceUnavailable(reason="the store does not answer") from error
        status, applications = self._desk.status(), await self._desk.applications()
        text = self._templates.get_template("status.html").render(
            who=operator,
            headline=headline(status),
            rule=status["review"]["words"],
            applications=sorted(applications, key=lambda each: each["title"].casefold()),
            receiving=sum(each["refusal"] is None for each in applications),
            imports=imports,
            exports=exports,
            listed=_LISTED,
            **status,
        )
        return web.Response(text=text, content_type="text/html")


def headline(status: desk.Status) -> dict[str, str]:
    """The one sentence that matters now: `title`, `text`, and `mood` (good, wait or stop)."""
    served, repository = status["served"], status["repository"]
    if status["silent"]:
        loops = ", ".join(status["silent"])
        return _said("stop", "A part of the daemon hangs", f"No sign of life from: {loops}.")
    if not served["ready"]:
        text = ("" if repository["missing"] else repository["reason"]) or (
            "No roster was imported yet: a document under sources/ names the folder it comes from."
            if served["commit"]
            else "No commit of the config repository is accepted yet."
        )
        return _said("stop", "Nothing is served yet", text)
    if repository["state"] == "waiting":
        text = "What was accepted before is still served."
        return _said("wait", "A change waits for statements", text)
    if repository["state"] in ("refused", "untrusted"):
        text = repository["reason"] or "The newest commit is not accepted."
        return _said("stop", "The newest commit is refused", f"{text} The former one is served.")
    if repository["state"] == "unreachable":
        text = repository["reason"] or "The last accepted config is served until it is back."
        return _said("wait", "The repository cannot be reached", text)
    holds = status["guards"]["holds"]
    if holds:
        names = ", ".join(each["application"] for each in holds)
        text = f"Everybody else goes on. What to commit is told below: {names}."
        return _said("wait", "A change of what somebody sees is held", text)
    return _said("good", "All is served as the repository says", "Nothing waits for anybody.")


def _said(mood: str, title: str, text: str) -> dict[str, str]:
    return {"mood": mood, "title": title, "text": text}


# ---------------------------------------------------------------- filters


def ago(text: str, now: str) -> str:
    """How long ago, in one unit; the exact time stands in the element's title."""
    seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(text)).total_seconds()
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = int(seconds // length)
        if number >= 1:
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    return "just now"


def _count(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _size(number: int) -> str:
    if number < 1000:
        return f"{number} B"
    size = number / 1000
    for unit in ("kB", "MB"):
        if size < 1000:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _missing(each: desk.Missing) -> str:
    have = ", ".join(each["have"]) or "nobody yet"
    lacking = max(0, each["needed"] - len(each["have"]))
    more = "1 more person has" if lacking == 1 else f"{lacking} more people have"
    return f"vouched for by {have}; {more} to"


def _mood(state: str) -> str:
    if state in ("failed", "refused"):
        return "bad"
    return "wait" if state in ("running", "superseded") else "good"


_FILTERS: Final[dict[str, Callable[..., str]]] = {
    "ago": ago,
    "count": _count,
    "size": _size,
    "missing": _missing,
    "mood": _mood,
    "answer": lambda status: {"yes": "good", "no": "bad"}.get(status, "none"),
    "level_class": lambda level: {"NO ACCESS": "no", "FULL ACCESS": "all"}.get(level, "some"),
    "level_word": lambda level: level.removesuffix(" ACCESS").capitalize(),
}
