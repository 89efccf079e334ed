"""What a repository may say: one model per kind.

The models are the only definition of the format. The JSON Schemas for editors are made from them,
`loading` reads files with them, and nothing behind `configs` ever sees YAML. They say how one
document looks by itself; what holds between documents stands in `configs`.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pydantic.json_schema

from rosterd.documents.applications import (
    Access,
    Agreement,
    Application,
    Fields,
    Mask,
    Permission,
    Rest,
    Rules,
)
from rosterd.documents.deliveries import ONEROSTER, Authentication, Export, SftpTarget
from rosterd.documents.receiving import (
    Changes,
    Days,
    Expected,
    Pace,
    SourceAuthentication,
    Thresholds,
)
from rosterd.documents.repositories import (
    Freeze,
    Level,
    Limit,
    Limits,
    Notification,
    Policies,
    Release,
    Repository,
    Suspended,
)
from rosterd.documents.selecting import (
    ClassParts,
    OrgParts,
    Parts,
    People,
    PeopleWhere,
    Roles,
    Selected,
)
from rosterd.documents.sources import (
    RETENTION,
    Listing,
    Needs,
    RosterSource,
)
from rosterd.documents.templates import Column, Dialect, ExportTemplate, TemplateFile
from rosterd.documents.values import DAYS, Contact, Document, Model, nearest, plain

__all__ = [
    "DAYS",
    "FOLDERS",
    "KINDS",
    "ONEROSTER",
    "REPOSITORY_FILE",
    "RETENTION",
    "Access",
    "Agreement",
    "AnyDocument",
    "Application",
    "Authentication",
    "Changes",
    "ClassParts",
    "Column",
    "Contact",
    "Days",
    "Dialect",
    "Document",
    "Expected",
    "Export",
    "ExportTemplate",
    "Fields",
    "Freeze",
    "Level",
    "Limit",
    "Limits",
    "Listing",
    "Mask",
    "Model",
    "Needs",
    "Notification",
    "OrgParts",
    "Pace",
    "Parts",
    "People",
    "PeopleWhere",
    "Permission",
    "Policies",
    "Release",
    "Repository",
    "Rest",
    "Roles",
    "RosterSource",
    "Rules",
    "Selected",
    "SftpTarget",
    "SourceAuthentication",
    "Suspended",
    "TemplateFile",
    "Thresholds",
    "nearest",
    "path_of",
    "plain",
    "schema",
    "schema_file",
    "schema_text",
]

AnyDocument = (
    Application | Permission | SftpTarget | Listing | RosterSource | ExportTemplate | Repository
)

KINDS: Mapping[str, type[AnyDocument]] = MappingProxyType(
    {
        "Application": Application,
        "Permission": Permission,
        "SftpTarget": SftpTarget,
        "Listing": Listing,
        "RosterSource": RosterSource,
        "ExportTemplate": ExportTemplate,
        "Repository": Repository,
    }
)
FOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "applications": "Application",
        "permissions": "Permission",
        "sftp-targets": "SftpTarget",
        "catalog": "Listing",
        "sources": "RosterSource",
        "templates": "ExportTemplate",
    }
)
"""Folder at the top of the repository -> the kind of every document in it."""
REPOSITORY_FILE = "rosterd.yaml"
"""The one document that stands at the top."""


def path_of(kind: str, name: str) -> str:
    """Where the document of this kind and name stands in a repository."""
    if kind == "Repository":
        return REPOSITORY_FILE
    folder = next(folder for folder, held in FOLDERS.items() if held == kind)
    return f"{folder}/{name}.yaml"


def schema_file(kind: str) -> str:
    """Name of the kind's JSON Schema: permission.schema.json, sftp-target.schema.json."""
    words = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind)
    return f"{words.lstrip('-')}.schema.json"


def schema(kind: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of the kind, for editors. The check itself is stricter."""
    made = KINDS[kind].model_json_schema(by_alias=True)
    _tidy(made)
    # a file has to say what it is, although code that builds a document need not
    stated = ["apiVersion", "kind"]
    made["required"] = stated + [name for name in made.get("required", []) if name not in stated]
    return {
        "$schema": pydantic.json_schema.GenerateJsonSchema.schema_dialect,
        "$id": f"urn:rosterd:v1:{schema_file(kind).removesuffix('.schema.json')}",
        **made,
    }


def schema_text(kind: str) -> str:
    """The schema as its file holds it: always the same bytes, so that committed ones compare."""
    return json.dumps(schema(kind), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _tidy(node: object) -> None:
    """For editors: one-line descriptions, no generated titles, and no null, which no file holds."""
    if isinstance(node, list):
        for item in node:
            _tidy(item)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("description"), str):
        node["description"] = " ".join(node["description"].split())
    if isinstance(node.get("title"), str):
        del node["title"]
    if {"type": "null"} in node.get("anyOf", ()):
        options = [option for option in node.pop("anyOf") if option != {"type": "null"}]
        node.update(options[0] if len(options) == 1 else {"anyOf": options})
        node.pop("default", None)
    for item in node.values():
        _tidy(item)
