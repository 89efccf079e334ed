"""New documents as text, for a person to read, change and commit.

The console and the commands never change a repository by themselves: they write what somebody could
have written, in the order and the form of the examples, and a commit makes it true.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rosterd import documents

_BARE: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9._@-]*( [A-Za-z0-9._@-]+)*|[0-9]{4}-[0-9]{2}-[0-9]{2}"
)
_MEANT: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
"""Words that some reader of YAML takes for something else than a text."""


def from_listing(listing: documents.Listing, name: str) -> Mapping[str, str]:
    """Path -> text of the application and the permission that adding the listing makes.

    The application starts disabled, and with the permission that the vendor recommends: without one
    it shares nothing. Nothing is inherited: what the listing says later changes neither of them.
    """
    said: dict[str, Any] = {
        "name": name,
        "title": listing.title,
        "company": listing.company,
        **({"description": listing.description} if listing.description else {}),
        "listing": listing.name,
    }
    if listing.developers:
        said["developers"] = [documents.plain(each) for each in listing.developers]
    said["enabled"] = False
    needed = (listing.needs.versions if listing.needs is not None else None) or ("1.2",)
    said["rest"] = {"versions": list(needed)}
    rules = documents.plain(listing.recommended) if listing.recommended else {"access": "none"}
    return {
        documents.path_of("Application", name): document("Application", said),
        documents.path_of("Permission", name): permission(name, rules),
    }


def permission(application: str, rules: Mapping[str, Any]) -> str:
    """A permission for an application, called like it; `rules` are fields as files name them."""
    return document("Permission", {"name": application, "application": application, **rules})


def document(kind: str, said: Mapping[str, Any]) -> str:
    """A document with the line that editors look for; `said` are its fields, in order,
    and those that are None are left out.
    """
    lines = [
        f"# yaml-language-server: $schema=../schemas/{documents.schema_file(kind)}",
        "apiVersion: rosterd/v1",
        f"kind: {kind}",
    ]
    for name, value in said.items():
        lines += _field(name, value) if value is not None else []
    return "".join(f"{line}\n" for line in lines)


def _field(name: str, value: object) -> list[str]:
    """One field: lists of parts get a line for each, everything else fits in one."""
    parts = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if parts and all(isinstance(each, Mapping) for each in parts):
        return [f"{name}:", *(f"  - {_flow(each)}" for each in parts)]
    if name == "fields" and isinstance(value, Mapping):
        return [f"{name}:", *(f"  {key}: {_flow(each)}" for key, each in value.items())]
    return [f"{name}: {_flow(value)}"]


def _flow(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(str(k))}: {_flow(each)}" for k, each in value.items()) + "}"
    if isinstance(value, str):
        bare = _BARE.fullmatch(value) and value.casefold() not in _MEANT
        return value if bare else _quoted(value)
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())
