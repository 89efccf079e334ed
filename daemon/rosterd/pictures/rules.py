"""Field rules of one grant: what is withheld, masked, and shared although hidden.

Names are those of REST 1.2 (`users.phone`, `users.metadata.bus`). Rules change records only
downwards: a mask that does not fit its member takes the member away.
"""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rosterd import configs
from rosterd.oneroster import model

CONSTANT: Final = "masked"
"""What `constant` says for everybody."""

Mask = Callable[[str], str]


def _initial(value: str) -> str:
    """The first letter, with the marks that belong to it."""
    end = 1
    while end < len(value) and unicodedata.combining(value[end]):
        end += 1
    return value[:end]


def _year(value: str) -> str:
    """The first day of its year: the member still has to be a date."""
    return f"{value[:4]}-01-01"


_TEXTUAL: Final = (model.Kind.TEXT, model.Kind.TEXTS)
_MASKS: Final[Mapping[str, tuple[tuple[model.Kind, ...], Mask]]] = {
    "initial": (_TEXTUAL, _initial),
    "constant": (_TEXTUAL, lambda _: CONSTANT),
    "year": ((model.Kind.DATE,), _year),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The field rules for one collection.

    `withheld` are members (and `metadata.KEY`) that are not there, `masks` what is done to each
    value of a member. `keys` are the metadata keys that are sent. `vendor` is (vendorId,
    applicationId or None) of the profiles that are sent, None when none is.
    """

    withheld: frozenset[str]
    masks: Mapping[str, Mask]
    keys: frozenset[str]
    password: bool
    vendor: tuple[str, str | None] | None

    def hides(self, dotted: str) -> bool:
        """Whether a path names something that this application never gets."""
        member, _, rest = dotted.partition(".")
        if member == "metadata":
            return rest not in self.keys
        if member == "userProfiles" or dotted == "roles.userProfile":
            return self.vendor is None
        return member in self.withheld

    def apply(self, record: dict[str, Any]) -> None:
        """Change a canonical record in place."""
        _keep(record, "metadata", self.keys)
        if not self.password:
            record.pop("password", None)
        self._profiles(record)
        for member in self.withheld & record.keys():
            del record[member]
        for member, mask in self.masks.items():
            holder, name = _place(record, member)
            if name in holder:
                holder[name] = masked(holder[name], mask)

    def mask(self, dotted: str) -> Mask | None:
        """What is done to the values of a path."""
        return self.masks.get(dotted)

    def _profiles(self, record: dict[str, Any]) -> None:
        kept = [each for each in record.pop("userProfiles", ()) if self.shows(each)]
        if kept and not self.password:
            kept = [_without_passwords(each) for each in kept]
        if kept:
            record["userProfiles"] = kept
        ids = {each["sourcedId"] for each in kept}
        for role in record.get("roles", ()):
            # a profile that is not sent must not be named by a role either
            if isinstance(role, dict) and role.get("userProfile") not in ids:
                role.pop("userProfile", None)

    def shows(self, profile: Mapping[str, Any]) -> bool:
        """Whether a profile is of the vendor and the application of the listing.

        A profile of one application of the vendor is not sent to another one, nor to one whose
        listing does not say which it is.
        """
        if self.vendor is None or profile.get("vendorId") != self.vendor[0]:
            return False
        return profile.get("applicationId") in (None, self.vendor[1])


def of(grant: configs.Grant, collection: str) -> Rules:
    """The rules of a grant for the records of one collection."""
    prefix = f"{collection}."
    withheld = {name.removeprefix(prefix) for name in grant.withheld if name.startswith(prefix)}
    shared = {name.removeprefix(prefix) for name in grant.shared if name.startswith(prefix)}
    masks: dict[str, Mask] = {}
    for name, word in grant.masks.items():
        if not name.startswith(prefix):
            continue
        member = name.removeprefix(prefix)
        kinds, mask = _MASKS[word]
        if _kind(collection, member) in kinds:
            masks[member] = mask
        else:  # it cannot be half shown, and must not be shown whole
            withheld.add(member)
    withheld.discard("sourcedId")
    if "parent" in withheld:
        withheld.add("children")  # the same fact, said from the other end
    keys = frozenset() if "metadata" in withheld else _keys(shared) - _keys(withheld)
    return Rules(
        withheld=frozenset(withheld),
        masks=masks,
        keys=keys,
        password="password" in shared - withheld,
        vendor=_vendor(grant) if "userProfiles" in shared - withheld else None,
    )


def signature(grant: configs.Grant, collection: str) -> str:
    """A text that is the same for two grants whose rules for the collection do the same."""
    prefix = f"{collection}."
    parts: list[object] = [
        sorted(name for name in names if name.startswith(prefix))
        for names in (grant.withheld, grant.shared)
    ]
    masks = {name: word for name, word in grant.masks.items() if name.startswith(prefix)}
    parts += [sorted(masks.items()), of(grant, collection).vendor]
    return repr(parts)


def _kind(collection: str, member: str) -> model.Kind | None:
    if member.startswith("metadata."):
        return model.Kind.TEXT
    field = model.COLLECTIONS[collection].field(member)
    return None if field is None else field.kind


def masked(value: str | list[str], mask: Mask) -> str | list[str]:
    """A member's value behind its mask; of a list each mask once, so that its length tells less."""
    if isinstance(value, str):
        return mask(value)
    return list(dict.fromkeys(map(mask, value)))


def _vendor(grant: configs.Grant) -> tuple[str, str | None] | None:
    listing = grant.listing
    if listing is None or listing.vendor_id is None:
        return None
    return listing.vendor_id, listing.application_id


def _place(record: dict[str, Any], member: str) -> tuple[dict[str, Any], str]:
    """Where a member or a key of metadata stands."""
    if member.startswith("metadata."):
        return record.get("metadata", {}), member.removeprefix("metadata.")
    return record, member


def _keys(names: set[str]) -> frozenset[str]:
    return frozenset(
        name.removeprefix("metadata.") for name in names if name.startswith("metadata.")
    )


def _keep(record: dict[str, Any], member: str, keys: frozenset[str]) -> None:
    held = record.pop(member, None)
    if held and keys:
        kept = {key: value for key, value in held.items() if key in keys}
        if kept:
            record[member] = kept


def _without_passwords(profile: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(profile)
    if "credentials" in shown:
        shown["credentials"] = [
            {name: value for name, value in each.items() if name != "password"}
            for each in shown["credentials"]
        ]
    return shown
