"""One moment of what is served: a config, a generation, and who is kept back from them.

Most applications are served what the accepted config says of the newest roster. One whose change
is held is served from the former world it was in, one that is stopped gets nothing. Whatever is
asked of a World about an application goes through `of`, so nobody who serves, exports or counts can
forget about that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Protocol, TypeVar

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import access, configs, holdings, pictures, rosters
from rosterd.oneroster import rendering

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_T = TypeVar("_T")


class Pages(Protocol):
    """A generation, as far as serving needs it."""

    @property
    def number(self) -> int:
        """Counts up with each generation built."""
        ...

    @property
    def roster(self) -> rosters.Roster:
        """The records' relations and leaves."""
        ...

    def fragments(
        self, collection: str, rows: Sequence[int], version: str
    ) -> Sequence[rendering.Part]:
        """Stored JSON of the rows, each without its opening brace and dateLastModified."""
        ...

    def changed(self, collection: str, row: int) -> int:
        """Number of the generation in which the row's record last changed."""
        ...

    def changes(self, collection: str, rows: Sequence[int]) -> Sequence[int]:
        """The same of many rows at once."""
        ...

    def by_change(self, collection: str) -> Mapping[int, FrozenBitMap]:
        """Number of a generation -> active rows that last changed in it."""
        ...

    def by_source(self, collection: str, rows: AbstractBitMap) -> Mapping[str, AbstractBitMap]:
        """Name of a source -> those of the rows that it brought."""
        ...


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
    what is served.
    """

    config: configs.Config | None = None
    commit: str | None = None
    generation: Pages | None = None
    published: Mapping[int, datetime] = field(default_factory=dict)
    today: date = date.min
    held: Mapping[str, holdings.Holding] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    _views: dict[str, access.View] = field(default_factory=dict)
    _grants: dict[str, configs.Grant] = field(default_factory=dict)
    _refused: dict[str, access.View] = field(default_factory=dict)
    _dated: dict[str, holdings.Dated] = field(default_factory=dict)
    _pictures: dict[tuple[str, str], pictures.Picture] = field(default_factory=dict)
    _openings: dict[int, bytes] = field(default_factory=dict)
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
        found = {name: self.stop(name) for name in (*self.holds, *self.blocks)}
        return {name: words for name, words in found.items() if words is not None}

    def stop(self, application: str) -> str | None:
        """Why the application is refused whatever its documents say, or None."""
        if application in self.blocks:
            return BLOCKED
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
            _openings={},
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

    def page(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> rendering.Records:
        """The rows' records; hrefs still begin with rendering's markers."""
        if (source := self._source(application)) is not self:
            return source.page(application, version, collection, rows)
        dated, asked = self.dated(application), BitMap(rows)
        if (gone := dated.gone(collection)) and gone.intersect(asked):
            parts = self._with_gone(application, version, collection, rows)
        else:
            opening, others = dated.usual(collection)
            if rows and not (others and others.intersect(asked)):
                parts = self._fragments(application, version, collection, rows)
                parts[0] = opening[1:] + parts[0]
                return rendering.Records(parts, opening)
            parts = self._records(application, version, collection, rows)
        if parts:
            parts[0] = parts[0][1:]  # no comma before the first
        return rendering.Records(parts)

    def _records(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """For each row a comma with its date, and its fragment."""
        begun = self._begun(application, collection, rows)
        fragments = self._fragments(application, version, collection, rows)
        return [part for pair in zip(begun, fragments, strict=True) for part in pair]

    def _fragments(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """The fragment of each row, as this application gets it."""
        generation, picture = self._served(), self.picture(application, version)
        plain = picture.plain(collection)
        if len(plain) == len(picture.view.rows[collection]):
            return [*generation.fragments(collection, rows, version)]
        return self._mixed(generation, picture, application, collection, rows)

    def _served(self) -> Pages:
        if self.generation is None:
            raise LookupError("cannot make a page before there is a roster")
        return self.generation

    def _mixed(
        self,
        generation: Pages,
        picture: pictures.Picture,
        application: str,
        collection: str,
        rows: Sequence[int],
    ) -> list[rendering.Part]:
        """Stored fragments as they are where they may go out so, others with members cut out of
        them, and the rest rendered again.
        """
        page = [*generation.fragments(collection, rows, picture.version)]
        others = BitMap(rows) - picture.plain(collection)
        trims = picture.trims(collection) if others else ()
        for place, row in enumerate(rows) if others else ():
            if row not in others:
                continue
            for trim, trimmed in trims:
                if row in trimmed:
                    page[place] = trim(page[place])
                    break
            else:
                page[place] = self._again(picture, application, collection, row)
        return page

    def _again(
        self, picture: pictures.Picture, application: str, collection: str, row: int
    ) -> bytes:
        """A fragment that is nowhere stored, unless somebody has asked for it before."""
        key = (application, picture.version, collection, row)
        fragment = self._rendered.get(key)
        if fragment is None:
            record = picture.record(collection, row)
            fragment = rendering.fragment(collection, record, picture.version)
            self._rendered.put(key, fragment)
        return fragment

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

    def _begun(self, application: str, collection: str, rows: Sequence[int]) -> list[bytes]:
        """How each record begins: with the date of its last change, or with the one on which it
        came to the application when that was later.
        """
        dated = self.dated(application)
        numbers = self._served().changes(collection, rows)
        openings = self._openings
        for number in {*numbers}.difference(openings):
            openings[number] = self._opening(number)
        begun = [openings[number] for number in numbers]
        if entered := dated.entered(collection):
            asked = BitMap(rows)
            for opening, found in entered:
                hit = found & asked
                for place, row in enumerate(rows) if hit else ():
                    if row in hit:
                        begun[place] = opening
        return begun

    def _with_gone(
        self, application: str, version: str, collection: str, rows: Sequence[int]
    ) -> list[rendering.Part]:
        """A page that has tombstones among its records."""
        picture, gone = self.picture(application, version), self.dated(application).gone(collection)
        records = iter(
            self._records(application, version, collection, [r for r in rows if r not in gone])
        )
        parts: list[rendering.Part] = []
        for row in rows:
            if row in gone:
                record = picture.departed.record(collection, row)
                parts.append(b"," + rendering.dated(record["dateLastModified"]))
                parts.append(rendering.fragment(collection, record, version))
            else:
                parts += (next(records), next(records))
        return parts

    def _source(self, application: str) -> "World":
        """Where records come from: to whom is stopped there is nothing to bring from elsewhere."""
        return self.of(application) if self.stop(application) is None else self

    def _opening(self, number: int) -> bytes:
        """What stands before the fragment of a record that last changed in that generation."""
        moment = holdings.timestamp(self.published.get(number, _EPOCH))
        return b"," + rendering.dated(moment)

    def revision(self, application: str) -> str:
        """Names what the application is served; equal revisions mean equal answers."""
        holding = self.held.get(application)
        return str(holding.revision) if holding is not None else "0"
