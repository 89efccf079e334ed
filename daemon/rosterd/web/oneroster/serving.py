"""One vendor's request, from its bytes to its answer.

This is the hot path, so it does as little as it can: a dictionary for the route, another for the
token, a slice of a bitmap, a join of stored bytes. One World is taken at the start and kept to the
end. There is no middleware: errors, and the line in the access log, are made right here.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

from aiohttp import web
from pyroaring import AbstractBitMap

from rosterd import credentials, errors, listings, worlds
from rosterd.oneroster import model
from rosterd.web import accesses, auth, problems
from rosterd.web.oneroster import answers, kept, packing, parameters, routes, validators, walks

_log = logging.getLogger(__name__)

METHODS: Final = "GET, HEAD, OPTIONS"
_TIDY_EVERY: Final = 60.0
"""Seconds between looks at walks that nobody goes on with."""
Note = Callable[[str, Literal["rest", "token"], str], None]
"""Called with (application, kind, status) after each request of a known application."""


class Leave(Protocol):
    """Records what leaves before it does; raises errors.TemporaryError when it cannot."""

    def __call__(
        self,
        world: worlds.World,
        application: str,
        version: str,
        collection: str,
        rows: Sequence[int],
        *,
        picked: frozenset[str] | None,
    ) -> None: ...


class Serving:
    """Answers OneRoster requests out of the World that is current when they arrive."""

    def __init__(
        self,
        current: worlds.Worlds,
        callers: auth.Callers,
        *,
        public_url: str,
        router: routes.Router,
        note: Note | None = None,
        leave: Leave | None = None,
        clock: Callable[[], float] = time.monotonic,
        strict_sort: bool = False,
        json_booleans: bool = False,
    ) -> None:
        self._worlds = current
        self._callers = callers
        self._router = router
        self._writer = answers.Writer(public_url, json_booleans=json_booleans)
        self._validators = validators.Validators(public_url, json_booleans=json_booleans)
        self._note = note
        self._leave = leave
        self._strict_sort = strict_sort
        self._walks = walks.Walks(clock)
        self._world = current.current
        self._forget()

    def _forget(self) -> None:
        self._kept = kept.Kept()
        self._standings: dict[str, auth.Standing] = {}
        self._revisions: dict[str, str] = {}

    async def follow(self) -> None:
        """Let go of the former World as soon as another is served: it holds a whole roster."""
        while True:
            try:
                async with asyncio.timeout(_TIDY_EVERY):
                    world = await self._worlds.wait(self._world)
            except TimeoutError:
                self._walks.tidy()
            else:
                if world is not self._world:  # a request may have come first
                    self._take(world)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The response to any request below the server's root."""
        started = time.perf_counter()
        path, _, query = request.raw_path.partition("?")
        found = self._router.find(path)
        access: credentials.Access | None = None
        rows = 0
        try:
            if found is None and path == "*" and request.method == "OPTIONS":
                response = other_method(request.method)
            elif found is None:
                raise problems.Refused(404, "unknown_object", "there is no such endpoint")
            elif request.method not in ("GET", "HEAD"):
                response = other_method(request.method)
            elif self._worlds.current.config is None:
                # Nobody has a token before the first accepted commit: a 401 would blame the vendor.
                raise problems.not_ready()
            else:
                form = await auth.signed_form(request) if request.body_exists else ""
                access = self._callers.caller(request, found.route.version, form)
                self._callers.admit(access)
                page = self._page(access, found, query, request)
                rows = page.rows
                response = await respond(page, request)
        except problems.Refused as refused:
            response = refusal(self._version(found, path), refused)
        except Exception as error:  # noqa: BLE001 - a request never ends the server, nor shows why
            response = failure(self._version(found, path), error, _operation(found))
        generation = self._world.generation
        accesses.request(
            method=request.method,
            operation=_operation(found),
            version=found.route.version if found is not None else "-",
            application=access.application if access is not None else "-",
            status=response.status,
            rows=rows,
            size=len(response.body) if isinstance(response.body, bytes) else 0,
            started=started,
            generation=generation.number if generation is not None else None,
        )
        if self._note is not None and access is not None:
            self._note(access.application, "rest", str(response.status))
        return response

    def _page(
        self, access: credentials.Access, found: routes.Found, raw: str, request: web.BaseRequest
    ) -> answers.Page:
        world = self._worlds.current
        if world is not self._world:
            self._take(world)
        application, route = access.application, found.route
        standing = self._standings.get(application)
        if standing is None:
            if world.config is None:
                raise problems.not_ready()
            standing = self._standings[application] = auth.standing(world, application)
        auth.permit(access, standing, route.scopes)
        if world.generation is None:
            raise problems.not_ready()
        query = parameters.read(raw, route)
        if query.unsorted and self._strict_sort and route.version == "1.2":
            raise problems.unsorted(route.service)
        total = 0
        rows: Sequence[int]
        if route.single:
            rows = [self._row(world, application, route, route.listing.name, found.ids[-1])]
        else:
            world, listing = self._walked(world, application, found, query)
            total = listing.total
            rows = listing.page(query.offset, query.limit) if query.offset < total else []
        revision = self._revision(world, application)
        tag = self._validators.tag(application, revision, request.raw_path)
        held = request.headers.get("If-None-Match")
        if held is not None and validators.matches(held, tag):
            return answers.unchanged(revision, tag)
        collection = route.listing.collection
        records = world.page(application, route.version, collection, rows)
        if self._leave is not None and request.method != "HEAD":
            fields = query.fields
            self._leave(world, application, route.version, collection, rows, picked=fields)
        if route.single:
            return self._writer.single(route, query, records, revision=revision, tag=tag)
        return self._writer.collection(
            found, query, records, count=len(rows), total=total, revision=revision, tag=tag
        )

    def _walked(
        self,
        world: worlds.World,
        application: str,
        found: routes.Found,
        query: parameters.Query,
    ) -> tuple[worlds.World, listings.Listing]:
        """The listing that a page is cut from, with the World that its records come from."""
        walk = (found.route.version, found.route.path, found.ids, query.text)
        if query.offset:
            begun = self._walks.following(application, walk)
            if begun is not None:
                return begun.world, begun.listing
        listing = self._listing(world, application, found, query)
        if not query.offset:
            if listing.total < query.limit:  # that was all of it: nobody asks for more
                self._walks.end(application, walk)
            else:
                self._walks.begin(application, walk, world, listing)
        return world, listing

    def _row(
        self,
        world: worlds.World,
        application: str,
        route: routes.Route,
        name: str,
        sourced_id: str,
    ) -> int:
        """The row of an id that a path names. An id that nobody has and one that this application
        does not see end in one and the same line.
        """
        picture = world.picture(application, route.version)
        listing = model.LISTINGS[name]
        row = picture.view.roster.row(listing.collection, sourced_id)
        if row is not None and row in picture.rows(name):
            return row
        if route.single and row is not None and row in picture.departed.rows(name):
            return row  # its tombstone; as a parent it is gone
        also = routes.ALSO.get(name)
        if row is not None and also is not None and row in also(picture):
            return row
        raise problems.unknown(listing.single)

    def _listing(
        self,
        world: worlds.World,
        application: str,
        found: routes.Found,
        query: parameters.Query,
    ) -> listings.Listing:
        route = found.route
        parents = [
            self._row(world, application, route, name, sourced_id)
            for name, sourced_id in zip(route.parents, found.ids, strict=True)
        ]

        def make() -> listings.Listing:
            picture = world.picture(application, route.version)
            within: AbstractBitMap | None = None
            if route.within is not None:
                within = route.within(picture, tuple(parents))
            return listings.make(
                picture,
                route.listing.name,
                within=within,
                where=query.where,
                sort=query.sort,
                descending=query.descending,
            )

        return self._kept.get((application, route.version, route.path, *parents, query.text), make)

    def _revision(self, world: worlds.World, application: str) -> str:
        if world is not self._world:  # of a walk
            return world.revision(application)
        revision = self._revisions.get(application)
        if revision is None:
            revision = self._revisions[application] = world.revision(application)
        return revision

    def _take(self, world: worlds.World) -> None:
        self._world = world
        self._forget()
        self._walks.turn(world)

    def _version(self, found: routes.Found | None, path: str) -> str:
        return found.route.version if found is not None else self._router.version(path)


