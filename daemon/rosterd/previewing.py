"""What a change would mean for the roster that is served, without proposing it.

Pull requests and operators ask for plans of documents that may never be accepted. They are looked
at beside the world that is served, and nothing of them stays: no view is kept, no world is made.
Views are computed on the event loop, where the roster is in use, one at a time with requests going
on in between; and only those of applications whose documents say something else than before.

A plan counts what a condition picks, so it answers guesses about people. Whoever may ask is
therefore few, asks rarely, and is on record.
"""

import asyncio
import collections
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rosterd import access, configs, documents, errors, loading, plans, rosters, worlds
from rosterd.plans import diffing, rendering
from rosterd.plans.rendering import markdown

MINUTE: Final = 60.0
PER_MINUTE: Final = 12
"""Plans that one person may ask for in a minute."""

Noted = Callable[[str, str, Mapping[str, str]], Awaitable[None]]
"""Puts on record that (who) was shown a plan against (commit), with what (details)."""


async def plan(world: worlds.World, config: configs.Config) -> plans.Plan:
    """The plan from the config of `world` to `config`, on the roster of `world`.

    It compares what documents say: holds and blocks of single applications are not looked at.
    """
    if world.generation is None:
        return plans.make(world.config, config)
    roster, before = world.generation.roster, world.config.grants if world.config else {}
    former: dict[str, access.View] = {}
    views: dict[str, access.View] = {}
    for name in sorted(before.keys() | config.grants.keys()):
        was, is_ = before.get(name), config.grants.get(name)
        if was == is_:
            continue  # equal documents see equal parts, so there is nothing to compare
        if was is not None:
            former[name] = _served(world, roster, name)
            await asyncio.sleep(0)
        if is_ is not None:
            views[name] = access.view(roster, is_, world.today)
            await asyncio.sleep(0)
    return plans.make(world.config, config, former, views)


def _served(world: worlds.World, roster: rosters.Roster, name: str) -> access.View:
    """The view of what is applied. The world has made it already, unless the application is held
    back from what is applied.
    """
    if world.config is None:
        raise LookupError("cannot make a view before there is a config")
    made, grant = world.view(name), world.config.grant(name)
    if made.roster is roster and made.grant == grant and made.today == world.today:
        return made
    return access.view(roster, grant, world.today)


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody is shown: the plan, what it was made against, and warnings of the documents."""

    plan: plans.Plan
    commit: str | None
    generation: int | None
    problems: tuple[errors.Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """The plan in all its forms; small counts of people are told in none."""
        return {
            "commit": self.commit,
            "generation": self.generation,
            "digest": self.plan.digest,
            "plan": plans.as_json(self.plan),
            "text": rendering.text(self.plan),
            "markdown": markdown.page(self.plan),
            "warnings": [str(problem) for problem in self.problems],
        }


@dataclass(frozen=True, slots=True)
class Share:
    """What one permission would share, and warnings of it."""

    application: str
    view: access.View
    problems: tuple[errors.Problem, ...]


class Previews:
    """Plans for operators: one at a time, a few in a minute, each on record."""

    def __init__(
        self,
        served: worlds.Worlds,
        noted: Noted,
        people: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`people` is the number of the review rule; `clock` gives seconds."""
        self._worlds = served
        self._noted = noted
        self._people = people
        self._clock = clock
        self._asked: dict[str, collections.deque[float]] = {}
        self._turn = asyncio.Lock()

    async def show(self, files: Mapping[str, bytes], who: str) -> Shown:
        """The plan from what is served to what `files` (path → content) say.

        Raises errors.InputError with every problem of the documents, errors.TemporaryError when
        `who` has asked for too many.
        """
        self._count(who)
        async with self._turn:
            config, problems = await asyncio.to_thread(check, files)
            if config is None:
                raise errors.InputError("the documents have problems", problems)
            world = self._worlds.current
            made = plans.under_rule(await plan(world, config), self._people)
            commit = world.commit or "nothing"
            await self._noted(who, commit, {"plan": made.digest})
        number = world.generation.number if world.generation is not None else None
        return Shown(made, world.commit, number, problems)

    async def share(self, text: bytes, who: str) -> Share:
        """What the permission of this YAML would share of the roster that is served.

        Raises errors.InputError with every problem of it, errors.TemporaryError when `who` has
        asked for too many, or there is no roster yet.
        """
        self._count(who)
        async with self._turn:
            world = self._worlds.current
            if world.config is None or world.generation is None:
                raise errors.TemporaryError("cannot preview before something is served")
            grant, problems = await asyncio.to_thread(tried, world.config, text)
            await self._noted(who, world.commit or "nothing", {"plan": _digest(grant)})
            apart = world.generation.roster.apart()  # what a roster remembers is of one thread
            view = await asyncio.to_thread(access.view, apart, grant, world.today)
        return Share(grant.application.name, view, problems)

    def _count(self, who: str) -> None:
        now = self._clock()
        times = self._asked.setdefault(who, collections.deque())
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= PER_MINUTE:
            wait = int(times[0] + MINUTE - now) + 1
            raise errors.TemporaryError(
                f"cannot make more than {PER_MINUTE} plans a minute for one person: wait {wait} s"
            )
        times.append(now)


