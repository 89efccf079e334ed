"""The query language of OneRoster: one grammar for REST's `filter` and a permission's `where`.

    tree   = all ("OR" all)*          all = part ("AND" part)*         part = "(" tree ")" | leaf
    leaf   = field operator value     operator = "=" "!=" ">" ">=" "<" "<=" "~"
    value  = quoted | number | true | false

Clients quote as they please: a quote inside a value may be doubled (`'O''Brien'`) or raw
(`'O'Brien'`). So a quote closes a value only where the text ends, or a connective and another
leaf follow. Text comes from strangers: reading it is linear in its length, nesting and the number
of leaves are bounded, and no error ever repeats a value.

There is one evaluator of leaves, `predicate`, so that a permission and a vendor's filter cannot
disagree on what a word means. They differ in one point, `missing`.
"""

import dataclasses
import datetime as dt
import difflib
import operator
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rosterd import errors
from rosterd.oneroster import model

MAX_LENGTH = 65_536  # characters
MAX_DEPTH = 64  # nested parentheses
MAX_LEAVES = 1_000

Predicate = Callable[[Sequence[str]], bool]


class FilterError(errors.InputError):
    """The text is no filter. `column` counts from 1.

    Neither the message nor `field` (the name at fault, when it is one) holds a value.
    """

    def __init__(self, message: str, column: int, field: str | None = None) -> None:
        super().__init__(f"column {column}: {message}")
        self.message = message
        self.column = column
        self.field = field


@dataclass(frozen=True, slots=True)
class Leaf:
    """One comparison. Two that say the same are equal, wherever they stood in a text."""

    path: model.FieldPath
    operator: str
    value: str
    column: int = dataclasses.field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class And:
    parts: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    parts: "tuple[Tree, ...]"


Tree = Leaf | And | Or


