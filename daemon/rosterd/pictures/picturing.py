"""The picture itself: records, leaves and orders as one application gets them.

Most records of most views look exactly as they are stored. Which ones do not is found on bitmaps,
member by member, so that a question about one member loads only the records in which that member
differs; a full view without rules loads none at all.
"""

from array import array
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final

from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from rosterd import access, rosters
from rosterd.oneroster import filters, model, trimming, vocabularies
from rosterd.pictures import leaving, pruning, rules
from rosterd.rosters import remembering

Values = tuple[str, ...]

COLUMNS_KEPT: Final = 8  # of values that had to be made for this application
LEAVES_KEPT: Final = 64
_NEVER: Final = "\x7f"  # no record holds it, so every value is something else
_MADE_FROM: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("users", "1.1:role"): ("roles.org",),
    ("users", "1.1:orgs"): ("roles.org", "primaryOrg"),  # the primary one comes first
}
_WITH_CHILDREN: Final = frozenset({"orgs", "academicSessions"})  # stored without them
_ONE_FOR_ALL: Final = ("active",)  # a view holds active records only


class Picture:
    """A view in one version. Answers are kept, within bounds; nothing else ever changes."""

    def __init__(self, view: access.View, version: str, held: leaving.Held | None = None) -> None:
        """`held` tells dateLastModified, and what left; without it records have no dates."""
        self.view = view
        self.version = version
        self.departed = leaving.Departed(version, held)
        self._held = held
        self._rules = {name: rules.of(view.grant, name) for name in model.COLLECTIONS}
        self._plain: dict[str, FrozenBitMap] = {}
        self._trims: dict[str, tuple[tuple[trimming.Trim, FrozenBitMap], ...]] = {}
        self._uncut: dict[str, FrozenBitMap] = {}
        self._rows: dict[str, FrozenBitMap] = {}
        self._stranded: dict[tuple[str, str], BitMap] = {}
        self._leaves: dict[Hashable, FrozenBitMap] = {}
        self._columns: dict[Hashable, Mapping[int, Values]] = {}

    # ------------------------------------------------------------ records

    def record(self, collection: str, row: int) -> rosters.Record:
        """The record of a row of the view, with the members and words of this version."""
        return vocabularies.as_given(collection, self.canonical(collection, row), self.version)

    def canonical(self, collection: str, row: int) -> rosters.Record:
        """The same before any version: what is shared, in the words of its source."""
        record = self.view.roster.record(collection, row)
        if collection in _WITH_CHILDREN or row not in self.whole(collection):
            pruning.prune(self.view, collection, row, record)
        self._rules[collection].apply(record)
        return record

    def plain(self, collection: str) -> FrozenBitMap:
        """Rows whose stored fragment may go out unchanged."""
        if collection not in self._plain:
            self._plain[collection] = FrozenBitMap(self._find_plain(collection))
        return self._plain[collection]

    def _find_plain(self, collection: str) -> AbstractBitMap:
        rule = self._rules[collection]
        plain = self.whole(collection) - self._made_anew(collection)
        for member in rule.withheld:
            plain -= self._carrying(collection, member)
        return plain

    def _made_anew(self, collection: str) -> AbstractBitMap:
        """Rows in which something has to stand that is not in the stored fragment."""
        view, rule = self.view, self._rules[collection]
        if rule.password:
            return view.rows[collection]  # no column tells who has one
        made = BitMap()
        if "children" not in rule.withheld and collection in _WITH_CHILDREN:
            made |= view.roster.relation(collection, "parent").gather(view.rows[collection])
        members = {*rule.masks, *(f"metadata.{key}" for key in rule.keys)}
        if rule.vendor is not None:
            members.add("userProfiles")
        for member in members:
            made |= self._carrying(collection, member)
        return made

    def trims(self, collection: str) -> tuple[tuple[trimming.Trim, FrozenBitMap], ...]:
        """Rows whose stored fragment may go out once some members are cut out of it, and what cuts
        them. The sets do not overlap; rows that are in none, nor plain, have to be rendered again.
        """
        if collection not in self._trims:
            self._trims[collection] = tuple(
                (trimming.without(names), FrozenBitMap(rows))
                for names, rows in self._find_trims(collection).items()
                if rows
            )
        return self._trims[collection]

    def _find_trims(self, collection: str) -> Mapping[frozenset[str], AbstractBitMap]:
        view, withheld = self.view, self._rules[collection].withheld
        roster, separable = view.roster, trimming.separable(collection, self.version)
        rows = view.rows[collection] - self.plain(collection) - roster.dangling(collection)
        rows -= self._made_anew(collection)
        for member in withheld - separable:
            rows -= self._carrying(collection, member)
        found: dict[frozenset[str], AbstractBitMap] = {withheld & separable: rows}
        for field, target in model.ref_fields(collection).items():
            cut = self._cut(collection, field)
            if field in separable and field not in withheld:
                partly = cut & roster.inverse(collection, field).gather(view.rows[target])
                found = {names: each - cut for names, each in found.items()} | {
                    names | {field}: each & (cut - partly) for names, each in found.items()
                }
            elif field not in withheld & separable:
                found = {names: each - cut for names, each in found.items()}
        return found

    def whole(self, collection: str) -> FrozenBitMap:
        """Rows whose references all stay; an export of a million records looks at few of them."""
        if collection not in self._uncut:
            whole = self.view.rows[collection] - self.view.roster.dangling(collection)
            for field in model.ref_fields(collection):
                whole -= self._cut(collection, field)
            self._uncut[collection] = FrozenBitMap(whole)
        return self._uncut[collection]

    def _cut(self, collection: str, field: str) -> BitMap:
        """Rows of the view whose `field` names a record outside it."""
        key = (collection, field)
        if key not in self._stranded:
            self._stranded[key] = pruning.stranded(self.view, collection, field)
        return self._stranded[key]

    def _carrying(self, collection: str, member: str) -> AbstractBitMap:
        """Active rows that have the member, as they are stored."""
        found = BitMap()
        for version in model.VERSIONS:
            for path in _paths_of(collection, member, version):
                leaf = filters.Leaf(path, "!=", _NEVER)
                found |= self.view.roster.leaf(collection, leaf, missing=False)
        return found

    # ------------------------------------------------------------ listings and leaves

    def rows(self, name: str) -> FrozenBitMap:
        """Rows of one of `model.LISTINGS`, decided on the record as it is given."""
        if name not in self._rows:
            listing = model.LISTINGS[name]
            condition = listing.condition(self.version)
            rows = self.view.rows[listing.collection]
            if condition is not None:
                path, value = condition
                rows = self.leaf(listing.collection, filters.Leaf(path, "=", value))
            self._rows[name] = rows
        return self._rows[name]

    def tree(self, collection: str, tree: filters.Tree) -> AbstractBitMap:
        """Rows of the view that a filter accepts."""
        if isinstance(tree, filters.Leaf):
            return self.leaf(collection, tree)
        found = self.tree(collection, tree.parts[0])
        for part in tree.parts[1:]:
            if isinstance(tree, filters.And):
                found = found & self.tree(collection, part)
            else:
                found = found | self.tree(collection, part)
        return found

    def leaf(self, collection: str, leaf: filters.Leaf) -> FrozenBitMap:
        """Rows of the view that a leaf accepts; what is not there makes `!=` true."""
        key = (collection, leaf.path, leaf.operator, leaf.value)
        return remembering.kept(
            self._leaves, key, LEAVES_KEPT, lambda: FrozenBitMap(self._find(collection, leaf))
        )

    def _find(self, collection: str, leaf: filters.Leaf) -> AbstractBitMap:
        rows, path = self.view.rows[collection], leaf.path
        accepts = filters.predicate(leaf, missing=True)
        if (constant := self._constant(path)) is not None:
            return rows if accepts(constant) else FrozenBitMap()
        if path.dotted == "dateLastModified":
            dates = self._dates(collection)
            return BitMap.union(
                BitMap(), *(BitMap(found) for text, found in dates if accepts((text,)))
            )
        made = self._made(path)
        if made is None:
            changed = self._changed(path)
            stored = self.view.roster.leaf(collection, leaf, missing=True) & (rows - changed)
            made = self._read(path, changed) if changed else {}
        else:
            stored = rows - BitMap(made) if accepts(()) else FrozenBitMap()
        verdicts = {values: accepts(values) for values in set(made.values())}
        return stored | BitMap([row for row, values in made.items() if verdicts[values]])

    # ------------------------------------------------------------ orders

    def order(
        self, collection: str, path: model.FieldPath, *, descending: bool = False
    ) -> "array[int]":
        """The view's rows by first value, then sourcedId; those without a value last."""
        roster, rows = self.view.roster, self.view.rows[collection]
        constant, made = self._constant(path), None
        if constant is None and path.dotted == "dateLastModified":
            return self._by_date(collection, descending=descending)
        if constant is None:
            made = self._made(path)
            changed = self._changed(path) if made is None else BitMap()
            if made is None and not changed:
                stored = roster.order(collection, path, descending=descending)
                return _among(stored, rows, roster.active[collection])
            if made is None:
                unchanged = rows - changed
                made = {
                    row: values
                    for row, values in roster.column(collection, path)
                    if row in unchanged
                } | dict(self._read(path, changed))
        by_id = roster.order(collection, self._sourced_id(collection))
        order = _among(by_id, rows, roster.active[collection])
        if made is None:
            return order
        first = {row: values[0] for row, values in made.items() if values}
        present = [row for row in order if row in first]
        present.sort(key=first.__getitem__, reverse=descending)
        return array("I", [*present, *(row for row in order if row not in first)])

    def _by_date(self, collection: str, *, descending: bool) -> "array[int]":
        """Dates are few, so each has a place, and rows are dealt to them in the order of their ids."""
        rows = self.view.rows[collection]
        by_id = self.view.roster.order(collection, self._sourced_id(collection))
        dates = sorted(self._dates(collection), key=lambda each: each[0], reverse=descending)
        places = bytearray(2 * (rows.max() + 1 if rows else 0))
        place_of = memoryview(places).cast("H")
        for place, (_, found) in enumerate(dates):
            if place:  # the first one is where everything lies already
                for row in found:
                    place_of[row] = place
        dealt = [array("I") for _ in dates]
        for row in _among(by_id, rows, self.view.roster.active[collection]):
            dealt[place_of[row]].append(row)
        return array("I", b"".join(map(bytes, dealt)))

    def _dates(self, collection: str) -> Sequence[tuple[str, AbstractBitMap]]:
        """DateLastModified -> rows of the view."""
        return self._held.dates(collection) if self._held is not None else ()

    def values(self, collection: str, row: int, path: model.FieldPath) -> Values:
        """Of one row; what a listing is ordered by."""
        if path.dotted != "dateLastModified":
            return model.values(self.record(collection, row), path)
        return next(((text,) for text, found in self._dates(collection) if row in found), ())

    def _sourced_id(self, collection: str) -> model.FieldPath:
        path = model.path(collection, "sourcedId", self.version)
        if path is None:
            raise AssertionError("every record has a sourcedId")
        return path

    # ------------------------------------------------------------ where values come from

    def _constant(self, path: model.FieldPath) -> Values | None:
        """What every record of the view has, when that is known without looking."""
        if path.dotted == "status":
            return _ONE_FOR_ALL
        if path.dotted == "dateLastModified":
            return () if self._held is None else None
        hidden = self._rules[path.collection].hides(path.dotted)
        return () if hidden and path.field not in self._stand_ins(path.collection) else None

    def _made(self, path: model.FieldPath) -> Mapping[int, Values] | None:
        """Values that are nowhere stored: masks. None for other members."""
        mask = self._rules[path.collection].mask(path.dotted)
        if mask is None:
            return None
        return remembering.kept(self._columns, path, COLUMNS_KEPT, lambda: self._masked(path, mask))

    def _masked(self, path: model.FieldPath, mask: rules.Mask) -> Mapping[int, Values]:
        rows = self.view.rows[path.collection]
        found = {
            row: tuple(dict.fromkeys(map(mask, values)))
            for row, values in self.view.roster.column(path.collection, path)
            if values and row in rows
        }
        if path.dotted in self._stand_ins(path.collection):
            found.update(self._read(path, rows - BitMap(found)))
        return found

    def _changed(self, path: model.FieldPath) -> AbstractBitMap:
        """Rows in which this member, as it is given, can differ from how it is stored."""
        collection, field = path.collection, path.field
        roster, rows = self.view.roster, self.view.rows[collection]
        if field == "children" or self._rules[collection].hides(path.dotted):
            return rows
        changed = BitMap()
        made_from = _MADE_FROM.get((collection, path.key))
        if made_from is None:
            references = model.ref_fields(collection)
            made_from = tuple(each for each in references if each.partition(".")[0] == field)
        for reference in made_from:
            changed |= self._cut(collection, reference) | (roster.dangling(collection) & rows)
            if self._rules[collection].hides(reference):
                changed |= self._carrying(collection, reference) & rows
        if field == "userProfiles" or path.dotted == "roles.userProfile":
            changed |= self._carrying(collection, path.dotted) & rows
        if field in self._stand_ins(collection):
            changed |= rows - self._carrying(collection, field)
        return changed

    def _stand_ins(self, collection: str) -> frozenset[str]:
        """Members that a record of this version has even when its source had none."""
        least = vocabularies.as_given(collection, {"sourcedId": ""}, self.version)
        return frozenset(least) - {"sourcedId"}

    def _read(self, path: model.FieldPath, rows: AbstractBitMap) -> Mapping[int, Values]:
        """Values taken from the records as they are given."""
        return remembering.kept(
            self._columns,
            (path, "read"),
            COLUMNS_KEPT,
            lambda: {row: model.values(self.record(path.collection, row), path) for row in rows},
        )


def _paths_of(collection: str, member: str, version: str) -> Iterator[model.FieldPath]:
    """Paths that together find every record that has the member."""
    direct = model.path(collection, member, version)
    if direct is not None:
        yield direct
        return
    for path in model.paths(collection):
        if path.field == member and path.version == version:
            yield path


def _among(order: "array[int]", rows: AbstractBitMap, active: AbstractBitMap) -> "array[int]":
    return order if rows == active else array("I", [row for row in order if row in rows])
