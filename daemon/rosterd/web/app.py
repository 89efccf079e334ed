"""The applications of the listeners, and how they are run.

The vendors' listener has one handler for every path: the table of routes decides, not the router of
aiohttp, so that unknown paths and wrong methods get the standard's payload, and ids are matched
before they are decoded.
"""

import asyncio
import contextlib
import logging
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import hdrs, web

from rosterd import credentials, replays, settings, worlds
from rosterd.web import auth, hooks, listening, problems, rates, revealing, tokens
from rosterd.web.oneroster import discovery, routes, serving

LONGEST_LINE: Final = 65_536
"""Bytes of a request line or header that are read at all. Far above what is accepted, so that a
long query is refused in the standard's payload; beyond this the connection is closed with a 400."""
LONGEST_HEADER: Final = 16_384
KEEP_ALIVE: Final = 75.0
"""Seconds; longer than the 60 of common load balancers, so that the daemon never closes first."""

TURN: Final = 0.0004
"""Seconds after which a thread that computes (the views of a new roster, an export) lets the event
loop go on. A page gives the interpreter away at each system call, four times or more, and waits as
often for its turn: with the usual 5 ms everybody would feel that a roster arrives. The thread waits
as long for the loop, and it should not be less than a page takes: or it cuts in half-way, and the
page has one more turn to wait for."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_DIRECT: Final[web.AppKey[Mapping[str, _Handler]]] = web.AppKey("direct")
"""Raw path -> handler, of what is asked for most: to have the router of aiohttp find these would
cost more than to find out who asks."""


def vendors(
    current: worlds.Worlds,
    known: credentials.Credentials,
    listen: settings.Listen,
    note: serving.Note | None = None,
    *,
    answered: replays.Replays | None = None,
    hook: hooks.Hooks | None = None,
    leave: serving.Leave | None = None,
    spend: revealing.Spend | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The vendors' listener: OneRoster and the token endpoint.

    `answered` remembers signed requests, in memory alone when it is not given; `clock` gives the
    seconds by which requests are counted. `hook` takes a forge's webhooks, when it is set up.
    `leave` records what leaves, before it does. `spend` takes links to credentials.
    """
    prefix = urllib.parse.urlsplit(listen.public_url).path
    asked = rates.Rates(listen.requests_per_minute, clock)
    served = serving.Serving(
        current,
        auth.Callers(known, answered or replays.Replays(), asked, listen.public_url),
        public_url=listen.public_url,
        router=routes.Router(prefix=prefix),
        note=note,
        leave=leave,
        clock=clock,
        strict_sort=listen.refuse_unknown_sort,
        json_booleans=listen.json_booleans,
    )
    issuing = tokens.Tokens(
        current, known, asked, rates.Rates(tokens.FAILURES_PER_MINUTE, clock), note
    )
    guard = _guard(listening.Peers(listen.trusted_proxies))
    app = web.Application(client_max_size=tokens.LONGEST_BODY)
    token = guard(issuing.answer)
    for path in tokens.PATHS:
        for below in {path, prefix + path}:
            app.router.add_route("*", below, token)
            app.router.add_route("*", below + "/", token)
    for path, handler in _set_up(hook, spend, listen, clock):
        for below in {path, prefix + path}:
            app.router.add_route("*", below, guard(handler))
    found = discovery.Discovery(listen.public_url, listen.public_url + tokens.PATHS[0])
    described = guard(found.answer)
    for path in found.paths:
        for below in {path, prefix + path}:
            app.router.add_route("*", below, described)
            app.router.add_route("*", below + "/", described)
    answer = guard(served.answer)
    app.router.add_route("*", r"/{path:[\s\S]*}", answer)  # an escaped line feed is no end of it
    collections = [each for each in routes.ROUTES if not each.single and not each.parents]
    direct = {below + each.url: answer for each in collections for below in {"", prefix}}
    direct["*"] = answer  # the one target that is no path, and that no router finds
    app[_DIRECT] = direct

    async def following(_app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(served.follow(), name="vendors: follow the world")
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    app.cleanup_ctx.append(following)
    return app


def _set_up(
    hook: hooks.Hooks | None,
    spend: revealing.Spend | None,
    listen: settings.Listen,
    clock: Callable[[], float],
) -> Iterator[tuple[str, _Handler]]:
    """What is there besides, when it is set up: path and handler."""
    if hook is not None:
        yield hooks.PATH, hook.answer
    if spend is not None:
        yield revealing.PATH, revealing.Revealing(spend, listen.public_url, clock).answer


class _Runner(web.AppRunner):
    """Takes requests for what the application answers directly past its router, and tells what is
    no request in our own words.
    """

    async def setup(self) -> None:
        await super().setup()
        server = self.server
        if server is None:
            return
        server.__class__ = _Server  # there is no other way to choose the protocol of an application
        if _DIRECT in self.app:
            handler = _directly(self.app[_DIRECT], server.request_handler)
            server.request_handler = cast("Any", handler)  # it only gets what applications get


class _Server(web.Server):
    """Gives each connection our protocol."""

    def __call__(self) -> web.RequestHandler:
        protocol = super().__call__()
        protocol.__class__ = _Protocol
        return protocol


class _Protocol(web.RequestHandler):
    """The library's answer to what is no HTTP repeats what came, which may hold a token or a
    pupil's name, and ends up in other people's logs.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The response, which is the last on its connection."""
        super().handle_error(request, status, exc, message)  # logs it, and knows when not to answer
        failed = status == HTTPStatus.INTERNAL_SERVER_ERROR
        code, words = ("failed", "the server failed") if failed else ("invalid_data", _NO_REQUEST)
        response = serving.refusal("1.2", problems.Refused(status, code, words))
        response.force_close()
        return response


_NO_REQUEST: Final = (
    "this is no HTTP request: a URL is percent-encoded, a header has a name and a value, and both"
    " have bounds"
)


def _directly(direct: Mapping[str, _Handler], others: Any) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        handler = direct.get(path)
        if handler is None and "/" not in path.partition("://")[2] and not path.startswith("/"):
            handler = direct["*"]  # a host without a path, which the router does not find either
        if handler is None or hdrs.EXPECT in request.headers:
            handler = others
        return await handler(request)

    return handle


def runner(app: web.Application) -> web.AppRunner:
    """How every listener runs: our own access log, limits that are chosen and not inherited, and
    the interpreter given back soon by whoever else computes in this process.
    """
    sys.setswitchinterval(TURN)
    return _Runner(
        app,
        handle_signals=False,
        access_log=None,
        logger=_http_log(),
        keepalive_timeout=KEEP_ALIVE,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_HEADER,
    )


def _guard(peers: listening.Peers) -> Callable[[_Handler], _Handler]:
    """Refuses whoever is no trusted proxy, when there are any."""

    def guarded(handler: _Handler) -> _Handler:
        if peers.open:
            return handler

        async def checked(request: web.Request) -> web.StreamResponse:
            if not peers.allowed(request.remote):
                refused = problems.Refused(403, "forbidden", "only the proxies are answered here")
                return serving.refusal("1.2", refused)
            return await handler(request)

        return checked

    return guarded


def _http_log() -> logging.Logger:
    """For what is no HTTP at all. The library would log the bytes that came, which may hold a
    token or a pupil's name; the class of the error has to do.
    """
    log = logging.getLogger("rosterd.http")
    if not log.filters:
        log.addFilter(_terse)
    return log


def _terse(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args = "bad request: %s", (record.exc_info[0].__name__,)
        record.exc_info = record.exc_text = None
    return True