def _operation(found: routes.Found | None) -> str:
    return found.route.operation if found is not None else "-"


async def respond(page: answers.Page, request: web.BaseRequest) -> web.Response:
    """The response that sends a page, compressed when the client takes it so."""
    body = page.body
    if len(body) >= packing.LEAST and packing.accepted(request.headers.get("Accept-Encoding", "")):
        body = await packing.packed(body)
        page.headers["Content-Encoding"] = "gzip"
    return web.Response(status=page.status, body=body, headers=page.headers)


def other_method(method: str) -> web.Response:
    """The response to what is neither GET nor HEAD; raises problems.Refused with 405."""
    if method == "OPTIONS":
        return web.Response(status=204, headers={"Allow": METHODS, "Server": answers.SERVER})
    raise problems.Refused(
        405, "unsupported", f"only these methods are answered here: {METHODS}", {"Allow": METHODS}
    )


def refusal(version: str, refused: problems.Refused) -> web.Response:
    """The response that tells a refusal."""
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Server": answers.SERVER,
        **refused.headers,
    }
    return web.Response(
        status=refused.status, body=problems.body(version, refused), headers=headers
    )


def failure(version: str, error: Exception, operation: str) -> web.Response:
    """The response to what nobody foresaw, or to what may work later."""
    if isinstance(error, errors.TemporaryError | TimeoutError):
        pause = getattr(error, "retry_after", None) or 5
        busy = problems.Refused(
            503, "busy", "try again in a moment", {"Retry-After": str(int(pause))}
        )
        return refusal(version, busy)
    log_failure(error, operation)
    failed = problems.Refused(500, "failed", "the server failed; the fault is in its log")
    return refusal(version, failed)


def log_failure(error: Exception, operation: str) -> None:
    """Log the class of an error and the place in our code, and no more: its text may hold what was
    asked, or what was read.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/rosterd/" in frame.filename] or frames
    _log.error(
        "request failed operation=%s error=%s at=%s:%s in=%s",
        operation,
        type(error).__name__,
        ours[-1].filename.rpartition("/")[2],
        ours[-1].lineno,
        ours[-1].name,
    )
