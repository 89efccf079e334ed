"""Bytes of a commit → documents with the places of what they say, or every problem at once.

A document is read fast, as values that the models validate; places are only looked up, by reading
the text a second time, when a problem has to be shown. Files that did not change since the last
load are not read again. Nothing here opens a file: where bytes come from is the caller's affair.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

import pydantic

from rosterd import documents, errors
from rosterd.loading import parsing, wording

MAX_BYTES: Final = 2**20
MAX_FILES: Final = 10_000
MAX_PROBLEMS: Final = 100  # in one file; whoever made more of them mends the first ones first

require_fast_parser = parsing.require_fast_parser
nearest = documents.nearest

_OURS = re.compile(rb"^apiVersion:\s*[\"']?rosterd/", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Located:
    """A document, and where it stands."""

    document: documents.AnyDocument
    path: str
    content: bytes = field(repr=False)

    def position(self, loc: parsing.Loc, offset: int | None = None) -> tuple[int, int]:
        """(line, column), counted from 1, of the value at `loc`, named as in the file.

        Where the file has no such value, its nearest parent's place. `offset` counts the
        characters (from 0) inside a text, such as the column of a condition.
        """
        text = _text(self.content)
        data, places = _located(text)
        kept = wording.follow(data, loc)
        start = places.values[kept] if kept else (1, 1)
        if offset is None or kept != loc:
            return start if kept == loc else places.keys.get(kept, start)
        value = _inside(data, kept)
        return parsing.place_inside(text, start, value, offset) if isinstance(value, str) else start

    def problem(
        self,
        loc: parsing.Loc,
        message: str,
        *,
        code: str,
        severity: errors.Severity = "error",
        offset: int | None = None,
    ) -> errors.Problem:
        """What is wrong at one place of this document."""
        line, column = self.position(loc, offset)
        return errors.Problem(self.path, line, column, message, code, severity)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every document that can be read, and every problem of those that cannot.

    `broken` are the paths of documents that are there but could not be read: whatever refers to
    them is not wrong for that reason.
    """

    documents: tuple[Located, ...]
    problems: tuple[errors.Problem, ...] = ()
    broken: frozenset[str] = frozenset()


def load(files: Mapping[str, bytes], previous: Loaded | None = None) -> Loaded:
    """Read the documents among `files` (path in the repository → content).

    Files that are no documents are left alone. A document of `previous` with the same path and
    content is taken over as it is. Never raises for what files say.
    """
    known = {located.path: located for located in previous.documents} if previous else {}
    found: list[Located] = []
    problems: list[errors.Problem] = []
    broken: set[str] = set()
    chosen = sorted(path for path in files if _is_document(path, files[path]))
    if len(chosen) > MAX_FILES:
        message = f"this repository has more than {MAX_FILES:,} documents; share them out"
        return Loaded((), (errors.Problem("", 0, 0, message, "limit"),), frozenset(chosen))
    for path in chosen:
        content = files[path]
        kept = known.get(path)
        if kept is not None and kept.content == content:
            found.append(kept)
            continue
        read = _read(path, content)
        if isinstance(read, Located):
            found.append(read)
        else:
            problems.extend(read)
            broken.add(path)
    return Loaded(tuple(found), tuple(sorted(problems)), frozenset(broken))


def _is_document(path: str, content: bytes) -> bool:
    parts = PurePosixPath(path).parts
    if not path.lower().endswith((".yaml", ".yml")) or parts[0].startswith("."):
        return False
    if parts[0] in documents.FOLDERS or parts == (documents.REPOSITORY_FILE,):
        return True
    # a document in the wrong place must not be passed over in silence: somebody relies on it
    return _OURS.search(content[:MAX_BYTES]) is not None


