"""Changing single fields of a YAML file that a person wrote.

The file is read for the places of its fields and then changed as text, line by line: whatever is not
a field that changes keeps its bytes, comments and order included. Writing it again with a library
would move blanks and quotes, and a reviewer would have to read all of it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import ruamel.yaml
from ruamel.yaml import nodes

from rosterd import documents, drafting, errors, loading

RULES: Final = tuple(field.alias or name for name, field in documents.Rules.model_fields.items())
"""Fields of a permission that say what is shared, as files name them."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field at the top of a file: the comments above it, and its own lines, line ends included."""

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
    newline = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    parts: list[tuple[str, _Field]] = []
    kept: list[str] = []
    for name, field in fields.items():
        if name in names and name not in given:
            kept += field.lead  # a person's comment is not ours to take away
            continue
        copy = name in names and name in changed
        own = _ended(given[name].own, newline) if copy else field.own
        parts.append((name, _Field((*kept, *field.lead), own)))
        kept = []
    for name, field in given.items():
        if name in names and name not in fields:
            # above the first field of a file stands what is about the whole file
            lead = field.lead if name != next(iter(given)) else ()
            anew = _Field(_ended(lead, newline), _ended(field.own, newline))
            parts.insert(_place(name, list(given), parts), (name, anew))
    lines = [line for _, field in parts for line in (*field.lead, *field.own)] + [*kept, *end]
    # the last line of a file may lack its end; anywhere else it needs one
    return "".join(line if line.endswith("\n") else line + newline for line in lines[:-1]) + (
        lines[-1] if lines else ""
    )


def permission(application: str, path: str, source: str) -> str:
    """A new permission for an application with the rules of the permission `source` at `path`.

    Comments above and within the rules come along; the name, the last day and what stands above the
    whole file do not. Raises errors.InputError for a file that cannot be copied as text.
    """
    given = _rules(path, source)
    bare = drafting.permission(application, {})
    text = copied(bare, source, RULES, RULES)
    if _rules(documents.path_of("Permission", application), text) != given:
        raise errors.InputError("cannot copy these rules by editing the text: copy them by hand")
    return text


def _rules(path: str, text: str) -> dict[str, Any]:
    loaded = loading.load({path: text.encode()})
    for each in loaded.documents:
        if isinstance(each.document, documents.Permission):
            said = documents.plain(each.document)
            return {field: said[field] for field in RULES if field in said}
    raise errors.InputError("cannot copy these rules: the file is no permission", loaded.problems)


def _ended(lines: tuple[str, ...], newline: str) -> tuple[str, ...]:
    """Lines of another file with the ends of this one."""
    return tuple(line.rstrip("\r\n") + newline for line in lines)


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
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    found: dict[str, _Field] = {}
    (first, _), *_ = starts.values()
    lead = tuple(lines[:first])
    bounds = [*(start for start, _ in starts.values()), len(lines)]
    for (name, (start, least)), stop in zip(starts.items(), bounds[1:], strict=True):
        end = stop
        while end > least + 1 and _between(lines[end - 1]):
            end -= 1
        found[name] = _Field(lead, tuple(lines[start:end]))
        lead = tuple(lines[end:stop])
    return found, lead


def _between(line: str) -> bool:
    """Whether it may stand behind a field without being a part of it."""
    return not line.strip() or line.startswith(("#", "..."))


def _starts(text: str) -> Mapping[str, tuple[int, int]]:
    """Name of each field at the top -> its first line and the last one that is certainly its own,
    counted from 0.
    """
    try:
        root = ruamel.yaml.YAML(typ="safe", pure=False).compose(text)
    except ruamel.yaml.error.YAMLError as error:
        raise errors.InputError(
            "cannot edit this file: it is no YAML; run `rosterd check`"
        ) from error
    if not isinstance(root, nodes.MappingNode) or root.flow_style or not root.value:
        raise errors.InputError(
            "cannot edit this file: its fields have to stand one below the other, without braces"
        )
    # By index: what a reader of YAML takes for the end of a line is more than what an editor does.
    if any(
        key.start_mark.index and text[key.start_mark.index - 1] != "\n" for key, _ in root.value
    ):
        raise errors.InputError("cannot edit this file: its fields have to begin at the left edge")
    return {
        key.value: (
            text.count("\n", 0, key.start_mark.index),
            text.count("\n", 0, _end(key, value)),
        )
        for key, value in root.value
    }


def _end(key: nodes.Node, value: nodes.Node) -> int:
    """Index of the value's last character where it has an end of its own: brackets or quotes.

    The end of a block is only known by what comes next.
    """
    if isinstance(value, nodes.CollectionNode):
        closed = bool(value.flow_style)
    else:
        closed = isinstance(value, nodes.ScalarNode) and value.style in {"'", '"'}
    mark: Any = value.end_mark if closed else key.end_mark
    return max(int(mark.index) - 1, int(key.start_mark.index))
