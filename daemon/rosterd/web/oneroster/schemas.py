"""The bodies of 1.2 as OpenAPI schemas, made from the tables that render them.

So the document that a vendor generates a client from cannot differ from what is sent. Objects are
closed, as in the standard; only metadata and credentials are open.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rosterd.oneroster import members, model, vocabularies

Schema = dict[str, Any]

VERSION: Final = "1.2"
_TEXT: Final[Schema] = {"type": "string"}
_DATE: Final[Schema] = {"type": "string", "format": "date"}
_URI: Final[Schema] = {"type": "string", "format": "uri"}
_FLAG: Final[Schema] = {
    "type": "string",
    "enum": ["true", "false"],
    "description": "A boolean, as a string.",
}
_YEAR: Final[Schema] = {
    "type": "string",
    "pattern": "^[0-9]{4}$",
    "description": "The year in which the school year ends.",
}


def name_of(collection: str) -> str:
    """The name of the schema of one record."""
    singular = model.COLLECTIONS[collection].singular
    return singular[0].upper() + singular[1:]


def ref(name: str) -> Schema:
    """A reference to another schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def of(collections: Mapping[str, model.Collection]) -> dict[str, Schema]:
    """Every schema that bodies of these collections need, by name."""
    found: dict[str, Schema] = {"Metadata": _metadata()}
    for name, collection in collections.items():
        own = name_of(name)
        found[own] = _record(collection)
        found[f"Single{own}"] = _closed({collection.singular: ref(own)}, [collection.singular])
        found[f"{own}Set"] = _closed({name: _list(ref(own))}, [name])
        for field in collection.members(VERSION):
            if field.target:
                found[f"{name_of(field.target)}Ref"] = _reference(field.target)
    if "users" in collections:
        found |= _of_users()
    return dict(sorted(found.items()))


def _record(collection: model.Collection) -> Schema:
    required = model.required(collection.name, VERSION)
    properties: dict[str, Schema] = {
        "sourcedId": _described(_TEXT, "Names the record for as long as it lives."),
        "status": word("status"),
        "dateLastModified": {
            "type": "string",
            "format": "date-time",
            "description": "When the record last changed for this application, in UTC.",
        },
    }
    for field in collection.members(VERSION):
        properties[field.name] = _member(field)
        if field.name in required and properties[field.name].get("type") == "array":
            properties[field.name]["minItems"] = 1
    return _closed(properties, [name for name in properties if name in required | _ALWAYS])


_ALWAYS: Final = frozenset({"sourcedId", "status", "dateLastModified"})


def _member(field: model.Field) -> Schema:
    kind = members.Kind
    if field.target:
        named = ref(f"{name_of(field.target)}Ref")
        return named if field.kind is kind.REF else _list(named)
    value = word(field.vocabulary) if field.vocabulary else _TEXT
    forms: Mapping[members.Kind, Callable[[], Schema]] = {
        kind.FLAG: lambda: _FLAG,
        kind.DATE: lambda: _DATE,
        kind.YEAR: lambda: _YEAR,
        kind.TEXTS: lambda: _list(value),
        kind.ROLES: lambda: _list(ref("Role")),
        kind.IDS: lambda: _list(ref("UserId")),
        kind.PROFILES: lambda: _list(ref("UserProfile")),
        kind.METADATA: lambda: ref("Metadata"),
    }
    form = forms.get(field.kind)
    return value if form is None else form()


def word(vocabulary: str) -> Schema:
    """A word of a list; most lists take a district's own words too."""
    table = vocabularies.VOCABULARIES[vocabulary]
    listed: Schema = {"type": "string", "enum": sorted(table.words)}
    if not table.extensible:
        return listed
    own = {"type": "string", "pattern": f"^{vocabularies.EXTENSION.pattern}$"}
    return {"anyOf": [listed, own]}


def _of_users() -> dict[str, Schema]:
    role = {
        "roleType": word("roleType"),
        "role": word("role"),
        "org": ref("OrgRef"),
        "userProfile": _URI,
        "beginDate": _DATE,
        "endDate": _described(_DATE, "The first day on which the role does not hold any more."),
    }
    profile = {
        "profileId": _URI,
        "profileType": _TEXT,
        "vendorId": _TEXT,
        "applicationId": _TEXT,
        "description": _TEXT,
        "credentials": _list(ref("Credential")),
    }
    credential = {"type": _TEXT, "username": _TEXT, "password": _TEXT}
    return {
        "Role": _closed(role, ["roleType", "role", "org"]),
        "UserId": _closed({"type": _TEXT, "identifier": _TEXT}, ["type", "identifier"]),
        "UserProfile": _closed(profile, ["profileId", "profileType", "vendorId"]),
        "Credential": {
            "type": "object",
            "properties": credential,
            "required": ["type", "username"],
            "additionalProperties": True,
        },
    }


def _reference(collection: str) -> Schema:
    kind = {"type": "string", "enum": [model.COLLECTIONS[collection].singular]}
    properties = {
        "href": _described(_URI, "Where the record is served to the same application."),
        "sourcedId": _TEXT,
        "type": kind,
    }
    return _closed(properties, ["href", "sourcedId", "type"])


def _metadata() -> Schema:
    return {
        "type": "object",
        "additionalProperties": True,
        "description": "What a district shares beside the standard, by key.",
    }


def _closed(properties: Mapping[str, Schema], required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _described(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}