def check(files: Mapping[str, bytes]) -> tuple[configs.Config | None, tuple[errors.Problem, ...]]:
    """The config that these files are, None when their documents have errors; and all problems."""
    return configs.check(loading.load(files))


# ---------------------------------------------------------------- one permission


def tried(config: configs.Config, text: bytes) -> tuple[configs.Grant, tuple[errors.Problem, ...]]:
    """The grant that a permission would be beside what is accepted, and warnings of it.

    Its application is taken for enabled, and for one with REST when nobody knows it: the question is
    what the permission shares. Raises errors.InputError with every problem of it.
    """
    permission = _permission(text)
    name, path = permission.application, documents.path_of("Permission", permission.name)
    known = config.applications.get(name)
    application = documents.Application(
        name=name,
        title=known.title if known is not None else name,
        listing=known.listing if known is not None else None,
        enabled=True,
        rest=known.rest if known is not None else documents.Rest(),
    )
    listing = config.listings.get(application.listing or "")
    repository = documents.Repository(
        name=config.repository.name,
        title=config.repository.title,
        timezone=config.repository.timezone,
        exclude=config.repository.exclude,
    )
    beside: list[documents.AnyDocument] = [application, repository]
    if listing is not None:
        beside.append(listing)
    files = {documents.path_of(each.kind, each.name): _written(each) for each in beside}
    made, problems = configs.check(loading.load({**files, path: text}))
    own = tuple(each for each in problems if each.path == path)
    if made is None:
        raise errors.InputError("the permission has problems", own or problems)
    return made.grant(name), own


def _digest(grant: configs.Grant) -> str:
    """Names what was tried. Conditions are no part of it: whoever reads the record could guess the
    name that one compares with until the digest is right.
    """
    told = {} if grant.permission is None else diffing.told(grant.permission)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _permission(text: bytes) -> documents.Permission:
    """Read where it would stand: it says its name itself."""
    path = "permissions/permission.yaml"
    named = re.search(rb"^name:[ \t]*[\"']?([a-z0-9][a-z0-9-]*)", text, re.MULTILINE)
    if named is not None:
        path = documents.path_of("Permission", named.group(1).decode())
    loaded = loading.load({path: text})
    for located in loaded.documents:
        if isinstance(located.document, documents.Permission):
            return located.document
    raise errors.InputError("the permission has problems", loaded.problems)


def _written(document: documents.AnyDocument) -> bytes:
    """JSON is YAML too."""
    said = {"apiVersion": "rosterd/v1", "kind": document.kind, **documents.plain(document)}
    told = {name: value for name, value in said.items() if value is not None}
    return json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
