"""Which members leave under which rules, by name.

A receipt that named only a version would ask its reader to know the standard and every commit.
Names are those that the version has; the three that every record carries are always among them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rosterd import configs
from rosterd.oneroster import model
from rosterd.pictures import rules

_ALWAYS: Final = ("sourcedId", "status", "dateLastModified")
_MADE_FROM: Final = {("users", "role"): "roles", ("users", "orgs"): "roles"}
"""Members of 1.1 that are made from one of 1.2, whose rules they follow."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Members that can be in a record, and those of them that are sent behind a mask.

    `departed` tells that the record had left already: the least that says so was sent.
    """

    sent: tuple[str, ...]
    masked: Mapping[str, str]
    departed: bool = False

    def document(self) -> dict[str, object]:
        """As JSON values, the same for equal ones."""
        found: dict[str, object] = {"sent": list(self.sent)}
        if self.masked:
            found["masked"] = dict(sorted(self.masked.items()))
        if self.departed:
            found["departed"] = True
        return found


def served(
    grant: configs.Grant, collection: str, version: str, picked: frozenset[str] | None = None
) -> Fields:
    """What the grant lets out; `picked` are the members that a request asked for, None for all.

    A name stands for what could be in a record, whether or not this pupil's record has it.
    """
    rule = rules.of(grant, collection)
    names = list(_ALWAYS)
    for member in model.COLLECTIONS[collection].members(version):
        source = _MADE_FROM.get((collection, member.name), member.name)
        if member.kind is model.Kind.METADATA:
            names += [f"metadata.{key}" for key in sorted(rule.keys)]
        elif f"{collection}.{member.name}" in model.HIDDEN:
            if _shared(rule, member.name):
                names.append(member.name)
        elif not rule.hides(source):
            names.append(member.name)
    if picked is not None:
        names = [name for name in names if name.partition(".")[0] in picked]
    prefix = f"{collection}."
    words = {name.removeprefix(prefix): word for name, word in grant.masks.items()}
    masked = {name: words[name] for name in names if name in rule.masks}
    return Fields(tuple(names), masked)


def departed(collection: str, version: str, picked: frozenset[str] | None = None) -> Fields:
    """What a tombstone has: the members that its version requires, as they were last sent."""
    required = model.required(collection, version)
    members = model.COLLECTIONS[collection].members(version)
    names = [*_ALWAYS, *(member.name for member in members if member.name in required)]
    if picked is not None:
        names = [name for name in names if name in picked]
    return Fields(tuple(names), {}, departed=True)


def _shared(rule: rules.Rules, member: str) -> bool:
    """Whether a member that is hidden by default goes out."""
    return rule.password if member == "password" else rule.vendor is not None
