"""Taking the values of one member out of a record.

Readers are made once per path and kept in it, so that reading a column of a million records pays
for no look-up of what the path means.
"""

from collections.abc import Callable, Mapping

from rosterd.oneroster import uris, vocabularies

Read = Callable[[Mapping[str, object]], tuple[str, ...]]


def status(record: Mapping[str, object]) -> tuple[str, ...]:
    """The status; a record that says none is active."""
    return (str(record.get("status", "active")),)


def metadata(name: str) -> Read:
    def read(record: Mapping[str, object]) -> tuple[str, ...]:
        extra = record.get("metadata")
        value = extra.get(name) if isinstance(extra, dict) else None
        return () if value is None else (str(value),)

    return read


def one(name: str) -> Read:
    def read(record: Mapping[str, object]) -> tuple[str, ...]:
        value = record.get(name)
        return () if value is None else (str(value),)

    return read


def every(name: str) -> Read:
    def read(record: Mapping[str, object]) -> tuple[str, ...]:
        value = record.get(name)
        return tuple(value) if isinstance(value, list) else ()

    return read


def nested(name: str, sub: str) -> Read:
    inner, _, innermost = sub.partition(".")

    def read(record: Mapping[str, object]) -> tuple[str, ...]:
        entries = record.get(name)
        if not isinstance(entries, list):
            return ()
        if innermost:
            entries = [deep for entry in entries for deep in entry.get(inner, ())]
        wanted = innermost or inner
        if wanted == "profileId":
            return tuple(uris.profile(entry["sourcedId"]) for entry in entries)
        found = tuple(entry[wanted] for entry in entries if wanted in entry)
        return tuple(map(uris.profile, found)) if wanted == "userProfile" else found

    return read


def demoted(read: Read, vocabulary: str) -> Read:
    demote = vocabularies.VOCABULARIES[vocabulary].demote

    def older(record: Mapping[str, object]) -> tuple[str, ...]:
        words = dict.fromkeys(demote(word) for word in read(record))
        return tuple(word for word in words if word is not None)

    return older


def _role_1p1(record: Mapping[str, object]) -> tuple[str, ...]:
    roles = record.get("roles")
    role = vocabularies.role_1p1(roles) if isinstance(roles, list) else record.get("role")
    return () if role is None else (str(role),)


def _orgs_1p1(record: Mapping[str, object]) -> tuple[str, ...]:
    roles, primary = record.get("roles"), record.get("primaryOrg")
    if isinstance(roles, list):
        return tuple(vocabularies.orgs_1p1(roles, str(primary) if primary else None))
    return every("orgs")(record)


ROLE_1P1: Mapping[str, Read] = {"role": _role_1p1, "orgs": _orgs_1p1}