def _read(path: str, content: bytes) -> Located | Sequence[errors.Problem]:
    kind = _kind_at(path)
    if isinstance(kind, errors.Problem):
        return [kind]
    if len(content) > MAX_BYTES:
        message = f"this file is too large; {MAX_BYTES // 2**20} MiB is the most"
        return [errors.Problem(path, 0, 0, message, "limit")]
    try:
        text = _text(content)
        data = parsing.parse(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return [errors.Problem(path, line, 0, "this is not UTF-8; save it as UTF-8", "encoding")]
    except parsing.MalformedError as error:
        return [errors.Problem(path, error.line, error.column, error.message, error.code)]
    misplaced = list(_misplaced(path, kind, data))
    if misplaced or not isinstance(data, dict):
        return [_problem(path, text, *each) for each in misplaced]
    try:
        # As JSON, so that strict models know lists and texts as a file has them.
        document = documents.KINDS[kind].model_validate_json(
            json.dumps(data), by_alias=True, by_name=False
        )
    except pydantic.ValidationError as error:
        return _validation(path, text, kind, data, error)
    stem = PurePosixPath(path).stem
    if document.name != stem:
        message = f"the name is {document.name}, but the file is {stem}.yaml; call both alike"
        return [_problem(path, text, ("name",), message, "name")]
    return Located(document, path, content)


def _kind_at(path: str) -> str | errors.Problem:
    """The kind of document that belongs at this path."""
    parts = PurePosixPath(path).parts
    folders = ", ".join(f"{folder}/" for folder in documents.FOLDERS)
    message = f"no document belongs here; the folders are {folders}"
    if path == documents.REPOSITORY_FILE:
        return "Repository"
    if parts[0] in documents.FOLDERS:
        if len(parts) == 2 and path.endswith(".yaml"):
            return documents.FOLDERS[parts[0]]
        if len(parts) == 2:
            message = 'the name of a document\'s file ends in ".yaml"; rename it'
        else:
            message = f"documents stand directly in {parts[0]}/; move it there"
    elif path.lower().removesuffix(".yml").removesuffix(".yaml") == "rosterd":
        message = f"rename it: the repository is described in {documents.REPOSITORY_FILE}"
    else:
        message += documents.nearest(parts[0], list(documents.FOLDERS)) if len(parts) > 1 else ""
    return errors.Problem(path, 0, 0, message, "place")


def _misplaced(path: str, kind: str, data: parsing.Value) -> Iterator[tuple[parsing.Loc, str, str]]:
    """What the first lines say wrongly, as (loc, message, code): no more is read then."""
    if not isinstance(data, dict):
        yield (), "a document is made of fields; begin with apiVersion: rosterd/v1", "yaml"
        return
    for name, right in (("apiVersion", "rosterd/v1"), ("kind", kind)):
        if name not in data:
            yield (), f"cannot find {name}; write {name}: {right}", "missing-field"
    said = data.get("kind", kind)
    if isinstance(said, str) and said != kind and said in documents.KINDS:
        name = str(data.get("name", PurePosixPath(path).stem))
        right = documents.path_of(said, name)
        yield ("kind",), f"{kind} belongs here; a {said} belongs in {right}", "kind"


def _validation(
    path: str, text: str, kind: str, data: parsing.Value, error: pydantic.ValidationError
) -> list[errors.Problem]:
    found = wording.telling(error.errors(include_url=False))
    problems = []
    for each in found[:MAX_PROBLEMS]:
        loc = wording.follow(data, each["loc"])
        code, message = wording.message(each, kind, loc)
        problems.append(_problem(path, text, loc, message, code))
    if len(found) > MAX_PROBLEMS:
        message = f"and {len(found) - MAX_PROBLEMS:,} problems more"
        problems.append(errors.Problem(path, 0, 0, message, "limit"))
    return problems


def _problem(path: str, text: str, loc: parsing.Loc, message: str, code: str) -> errors.Problem:
    """At the value; a name that is wrong, or that lacks something inside, is shown itself."""
    _, places = _located(text)
    place = (1, 1)
    if loc:
        at_name = code in ("unknown-field", "missing-field") and loc in places.keys
        place = places.keys[loc] if at_name else places.values[loc]
    return errors.Problem(path, *place, message, code)


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig")  # editors of one big system write the mark


@functools.lru_cache(maxsize=4)
def _located(text: str) -> tuple[parsing.Value, parsing.Places]:
    places = parsing.Places()
    return parsing.parse(text, places), places


def _inside(data: parsing.Value, loc: parsing.Loc) -> parsing.Value:
    for part in loc:
        data = data[part]  # type: ignore[index]  # `follow` went the same way
    return data
