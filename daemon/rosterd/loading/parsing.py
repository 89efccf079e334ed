"""YAML 1.2 text → plain values, or the one place where it cannot be read.

Events of the C parser are read here once, instead of letting a library build objects: an alias
bomb is refused at its first anchor, a second key is seen before it could win over the first, and
what a value looks like (`no`, `1.2`, `05:30`) follows the YAML 1.2 core schema and nothing older.
Whoever reviews a document sees exactly what it says, so whatever could say it twice is refused.
"""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from rosterd import errors

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 100_000

Value = str | int | float | bool | list["Value"] | dict[str, "Value"]
Loc = tuple[str | int, ...]

_BOOLS = {
    word: word.lower() == "true" for word in ["true", "True", "TRUE", "false", "False", "FALSE"]
}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INT = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
# Editors and forges show these as nothing, or as a blank in a line that goes on; the parser ends the
# line there, so that a comment hides a field. Marks of direction show a line in another order.
_UNSEEN = re.compile(
    "\\r(?!\\n)|[\\x85\u2028\u2029\ufeff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_ODD_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Event(Protocol):
    """What is asked of ruamel's events, which carry no types of their own."""

    start_mark: Any
    anchor: str | None
    tag: str | None
    implicit: Any
    value: str
    style: str | None
    version: tuple[int, int] | None
    tags: dict[str, str] | None


class MalformedError(Exception):
    """The text is no document; line and column count from 1."""

    def __init__(self, message: str, line: int, column: int, code: str = "yaml") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.code = code


@dataclass(slots=True)
class Places:
    """Where each value and each key of one text stands, as (line, column) counted from 1."""

    values: dict[Loc, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Loc, tuple[int, int]] = field(default_factory=dict)


def require_fast_parser() -> None:
    """Raise errors.InputError unless YAML is read by the C parser; called at start.

    Without it loading would silently be many times slower, and a hostile text could use that.
    """
    _parser_class()


def parse(text: str, places: Places | None = None) -> Value:
    """The one document in `text`; fills `places` when given. Raises MalformedError."""
    from ruamel.yaml import error, reader  # noqa: PLC0415 - so that importing needs no C parser

    if unseen := _UNSEEN.search(text):
        before = text[: unseen.start()]
        raise MalformedError(
            f"what stands here (U+{ord(unseen[0]):04X}) cannot be seen, and changes what is read; "
            "leave it out",
            before.count("\n") + 1,
            len(before) - before.rfind("\n"),
        )
    try:
        builder = _Builder(_events(text), places)
        return builder.document()
    except error.MarkedYAMLError as problem:
        marks = [problem.problem_mark, problem.context_mark]
        if "end of stream" in (problem.problem or "") or "simple key" in (problem.context or ""):
            marks.reverse()  # what was never closed is shown where it was opened
        mark = marks[0] or marks[1]
        said = _plainly(problem.context or "", problem.problem or "")
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        if "start any token" in str(problem.problem) and _at(text, line, column) == "\t":
            said = _TAB
        raise MalformedError(f"this is no YAML: {said}", line, column) from None
    except reader.ReaderError as problem:
        before = text[: problem.position]
        column = len(before) - before.rfind("\n")
        raise MalformedError(
            f"this is no YAML: {problem.reason}", before.count("\n") + 1, column
        ) from None


# What the parser says, and what an author would have to do about it; the first that fits is told.
_TAB: Final = "a tab stands here; indent with blanks"
_PLAINLY: Final = (
    ("", "tab character", _TAB),
    ("", "mapping values are not allowed",
     "no field can begin here; indent it like its neighbours, and quote a text with a colon"),
    ("block mapping", "did not find expected key",
     "this line is indented unlike the fields above it"),
    ("block collection", "did not find expected '-'",
     "this line is indented unlike the list above it"),
    ("simple key", "could not find expected ':'", "a colon is missing behind the field's name"),
    ("quoted scalar", "end of stream", "this quote is never closed"),
    ("flow sequence", "did not find expected", "this list is not closed, or lacks a comma; write ]"),
    ("flow mapping", "did not find expected",
     "these fields are not closed, or lack a comma; write }"),
    ("plain scalar", "unexpected ':'", "a text with a colon needs quotes here"),
    ("", "cannot start any token",
     "this character cannot begin a value; write the text in quotes"),
)  # fmt: skip


def _plainly(context: str, problem: str) -> str:
    for where, what, told in _PLAINLY:
        if where in context and what in problem:
            return told
    return f"{context} {problem}".strip()


def _at(text: str, line: int, column: int) -> str:
    lines = text.splitlines()
    return lines[line - 1][column - 1 : column] if line <= len(lines) else ""


def _parser_class() -> Any:
    try:
        return importlib.import_module("ruamel.yaml.cyaml").CParser
    except ImportError:
        raise errors.InputError(
            "cannot read YAML: the C parser is missing; install ruamel.yaml.clib"
        ) from None


def _events(text: str) -> Iterator[tuple[str, _Event]]:
    """(kind, event): kind is the event's class without "Event"."""
    parser = _parser_class()(text)
    while parser.check_event():
        event = parser.get_event()
        yield type(event).__name__.removesuffix("Event"), event


class _Builder:
    """Builds the values of one text, and notes their places when somebody asks."""

    def __init__(self, events: Iterator[tuple[str, _Event]], places: Places | None) -> None:
        self._events = events
        self._places = places
        self._count = 0

    def document(self) -> Value:
        next(self._events)  # the stream starts
        kind, event = next(self._events)
        if kind == "StreamEnd":
            raise MalformedError("this file is empty; a document begins with apiVersion", 1, 1)
        if event.version is not None or event.tags:
            raise _malformed("leave out lines that begin with %: every file is YAML 1.2", event)
        value = self._value(*next(self._events), ())
        next(self._events)  # the document ends
        kind, event = next(self._events)
        if kind != "StreamEnd":
            raise _malformed("a second document begins here; each document has its own file", event)
        return value

    def _value(self, kind: str, event: _Event, loc: Loc) -> Value:
        self._refuse(kind, event, loc)
        if self._places is not None:
            self._places.values[loc] = _place(event)
        if kind == "Scalar":
            return _scalar(event)
        if kind == "SequenceStart":
            return self._sequence(loc)
        return self._mapping(loc)

    def _refuse(self, kind: str, event: _Event, loc: Loc) -> None:
        """Whatever lets a text mean something else than it seems to, and too much of it."""
        self._count += 1
        if kind == "Alias" or event.anchor is not None:
            raise _malformed("anchors and aliases (& and *) are not read; write it out", event)
        if event.tag is not None:
            raise _malformed("tags (!) are not read; leave it out", event)
        if len(loc) > MAX_DEPTH:
            raise _malformed(f"this is nested deeper than {MAX_DEPTH} levels", event)
        if self._count > MAX_VALUES:
            raise _malformed(f"a document may hold {MAX_VALUES:,} values at most", event)

    def _sequence(self, loc: Loc) -> Value:
        items: list[Value] = []
        for kind, event in self._events:
            if kind == "SequenceEnd":
                break
            items.append(self._value(kind, event, (*loc, len(items))))
        return items

    def _mapping(self, loc: Loc) -> Value:
        found: dict[str, Value] = {}
        lines: dict[str, int] = {}
        for kind, event in self._events:
            if kind == "MappingEnd":
                break
            key = self._key(kind, event, loc)
            if key in found:
                raise _malformed(
                    f"{key} stands here a second time, first on line {lines[key]}; keep one",
                    event,
                    "duplicate-key",
                )
            lines[key] = event.start_mark.line + 1
            if self._places is not None:
                self._places.keys[*loc, key] = _place(event)
            found[key] = self._value(*next(self._events), (*loc, key))
        return found

    def _key(self, kind: str, event: _Event, loc: Loc) -> str:
        self._refuse(kind, event, loc)
        if kind == "Scalar" and not event.style and event.value == "<<":
            raise _malformed("merge keys (<<) are not read; write the fields out", event)
        if kind != "Scalar" or (not event.style and event.value in _NULLS):
            raise _malformed("the name of a field must stand here", event)
        if not isinstance(_scalar(event), str):
            raise _malformed("the name of a field is a text; write it in quotes", event)
        return event.value


def _scalar(event: _Event) -> Value:
    """The value of a plain scalar by the YAML 1.2 core schema, of a quoted one its text."""
    text = event.value
    if event.style:
        return text
    if text in _BOOLS:
        return _BOOLS[text]
    if text in _NULLS:
        # An empty `where:` must not mean "no condition": that would share everything.
        raise _malformed("nothing stands here; write a value, or leave the field out", event)
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _ODD_FLOAT.fullmatch(text):
        raise _malformed("this is no number that counts anything; write another", event)
    if _FLOAT.fullmatch(text):
        if len(text) > 30:
            raise _malformed("this number is too long; a text is written in quotes", event)
        return float(text)
    return text


def _place(event: _Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _malformed(message: str, event: _Event, code: str = "yaml") -> MalformedError:
    return MalformedError(message, *_place(event), code)


def place_inside(text: str, start: tuple[int, int], value: str, offset: int) -> tuple[int, int]:
    """Where the character `offset` (from 0) of the scalar `value` stands that begins at `start`.

    Walks text and value side by side over quotes, escapes, line breaks and indentation; a place
    that cannot be followed falls back to the beginning of the scalar.
    """
    lines = text.splitlines(keepends=True)
    row, column = start[0] - 1, start[1] - 1
    if row >= len(lines):
        return start
    source = lines[row][column:] + "".join(lines[row + 1 :])
    place = 1 if source[:1] in ("'", '"') else 0
    if source[:1] in ("|", ">"):
        place = source.find("\n") + 1
    for index, wanted in enumerate(value[: offset + 1]):
        while place < len(source) and source[place] != wanted:
            if not (source[place].isspace() or source[place] in "\\'"):
                if wanted in " \n":
                    break  # a line break that was folded into this blank is behind us already
                return start
            place += 1
        if index == offset:
            break
        if place < len(source) and source[place] == wanted:
            doubled = source[:1] == "'" and source[place : place + 2] == "''"
            place += 2 if doubled else 1
    before = source[:place]
    if "\n" not in before:
        return start[0], start[1] + place
    return start[0] + before.count("\n"), len(before) - before.rfind("\n")
