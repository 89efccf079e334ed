"""What pydantic found wrong, said for the person who mends the file.

Each problem names what would be right. Texts that authors wrote are repeated only where they are
names of our own format: a sourcedId or a condition may concern a person.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rosterd import documents
from rosterd.loading import parsing

_SWITCHES = frozenset({"yes", "no", "on", "off", "true", "false", "y", "n"})
_KINDS = {
    "tuple_type": "a list, such as [one, two]",
    "list_type": "a list, such as [one, two]",
    "dict_type": "fields of their own, such as {name: value}",
    "model_type": "fields of their own, such as {name: value}",
    "model_attributes_type": "fields of their own, such as {name: value}",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}


def follow(data: parsing.Value, loc: Sequence[str | int]) -> parsing.Loc:
    """The part of pydantic's `loc` that the file has: without tags of unions and missing ends."""
    kept: list[str | int] = []
    here: Any = data
    for part in loc:
        inside = isinstance(here, dict) and part in here
        if inside or (isinstance(here, list) and isinstance(part, int) and part < len(here)):
            kept.append(part)
            here = here[part]
    return tuple(kept)


def telling(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors without those that only follow: a list whose items are wrong counts as empty."""
    places = [error["loc"] for error in found]
    return [
        error
        for error in found
        if error["type"] != "too_short"
        or not any(
            len(loc) > len(error["loc"]) and loc[: len(error["loc"])] == error["loc"]
            for loc in places
        )
    ]


def message(error: Mapping[str, Any], kind: str, loc: parsing.Loc) -> tuple[str, str]:
    """(code, text) for one error of pydantic; `loc` is what `follow` left of its place."""
    found = error["type"]
    context = error.get("ctx", {})
    last = str(error["loc"][-1]) if error["loc"] else ""
    if found == "wrong":
        return "value", context["text"]
    if found == "missing":
        where = f" in {loc[-1]}" if loc and isinstance(loc[-1], str) else ""
        return "missing-field", f"cannot find {last}{where}: {_described(kind, loc, last)}"
    if found == "extra_forbidden":
        known = sorted(_fields(kind, loc[:-1]))
        hint = documents.nearest(last, known) or f"; known here: {', '.join(known)}"
        return "unknown-field", f"{last} is no field here{hint}"
    if found == "literal_error":
        return "value", _literal(error["input"], context["expected"])
    if found == "bool_type":
        return "value", "this is a switch; write true or false, without quotes"
    if found == "string_type":
        if isinstance(error["input"], (dict, list)):
            return "value", "one text must stand here"
        return "value", "this is read as a number or a switch; write the text in quotes"
    if found in _KINDS:
        return "value", f"this must be {_KINDS[found]}"
    return "value", _measured(found, context) or f"{error['msg'][:1].lower()}{error['msg'][1:]}"


def _measured(found: str, context: Mapping[str, Any]) -> str | None:
    if found == "too_short":
        return "this list is empty; name at least one"
    if found == "string_too_short":
        return "this text is empty; write something"
    if found in ("too_long", "string_too_long"):
        return f"this is too long; {context['max_length']} is the most"
    if found == "greater_than_equal":
        return f"this number is too small; {context['ge']} is the least"
    if found == "less_than_equal":
        return f"this number is too large; {context['le']} is the most"
    return None


def _literal(given: object, expected: str) -> str:
    """`expected` comes as pydantic lists it: 'none', 'basic' or 'full'."""
    if expected == "'all'":
        return "write all, a list of sourcedIds, or fields such as {where: …}"
    options = [part.strip("' ") for part in expected.replace(" or ", ", ").split(", ")]
    if len(options) == 1:
        return f"this must be {options[0]}"
    listed = f"one of {', '.join(options)}"
    if isinstance(given, (int, float)) and str(given) in options:
        return f'this is read as a number; write "{given}" in quotes'
    if not isinstance(given, str) or len(given) > 40 or not given.isprintable():
        return f"this must be {listed}"
    return f"{given} is not {listed}{documents.nearest(given, options)}"


# ---------------------------------------------------------------- what the format knows


def _fields(kind: str, loc: parsing.Loc) -> dict[str, Any]:
    """Fields that may stand at this place of a document, with their part of the JSON Schema."""
    schema = _schema(kind)
    found: dict[str, Any] = {}
    for node in _nodes(schema, schema, loc):
        found.update(node.get("properties", {}))
    return found


@functools.cache
def _schema(kind: str) -> dict[str, Any]:
    return documents.schema(kind)


def _described(kind: str, loc: parsing.Loc, name: str) -> str:
    text = str(_fields(kind, loc).get(name, {}).get("description", "it must be there"))
    return text[:1].lower() + text[1:].partition(". ")[0].rstrip(".")


def _nodes(schema: Mapping[str, Any], node: Any, loc: parsing.Loc) -> Iterator[dict[str, Any]]:
    for plain in _resolved(schema, node):
        if not loc:
            yield plain
        elif isinstance(loc[0], int):
            yield from _nodes(schema, plain.get("items", {}), loc[1:])
        else:
            yield from _nodes(schema, plain.get("properties", {}).get(loc[0], {}), loc[1:])


def _resolved(schema: Mapping[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The node itself, behind references and one by one for each alternative."""
    if "$ref" in node:
        node = {**node, **schema["$defs"][node["$ref"].rpartition("/")[2]]}
    yield node
    for word in ("anyOf", "oneOf"):
        for option in node.get(word, ()):
            yield from _resolved(schema, option)
