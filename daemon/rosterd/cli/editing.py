"""Changing single fields of a YAML file that a person wrote.

The file is read for the places of its fields and then changed as text, line by line: whatever is not
a field that changes keeps its bytes, comments and order included. Writing it again with a library
would move blanks and quotes, and a reviewer would have to read all of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import ruamel.yaml
from ruamel.yaml import nodes

from rosterd import errors


@dataclass(frozen=True, slots=True)
class _Field:
    """A field at the top of a file: the comments above it, and its own lines."""

    lead: tuple[str, ...]
    own: tuple[str, ...]


def copied(text: str, source: str, names: Collection[str], changed: Collection[str]) -> str:
    """`text` with the fields `names` as `source` has them.

    A field that `source` lacks goes. `changed` are those whose meaning differs: the others stay as
    they are written. Comments above fields of `text` stay; what comes anew brings its own. Raises
    errors.InputError for a file whose fields do not stand one below the other at its left edge.
    """
    fields, end = _fields(text)
    given, _ = _fields(source)
    newline = "\r\n" if "\r\n" in text else "\n"
    parts: list[tuple[str, _Field]] = []
    kept: list[str] = []
    for name, field in fields.items():
        if name in names and name not in given:
            kept += field.lead  # a person's comment is not ours to take away
            continue
        own = given[name].own if name in names and name in changed else field.own
        parts.append((name, _Field((*kept, *field.lead), own)))
        kept = []
    for name, field in given.items():
        if name in names and name not in fields:
            parts.insert(_place(name, list(given), parts), (name, field))
    lines = [line for _, field in parts for line in (*field.lead, *field.own)]
    return "".join(f"{line}{newline}" for line in (*lines, *kept, *end))


def _place(name: str, order: list[str], parts: list[tuple[str, _Field]]) -> int:
    """Behind the field that stands before it in the other file, as far as both have it."""
    present = [each for each, _ in parts]
    for before in reversed(order[: order.index(name)]):
        if before in present:
            return present.index(before) + 1
    return len(parts)


def _fields(text: str) -> tuple[Mapping[str, _Field], tuple[str, ...]]:
    """The fields at the top in order, and the lines behind the last one."""
    starts = _starts(text)
    lines = [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
    found: dict[str, _Field] = {}
    lead, (first, *_) = tuple[str, ...](), starts.values()
    lead = tuple(lines[:first])
    bounds = [*starts.values(), len(lines)]
    for name, start, stop in zip(starts, bounds, bounds[1:], strict=False):
        end = stop
        while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
            end -= 1
        found[name] = _Field(lead, tuple(lines[start:end]))
        lead = tuple(lines[end:stop])
    return found, lead


def _starts(text: str) -> Mapping[str, int]:
    """Name of each field at the top -> its line, counted from 0."""
    try:
        root = ruamel.yaml.YAML(typ="rt").compose(text)
    except ruamel.yaml.error.YAMLError as error:
        raise errors.InputError(
            "cannot edit this file: it is no YAML; run `rosterd check`"
        ) from error
    if not isinstance(root, nodes.MappingNode) or root.flow_style or not root.value:
        raise errors.InputError(
            "cannot edit this file: its fields have to stand one below the other, without braces"
        )
    starts = {key.value: key.start_mark for key, _ in root.value}
    if any(mark.column for mark in starts.values()):
        raise errors.InputError("cannot edit this file: its fields have to begin at the left edge")
    return {name: mark.line for name, mark in starts.items()}
