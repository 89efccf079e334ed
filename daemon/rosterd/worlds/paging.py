"""Records as one application gets them, put together from what a generation has stored.

Most pages are of neighbours that this application may have as they are stored and that changed at
one and the same time. These are one piece of a file, and whatever else is looked at here is looked
at once for a whole page: a look at each of its hundred records costs more than all the rest.
"""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import holdings, pictures, rosters
from rosterd.oneroster import rendering

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE = FrozenBitMap()
_MOSTLY = 3
"""Of so many rows at most one may be odd for the others to be taken in pieces."""


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

    def stretches(self, collection: str, rows: range, version: str) -> Sequence[rendering.Part]:
        """The same of neighbours, with rendering.NEXT_BYTE between those that lie in one piece."""
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


class Pager:
    """Pages of one collection, in one version, for one application in one World."""

    def __init__(
        self,
        generation: Pages,
        picture: pictures.Picture,
        dated: holdings.Dated,
        published: Mapping[int, datetime],
        *,
        application: str,
        collection: str,
        rendered: pictures.Rendered,
    ) -> None:
        """`rendered` keeps what had to be rendered again; its owner shares it among pagers."""
        self._generation = generation
        self._picture = picture
        self._application = application
        self._collection = collection
        self._published = published
        self._rendered = rendered
        self._openings: dict[int, bytes] = {}
        self._gone = dated.gone(collection)
        self._entered = dated.entered(collection)
        self._opening, self._others = dated.usual(collection)
        self._plain = picture.plain(collection)
        self._changed = FrozenBitMap(picture.view.rows[collection] - self._plain)
        """Rows that do not go out as they are stored."""
        self._odd = self._changed | self._others
        """Those, and rows that begin otherwise than most."""

    def records(self, rows: Sequence[int]) -> rendering.Records:
        """The rows' records; hrefs still begin with rendering's markers."""
        if isinstance(rows, range) and rows and not self._some_gone(rows):
            odd = self._odd.range_cardinality(rows.start, rows.stop) if self._odd else 0
            if odd * _MOSTLY < len(rows):
                return self._neighbours(rows, odd=odd > 0)
        asked = BitMap(rows) if self._gone or self._others else _NONE
        if self._gone and self._gone.intersect(asked):
            parts = self._with_gone(rows)
        elif rows and not (self._others and self._others.intersect(asked)):
            parts = self._fragments(rows)
            parts[0] = self._opening[1:] + parts[0]
            return rendering.Records(parts, self._opening)
        else:
            parts = self._records(rows)
        if parts:
            parts[0] = parts[0][1:]  # no comma before the first
        return rendering.Records(parts)

    def _some_gone(self, rows: range) -> bool:
        return bool(self._gone and self._gone.range_cardinality(rows.start, rows.stop))

    def _neighbours(self, rows: range, *, odd: bool) -> rendering.Records:
        """Neighbours of which few or none are odd."""
        begin = rows.start
        parts: list[rendering.Part] = []
        if odd:
            found = [*itertools.takewhile(rows[-1].__ge__, self._odd.iter_equal_or_larger(begin))]
            pairs = zip(self._begun(found), self._fragments(found), strict=True)
            for row, (begun, fragment) in zip(found, pairs, strict=True):
                self._usual(range(begin, row), parts)
                parts += (begun, fragment)
                begin = row + 1
        self._usual(range(begin, rows.stop), parts)
        parts[0] = parts[0][1:]  # no comma before the first
        return rendering.Records(parts, following=self._opening)

    def _usual(self, rows: range, parts: list[rendering.Part]) -> None:
        """Add the parts of neighbours that all begin as most records do."""
        if rows:
            version = self._picture.version
            for stretch in self._generation.stretches(self._collection, rows, version):
                parts += (self._opening, stretch)

    def _records(self, rows: Sequence[int]) -> list[rendering.Part]:
        """For each row a comma with its date, and its fragment."""
        pairs = zip(self._begun(rows), self._fragments(rows), strict=True)
        return [part for pair in pairs for part in pair]

    def _fragments(self, rows: Sequence[int]) -> list[rendering.Part]:
        """Stored fragments as they are where they may go out so, others with members cut out of
        them, and the rest rendered again.
        """
        collection = self._collection
        page = [*self._generation.fragments(collection, rows, self._picture.version)]
        others = BitMap(rows) - self._plain if self._changed else BitMap()
        if not others:
            return page
        places = {row: place for place, row in enumerate(rows)}
        for trim, trimmed in self._picture.trims(collection):
            found = others & trimmed
            for place in map(places.__getitem__, found):
                page[place] = trim(page[place])
            others -= found
        for row in others:
            page[places[row]] = self._again(row)
        return page

    def _again(self, row: int) -> bytes:
        """A fragment that is nowhere stored, unless somebody has asked for it before."""
        key = (self._application, self._picture.version, self._collection, row)
        fragment = self._rendered.get(key)
        if fragment is None:
            record = self._picture.canonical(self._collection, row)  # rendering knows the version
            fragment = rendering.fragment(self._collection, record, self._picture.version)
            self._rendered.put(key, fragment)
        return fragment

    def _begun(self, rows: Sequence[int]) -> list[bytes]:
        """How each record begins: with the date of its last change, or with the one on which it
        came to the application when that was later.
        """
        numbers = self._generation.changes(self._collection, rows)
        openings = self._openings
        for number in {*numbers}.difference(openings):
            moment = holdings.timestamp(self._published.get(number, _EPOCH))
            openings[number] = b"," + rendering.dated(moment)
        begun = [openings[number] for number in numbers]
        if self._entered:
            asked = BitMap(rows)
            for opening, found in self._entered:
                hit = found & asked
                for place, row in enumerate(rows) if hit else ():
                    if row in hit:
                        begun[place] = opening
        return begun

    def _with_gone(self, rows: Sequence[int]) -> list[rendering.Part]:
        """A page that has tombstones among its records."""
        departed, gone = self._picture.departed, self._gone
        records = iter(self._records([row for row in rows if row not in gone]))
        parts: list[rendering.Part] = []
        for row in rows:
            if row in gone:
                record = departed.record(self._collection, row)
                parts.append(b"," + rendering.dated(record["dateLastModified"]))
                version = self._picture.version
                parts.append(rendering.fragment(self._collection, record, version))
            else:
                parts += (next(records), next(records))
        return parts