def parse(text: str, collection: str, version: str) -> Tree:
    """The tree of a filter over a collection, with the member names of a version.

    Raises FilterError, and nothing else.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter may have {MAX_LENGTH:,} characters at most", MAX_LENGTH + 1)
    reader = _Reader(text, collection, version)
    tree = reader.tree(0)
    reader.end()
    return tree


def leaves(tree: Tree) -> Iterator[Leaf]:
    """All leaves, from left to right."""
    if isinstance(tree, Leaf):
        yield tree
        return
    for part in tree.parts:
        yield from leaves(part)


def matcher(tree: Tree, *, missing: bool) -> Callable[[Mapping[str, object]], bool]:
    """The whole tree as a test of one record (as model.values reads it)."""
    if isinstance(tree, Leaf):
        test, read = predicate(tree, missing=missing), tree.path.read
        return lambda record: test(read(record))
    tests = [matcher(part, missing=missing) for part in tree.parts]
    if isinstance(tree, And):
        return lambda record: all(test(record) for test in tests)
    return lambda record: any(test(record) for test in tests)


# ---------------------------------------------------------------- reading text

# Possessive quantifiers (`*+`): nothing is tried twice, so that reading stays linear.
_SPACE = re.compile(r"\s*+")
_NAME = re.compile(r"[^\s'()=!<>~]++")
_OPERATOR = re.compile(r"!=|>=|<=|=|>|<|~")
_BARE = re.compile(r"(?:-?[0-9]++(?:\.[0-9]++)?+|true|false)(?![^\s()])", re.IGNORECASE)
_CONNECTIVE = re.compile(r"(and|or)(?=[\s(])", re.IGNORECASE)
_CLOSED = re.compile(
    r"[\s)]*+(?:\Z|(?:and|or)(?=[\s(])[\s(]*+[^\s'()=!<>~]++\s*+(?:!=|[=<>~]))",
    re.IGNORECASE,
)
_TELLABLE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,99}")

_OPEN = "no quote closes this value: the end, or AND or OR and another comparison, must follow it"


class _Reader:
    """One pass over one text. Its place only ever moves on."""

    def __init__(self, text: str, collection: str, version: str) -> None:
        self._text = text
        self._collection = collection
        self._version = version
        self._place = 0
        self._leaves = 0
        self._skip()

    def tree(self, depth: int) -> Tree:
        parts = [self._all(depth)]
        while self._connective("or"):
            parts.append(self._all(depth))
        return _joined(Or, parts)

    def end(self) -> None:
        if self._place == len(self._text):
            return
        if self._text[self._place] == ")":
            raise self._error("this parenthesis closes none")
        raise self._error("AND, OR or the end must follow here")

    def _all(self, depth: int) -> Tree:
        parts = [self._part(depth)]
        while self._connective("and"):
            parts.append(self._part(depth))
        return _joined(And, parts)

    def _part(self, depth: int) -> Tree:
        if not self._text.startswith("(", self._place):
            return self._leaf()
        if depth == MAX_DEPTH:
            raise self._error(f"parentheses may be {MAX_DEPTH} deep at most")
        opened = self._place
        self._move(opened + 1)
        inner = self.tree(depth + 1)
        if not self._text.startswith(")", self._place):
            if self._place == len(self._text):
                raise FilterError("this parenthesis is never closed", opened + 1)
            raise self._error("AND, OR or a closing parenthesis must follow here")
        self._move(self._place + 1)
        return inner

    def _leaf(self) -> Leaf:
        self._leaves += 1
        if self._leaves > MAX_LEAVES:
            raise self._error(f"a filter may have {MAX_LEAVES:,} comparisons at most")
        start = self._place
        path = self._field()
        found = _OPERATOR.match(self._text, self._place)
        if found is None:
            raise self._error("one of = != > >= < <= ~ must follow the field", path.dotted)
        self._move(found.end())
        return Leaf(path, found[0], self._value(path, found[0]), start + 1)

    def _field(self) -> model.FieldPath:
        found = _NAME.match(self._text, self._place)
        if found is None:
            raise self._error("a field name must stand here, such as sourcedId='…'")
        name = found[0]
        path = None
        if len(name) <= 255:
            path = model.path(self._collection, name, self._version)
        if path is None:
            raise self._unknown(name)
        self._move(found.end())
        return path

    def _unknown(self, name: str) -> FilterError:
        if _TELLABLE.fullmatch(name) is None:
            return self._error(f"this is no field of {self._collection}")
        near = difflib.get_close_matches(name, model.names(self._collection, self._version), 1, 0.7)
        hint = f"; did you mean {near[0]}?" if near else ""
        message = f"{self._collection} have no field {name} in OneRoster {self._version}{hint}"
        return self._error(message, name)

    def _value(self, path: model.FieldPath, sign: str) -> str:
        place = self._place
        if self._text.startswith("'", place):
            value = self._quoted(path.dotted)
        else:
            found = _BARE.match(self._text, place)
            if found is None:
                raise self._error("a value in single quotes must follow", path.dotted)
            value = found[0]
            self._move(found.end())
        if sign == "~":
            return value  # a part of a date is no date, and need not be one
        return _typed(path, value, place + 1)

    def _quoted(self, name: str) -> str:
        opened = self._place
        pieces: list[str] = []
        place = opened + 1
        while True:
            quote = self._text.find("'", place)
            if quote < 0:
                raise FilterError(_OPEN, opened + 1, name)
            pieces.append(self._text[place:quote])
            if self._text.startswith("'", quote + 1):
                place = quote + 2
            elif _CLOSED.match(self._text, quote + 1):
                self._move(quote + 1)
                return "".join(pieces)
            else:
                place = quote + 1
            pieces.append("'")

    def _connective(self, word: str) -> bool:
        found = _CONNECTIVE.match(self._text, self._place)
        if found is None or found[1].lower() != word:
            return False
        self._move(found.end())
        return True

    def _move(self, place: int) -> None:
        self._place = place
        self._skip()

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._place)
        self._place = space.end() if space else self._place

    def _error(self, message: str, field: str | None = None) -> FilterError:
        return FilterError(message, self._place + 1, field)


def _joined(kind: type[And] | type[Or], parts: list[Tree]) -> Tree:
    if len(parts) == 1:
        return parts[0]
    flat: list[Tree] = []
    for part in parts:  # (a AND b) AND c says the same as a AND b AND c
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return kind(tuple(flat))


def _typed(path: model.FieldPath, value: str, column: int) -> str:
    """The value as the kind of field needs it, or what would be right."""
    if path.kind is model.Kind.FLAG:
        if value.lower() not in ("true", "false"):
            raise FilterError(f"{path.dotted} is 'true' or 'false'", column, path.dotted)
        return value.lower()
    if path.kind in (model.Kind.DATE, model.Kind.INSTANT) and value and instant(value) is None:
        raise FilterError(
            f"{path.dotted} wants a date such as '2026-01-31' or '2026-01-31T08:00:00Z'",
            column,
            path.dotted,
        )
    return value


# ---------------------------------------------------------------- comparing

_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:[.,]([0-9]{1,9}))?"
    r"(?:[Zz]|([+\- ])([0-9]{2}):?([0-9]{2}))?)?"
)


def instant(text: str) -> str | None:
    """A date or date-time as the UTC text by which instants compare, None when it is neither.

    A bare date is its midnight; without an offset a time is UTC. A space for the plus sign of an
    offset is what form decoding leaves of it.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    date, time, seconds, fraction, sign, hours, minutes = found.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{date}T{time or '00:00'}{seconds or ':00'}")
        if sign:
            offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
            moment += offset if sign == "-" else -offset
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat()}.{(fraction or '').ljust(9, '0')}Z"


