"""Members of records as rows of link files: the way back of `folding`.

REST gives these links no sourcedId, the files want one. It is derived from what is linked, so the
same link has the same sourcedId in every package and in both kinds of delivery.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Record = Mapping[str, Any]
Unfold = Callable[[Record], Iterator[Record]]


def derived(*parts: str) -> str:
    """A sourcedId in the form of a UUID that follows from the parts."""
    text = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))


def roles(user: Record) -> Iterator[Record]:
    """Rows of roles.csv; a role whose profile has no row of its own is told without it."""
    profiles = {profile["sourcedId"] for profile in _credited(user)}
    told: Counter[tuple[str, str]] = Counter()
    for role in user.get("roles", ()):
        key = (role["role"], role["org"])
        again = (str(told[key]),) if told[key] else ()
        told[key] += 1
        row = {
            **role,
            "sourcedId": derived("role", user["sourcedId"], *key, *again),
            "user": user["sourcedId"],
        }
        if row.get("userProfile") not in profiles:
            row.pop("userProfile", None)
        yield row


def profiles(user: Record) -> Iterator[Record]:
    """Rows of userProfiles.csv, one for each credential: the first has the profile's sourcedId."""
    for profile in _credited(user):
        for number, credential in enumerate(profile["credentials"]):
            own = profile["sourcedId"]
            yield {
                **profile,
                "sourcedId": derived("profile", own, str(number)) if number else own,
                "user": user["sourcedId"],
                "credentialType": credential["type"],
                "username": credential["username"],
                "password": credential.get("password", ""),
            }


def resources(owner: str) -> Unfold:
    """Rows that link records of a collection, called `owner` in the file, to their resources."""

    def unfold(record: Record) -> Iterator[Record]:
        own = record["sourcedId"]
        for resource in record.get("resources", ()):
            sourced_id = derived("resource", owner, own, resource)
            yield {"sourcedId": sourced_id, owner: own, "resource": resource}

    return unfold


def _credited(user: Record) -> Iterator[Record]:
    """A profile without credentials has no form in CSV."""
    return (profile for profile in user.get("userProfiles", ()) if profile.get("credentials"))


BY_FILE: Mapping[str, Unfold] = {
    "classResources": resources("class"),
    "courseResources": resources("course"),
    "userResources": resources("user"),
    "roles": roles,
    "userProfiles": profiles,
}
