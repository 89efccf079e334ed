"""Link rows (roles, profiles, resources) put into the records of their owners.

REST has no such records: a user's roles are a member of the user. The link rows of a package are
gathered by owner before the owners are read; what nobody took is dangling. Equal links are kept
once, as tuples, because there are more of them than users.
"""

from collections.abc import Callable, Iterable, Iterator

from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files, problems, rows

OrgType = Callable[[str], str | None]
_Entry = tuple[int, str, tuple[str | None, ...]]  # line, the link's own sourcedId, values

_PARTS: dict[str, tuple[str, ...]] = {
    "roles": ("roleType", "role", "org", "userProfile", "beginDate", "endDate"),
    "userProfiles": (
        "profileType",
        "vendorId",
        "applicationId",
        "description",
        "credentialType",
        "username",
        "password",
    ),
    "userResources": ("resource",),
    "classResources": ("resource",),
    "courseResources": ("resource",),
}


class Links:
    """The active rows of one link file by owner; `take` gives each owner's once."""

    def __init__(self, name: str, file: files.File, links: Iterable[rows.Row]) -> None:
        self.name = name
        self.file = file
        self._by_owner: dict[str, list[_Entry]] = {}
        shared: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}
        parts = _PARTS[file.name]
        for link in links:
            if link.status != "active":
                continue
            values = tuple([link.record.get(part) for part in parts])
            entry = (link.line, link.record["sourcedId"], shared.setdefault(values, values))
            self._by_owner.setdefault(link.record[str(file.owner)], []).append(entry)

    def take(self, owner: str) -> list[_Entry]:
        return self._by_owner.pop(owner, [])

    def left(self) -> Iterator[int]:
        """Lines whose owner never came."""
        for entries in self._by_owner.values():
            yield from (line for line, _, _ in entries)


class Folder:
    """Folds the given links into records; one for each reading of a collection."""

    def __init__(self, links: Iterable[Links], org_type: OrgType, found: problems.Problems) -> None:
        # Roles come last: they name profiles.
        self._links = sorted(links, key=lambda one: one.file.into == "roles")
        self._org_type = org_type
        self._found = found

    def fold(self, record: rows.Record) -> None:
        """Add the members that the links of this record make."""
        for links in self._links:
            entries = links.take(record["sourcedId"])
            if links.file.into == "roles":
                entries = list(self._profiled(links, record, entries))
                value: list[object] = list(self._roles(links, entries))
            elif links.file.into == "userProfiles":
                value = [_profile(own, values) for _, own, values in entries]
            else:  # the first edition of 1.2 named resources in users.csv as well
                named = record.get(str(links.file.into), [])
                value = list(dict.fromkeys([*named, *(values[0] for _, _, values in entries)]))
            if value:
                record[str(links.file.into)] = value

    def finish(self) -> None:
        """Note the links whose owner is not in the package."""
        for links in self._links:
            owner = links.file.owner
            names = [column.name for column in links.file.columns if column.member == owner]
            for line in links.left():
                self._found.add(links.name, line, 0, "dangling", names[0])

    def _profiled(
        self, links: Links, record: rows.Record, entries: Iterable[_Entry]
    ) -> Iterator[_Entry]:
        """Roles without the profiles that this user has not: nobody could look them up."""
        told = any(one.file.into == "userProfiles" for one in self._links)
        own = {profile["sourcedId"] for profile in record.get("userProfiles", ())}
        for line, sourced_id, values in entries:
            kept = values
            if told and values[3] is not None and values[3] not in own:
                self._found.add(links.name, line, 0, "foreign-profile", "userProfileSourcedId")
                kept = (*values[:3], None, *values[4:])
            yield line, sourced_id, kept

    def _roles(self, links: Links, entries: Iterable[_Entry]) -> Iterator[rows.Record]:
        primary: set[str] = set()
        given: set[tuple[str | None, ...]] = set()
        for line, _, values in entries:
            role = dict(zip(_PARTS["roles"], values, strict=True))
            org = str(role["org"])
            role["role"] = self._role(str(role["role"]), org)
            if tuple(role.values()) in given:
                continue
            given.add(tuple(role.values()))
            if role["roleType"] == "primary":
                if org in primary:
                    self._found.add(links.name, line, 0, "second-primary", "roleType")
                    role["roleType"] = "secondary"
                primary.add(org)
            yield {name: value for name, value in role.items() if value}

    def _role(self, role: str, org: str) -> str:
        if role != "administrator":
            return role
        older = {"sourcedId": "", "role": role, "orgs": [org]}
        newer = vocabularies.from_1p1("users", older, self._org_type)
        return str(newer["roles"][0]["role"])


def _profile(sourced_id: str, values: tuple[str | None, ...]) -> rows.Record:
    """One row is one profile: its sourcedId is what roles refer to."""
    named = dict(zip(_PARTS["userProfiles"], values, strict=True))
    password = named.pop("password")
    credential = {"type": named.pop("credentialType"), "username": named.pop("username")}
    if password:
        credential["password"] = password
    kept = {name: value for name, value in named.items() if value}
    return {"sourcedId": sourced_id, **kept, "credentials": [credential]}