def fold(text: str) -> str:
    """The text as `~` compares it: no case, and one form for each composed letter."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


_ORDERS: Mapping[str, Callable[[str, str], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def predicate(leaf: Leaf, *, missing: bool) -> Predicate:
    """The one evaluator: a test of all values that a record has for the leaf's path.

    `missing` is what `!=` says of a record that lacks the member: True in REST, False in a
    permission, where a gap must share nothing. Every other operator says False of it.

    A member with several values: `=` wants all of the comma-separated ones, `~` any of them; an
    order wants one that fits. `!=` is the negation of `=` over the whole member.
    """
    if leaf.operator == "~":
        return _contains(leaf)
    if leaf.operator in _ORDERS:
        return _ordered(leaf)
    same = _equals(leaf)
    if leaf.operator == "=":
        return same
    return lambda values: not same(values) if values else missing


def _comparable(path: model.FieldPath) -> Callable[[str], str | None] | None:
    if path.kind in (model.Kind.DATE, model.Kind.INSTANT):
        return instant
    return _year if path.kind is model.Kind.YEAR else None


def _year(text: str) -> str:
    return text.rjust(4, "0")


def _equals(leaf: Leaf) -> Predicate:
    wanted = leaf.value
    if form := _comparable(leaf.path):
        moment = form(wanted)
        return lambda values: moment is not None and any(form(value) == moment for value in values)
    parts = frozenset(_parts(leaf))
    if len(parts) > 1:
        return lambda values: wanted in values or parts.issubset(values)
    return lambda values: wanted in values


def _ordered(leaf: Leaf) -> Predicate:
    fits = _ORDERS[leaf.operator]
    wanted = leaf.value
    form = _comparable(leaf.path)
    if form is None:
        return lambda values: (
            fits(values[0], wanted)
            if len(values) == 1
            else any(fits(value, wanted) for value in values)
        )
    moment = form(wanted)

    def test(values: Sequence[str]) -> bool:
        if moment is None:  # an empty value: nothing is before or after it
            return False
        formed = (form(value) for value in values)
        return any(value is not None and fits(value, moment) for value in formed)

    return test


def _contains(leaf: Leaf) -> Predicate:
    wanted = {fold(leaf.value), *(fold(part) for part in _parts(leaf))}

    def test(values: Sequence[str]) -> bool:
        for value in values:  # written out: this is asked of every text of a roster
            folded = value.lower() if value.isascii() else fold(value)
            for part in wanted:
                if part in folded:
                    return True
        return False

    return test


def _parts(leaf: Leaf) -> list[str]:
    if not leaf.path.many:
        return []
    return [part for part in map(str.strip, leaf.value.split(",")) if part]
