"""One moment of what is served: a config, a generation, and who is kept back from them.

Most applications are served what the accepted config says of the newest roster. One whose change
is held is served from the former world it was in, one that is stopped gets nothing. Whatever is
asked of a World about an application goes through `of`, so nobody who serves, exports or counts can
forget about that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar

from rosterd import access, configs, holdings, pictures
from rosterd.oneroster import rendering
from rosterd.worlds import paging

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Hold:
    """An application that is served from a former world, because a change of what it sees waits.

    `stopped` says why it is not even served from there; empty while it is. `former` is its name in
    the documents of that world's commit. `lost` is the number of the kept generation when that could
    not be opened again.
    """

    kept: "World"
    since: datetime
    former: str
    stopped: str = ""
    lost: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """An application that was stopped on this machine, without a commit."""

    reason: str
    actor: str
    time: datetime


BLOCKED = "it is blocked on the machine that serves it"
"""What the vendor is told; the reason that somebody gave is for operators."""


@dataclass(frozen=True, eq=False)
class World:
    """(config, generation) at one moment; either may be missing before there is a first one.

    `published` maps the number of each generation to the moment it began to be served, which is
    what dateLastModified says, unless the record came to an application later: `held` has what each of them
    holds. `today` is the date in the repository's timezone: grants and dates are judged by it, and
    a new day is a new World. `holds` and `blocks` name the applications for which all this is not
    what is served, `ended` those (and why) whose last day is over although the new one cannot be
    kept yet.
    """

    config: configs.Config | None = None
    commit: str | None = None
    generation: paging.Pages | None = None
    published: Mapping[int, datetime] = field(default_factory=dict)
    today: date = date.min
    held: Mapping[str, holdings.Holding] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    ended: Mapping[str, str] = field(default_factory=dict)
    _views: dict[str, access.View] = field(default_factory=dict)
    _grants: dict[str, configs.Grant] = field(default_factory=dict)
    _refused: dict[str, access.View] = field(default_factory=dict)
    _dated: dict[str, holdings.Dated] = field(default_factory=dict)
    _pictures: dict[tuple[str, str], pictures.Picture] = field(default_factory=dict)
    _pagers: dict[tuple[str, str, str], paging.Pager] = field(default_factory=dict)
    _rendered: pictures.Rendered = field(default_factory=pictures.Rendered)

    @property
    def ready(self) -> bool:
        """Whether there is both an accepted config and a roster."""
        return self.config is not None and self.generation is not None

    # ------------------------------------------------------------ who is kept back

    @property
    def kept(self) -> Mapping[str, "World"]:
        """Application -> the former world that it is served from."""
        return {name: hold.kept for name, hold in self.holds.items()}

    @property
    def stopped(self) -> Mapping[str, str]:
        """Application -> why it is refused, whatever its documents say."""
        found = {name: self.stop(name) for name in (*self.holds, *self.blocks, *self.ended)}
        return {name: words for name, words in found.items() if words is not None}

    def stop(self, application: str) -> str | None:
        """Why the application is refused whatever its documents say, or None."""
        if application in self.blocks:
            return BLOCKED
        if application in self.ended:
            return self.ended[application]
        hold = self.holds.get(application)
        return None if hold is None else hold.stopped or None

    def of(self, application: str) -> "World":
        """The world that the application is served from: this one, unless its change is held."""
        hold = self.holds.get(application)
        return self if hold is None else hold.kept

    def newest(self, application: str) -> access.View:
        """The view by this config and this roster, whether it is served or held."""
        view = self._views.get(application)
        if view is None:
            if self.config is None or self.generation is None:
                raise LookupError("cannot make a view before there are a config and a roster")
            grant = self.config.grant(application)
            view = access.view(self.generation.roster, grant, self.today)
            self._views[application] = view
        return view

    def unstopped(self, application: str) -> access.View | None:
        """What it sees, or would see if nobody had stopped it; None where nobody can say."""
        source = self.of(application)
        if source.config is None or application not in source.config.applications:
            return None
        return None if source.generation is None else source.newest(application)

    def derived(self, **changes: Any) -> "World":
        """The same config, generation and day with something else about it; the views stay."""
        return replace(
            self,
            **changes,
            _grants={},
            _refused={},
            _dated={},
            _pictures={},
            _pagers={},
            _rendered=pictures.Rendered(),
        )

    def alone(self, application: str) -> "World":
        """What this world serves to one application, to be kept for it."""
        source = self.of(application)
        if source is not self:
            return source
        held = {name: each for name, each in self.held.items() if name == application}
        views = {name: each for name, each in self._views.items() if name == application}
        return self.derived(held=held, holds={}, blocks={}, _views=views)

    def renamed(self, names: Mapping[str, str]) -> "World":
        """The same under the new names of its applications."""
        if self.config is None or not names:
            return self

        def under(found: Mapping[str, _T]) -> dict[str, _T]:
            return {names.get(name, name): each for name, each in found.items()}

        holds = {
            name: replace(hold, kept=hold.kept.renamed(names)) for name, hold in self.holds.items()
        }
        return self.derived(
            config=configs.renamed(self.config, names),
            held=under(self.held),
            holds=under(holds),
            blocks=under(self.blocks),
            _views=under(self._views),
        )

    # ------------------------------------------------------------ what is served

    def grant(self, application: str) -> configs.Grant | None:
        """What is granted now, or None for an application that the accepted config does not know."""
        if self.config is None or application not in self.config.applications:
            return None
        grant = self._grants.get(application)
        if grant is None:
            grant = self._grants[application] = self._granted(self.config, application)
        return grant

    def _granted(self, config: configs.Config, application: str) -> configs.Grant:
        grant, source = config.grant(application), self.of(application)
        if source is not self and source.config is not None:
            # A hold keeps what the application sees. What it may do to see it is said by the
            # newest document, as far as that says less.
            grant = configs.bounded(source.config.grant(application), grant.application.rest)
        stopped = self.stop(application)
        return grant if stopped is None else replace(grant, stopped=stopped)

    def view(self, application: str) -> access.View:
        """What the application may see; computed when first asked for, then kept."""
        if self.stop(application) is None:
            return self.of(application).newest(application)
        view = self._refused.get(application)
        if view is None:
            if self.config is None or self.generation is None:
                raise LookupError("cannot make a view before there are a config and a roster")
            grant = self._granted(self.config, application)
            view = access.view(self.generation.roster, grant, self.today)
            self._refused[application] = view
        return view

    def warm(self) -> None:
        """Make every view now, so that nobody's first request waits for it.

        On another thread only while nobody else has this roster: what a roster remembers is not
        shared between threads.
        """
        if self.config is not None and self.generation is not None:
            for application in self.config.applications:
                self.newest(application)

    def picture(self, application: str, version: str) -> pictures.Picture:
        """The view as records of one OneRoster version."""
        if (source := self._source(application)) is not self:
            return source.picture(application, version)
        picture = self._pictures.get((application, version))
        if picture is None:
            picture = pictures.Picture(self.view(application), version, self.dated(application))
            self._pictures[application, version] = picture
        return picture

    def pager(self, application: str, version: str, collection: str) -> paging.Pager:
        """What puts the pages of a collection together."""
        found = self._pagers.get((application, version, collection))
        if found is not None:
            return found
        if (source := self._source(application)) is not self:
            made = source.pager(application, version, collection)
        elif self.generation is None:
            raise LookupError("cannot make a page before there is a roster")
        else:
            made = paging.Pager(
                self.generation,
                self.picture(application, version),
                self.dated(application),
                self.published,
                application=application,
                collection=collection,
                rendered=self._rendered,
            )
        self._pagers[application, version, collection] = made
        return made

    def page(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> rendering.Records:
        """The rows' records; hrefs still begin with rendering's markers."""
        return self.pager(application, version, collection).records(rows)

    def dated(self, application: str) -> holdings.Dated:
        """Since when the application has what it has, and what it had before."""
        if (source := self._source(application)) is not self:
            return source.dated(application)
        dated = self._dated.get(application)
        if dated is None:
            if self.generation is None:
                raise LookupError("cannot date records before there is a roster")
            rows, holding = self.view(application).rows, self.held.get(application)
            dated = holdings.Dated(holding, rows, self.published, self.generation.by_change)
            self._dated[application] = dated
        return dated

    def _source(self, application: str) -> "World":
        """Where records come from: to whom is stopped there is nothing to bring from elsewhere."""
        return self.of(application) if self.stop(application) is None else self

    def revision(self, application: str) -> str:
        """Names what the application is served; equal revisions mean equal answers."""
        holding = self.held.get(application)
        return str(holding.revision) if holding is not None else "0"
