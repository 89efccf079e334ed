"""What a reviewer must not overlook: a closed table of named warnings.

A plan can be long, and what does harm is often one line of it. Each warning here is a name that
machines and people can rely on, with a sentence; whatever is on no row of the table is no warning.
They speak of documents and applications, never of a person of the roster.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rosterd import configs, documents
from rosterd.plans import diffing, exposing


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """One warning: its name in the table, the path or application it is about, and a sentence."""

    name: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the checks look at."""

    before: Mapping[diffing.Key, documents.AnyDocument]
    after: Mapping[diffing.Key, documents.AnyDocument]
    changes: Sequence[diffing.Change]
    exposure: Sequence[exposing.Exposure]

    def pairs(self, kind: str) -> Iterator[tuple[diffing.Change, Any, Any]]:
        """(change, document before or None, document after or None) of one kind."""
        for change in self.changes:
            if change.kind == kind:
                key = (kind, change.name)
                yield change, self.before.get(key), self.after.get(key)


Said = Iterator[tuple[str, str]]
Check = Callable[[Facts], Said]


def notices(
    old: configs.Config | None,
    new: configs.Config,
    changes: Sequence[diffing.Change],
    exposure: Sequence[exposing.Exposure] | None,
) -> tuple[Notice, ...]:
    """Every warning of a change, in the order of the table."""
    before, after = diffing.documents_of(old), diffing.documents_of(new)
    facts = Facts(before, after, changes, exposure or ())
    return tuple(
        Notice(name, subject, text)
        for name, check in CHECKS.items()
        for subject, text in check(facts)
    )


def of_rule(people: int) -> tuple[Notice, ...]:
    """The warning of a review rule that asks for fewer than two people."""
    if people == 1:
        return (Notice("one-person", "review.people", "one person alone vouches for a change"),)
    if people == 0:
        return (Notice("unproven", "review.people", "nobody has to vouch for a change"),)
    return ()


# ---------------------------------------------------------------- who sees what


def _full(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("Permission"):
        if is_ is not None and is_.access == "full" and (was is None or was.access != "full"):
            yield change.path, f"{is_.application} would see everything"


def _begins(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("Application"):
        if is_ is not None and is_.enabled and (was is None or not was.enabled):
            yield change.path, f"{change.name} would be enabled"


def _gains(facts: Facts) -> Said:
    for each in facts.exposure:
        if each.gains:
            yield each.application, "it would see more than it sees now"


def _may_gain(facts: Facts) -> Said:
    """Without a roster, whatever is not on the closed list of narrowings."""
    if facts.exposure:
        return
    for change, was, is_ in facts.pairs("Permission"):
        if is_ is not None and is_.access != "none" and not change.narrowing:
            words = "is new" if was is None else "does not only take away"
            yield change.path, f"this permission {words}: {is_.application} may see more"


def _demographics(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("Permission"):
        if is_ is None or is_.access != "basic" or is_.demographics is False:
            continue
        before = was.demographics if was is not None and was.access == "basic" else False
        if before != is_.demographics and not (was is not None and was.access == "full"):
            yield change.path, f"{is_.application} would get demographics"


def _shares(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("Permission"):
        more = _shared(is_) - _shared(was)
        if more:
            text = f"{is_.application} would get what is never sent unless named: "
            yield change.path, text + ", ".join(sorted(more))


def _shared(permission: documents.Permission | None) -> set[str]:
    fields = permission.fields if permission is not None else None
    return set(fields.share or ()) if fields is not None else set()


def _agreement(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("Application"):
        if was is None or is_ is None or was.agreement is None:
            continue
        if is_.agreement is None:
            yield change.path, f"the agreement of {change.name} would be gone"
        elif is_.agreement.reference != was.agreement.reference:
            yield change.path, f"{change.name} would stand on another agreement"
        elif is_.agreement.expires > was.agreement.expires:
            yield change.path, f"the agreement of {change.name} would end later"


def _ends(facts: Facts) -> Said:
    for each in facts.exposure:
        if each.refused_before is None and each.refused_after is not None:
            yield each.application, f"it would get nothing any more: {each.refused_after}"


def _empties(facts: Facts) -> Said:
    for each in facts.exposure:
        held = any(delta.before for delta in each.collections.values())
        left = any(delta.after for delta in each.collections.values())
        if each.refused_after is None and held and not left:
            yield each.application, "nothing would be left of what it sees"


# ---------------------------------------------------------------- where data goes


def _hosts(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("SftpTarget"):
        if is_ is not None and (was is None or (was.host, was.port) != (is_.host, is_.port)):
            yield change.path, f"files of {is_.application} would go to {is_.host}:{is_.port}"


def _keys(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("SftpTarget"):
        if was is None or is_ is None or (was.host, was.port) != (is_.host, is_.port):
            continue
        if set(is_.host_keys) - set(was.host_keys):
            yield change.path, f"{is_.host} would be trusted by another key"


def _places(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("SftpTarget"):
        if was is None or is_ is None:
            continue
        if (was.username, was.directory) != (is_.username, is_.directory):
            yield change.path, f"files of {is_.application} would go to another place on the server"
        if was.application != is_.application:
            yield change.path, f"it would deliver what {is_.application} may see"


def _templates(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("ExportTemplate"):
        if is_ is None:
            continue
        users = sorted(
            target.name
            for target in facts.after.values()
            if isinstance(target, documents.SftpTarget) and target.export.template == change.name
        )
        if users:
            words = "would be filled by it" if was is None else "would hold something else"
            yield change.path, f"files of {', '.join(users)} {words}"


def _renamed(facts: Facts) -> Said:
    for change in facts.changes:
        is_ = facts.after.get((change.kind, change.name))
        former = getattr(is_, "previously", None)
        if change.action == "added" and former is not None:
            yield change.path, f"it would take the place of {former}, with all that it holds"


def _delivers(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("SftpTarget"):
        if is_ is not None and is_.enabled and (was is None or not was.enabled):
            yield change.path, f"deliveries of {is_.application} would begin"


# ---------------------------------------------------------------- people, sources, protection


_CONTACTS: Final = ("owner", "developers", "contact")


def _contacts(facts: Facts) -> Said:
    for change in facts.changes:
        about = {each.field.split(".")[0] for each in change.fields} & set(_CONTACTS)
        if about and change.kind != "Listing" and change.action != "removed":
            yield change.path, f"other people: {', '.join(sorted(about))}"


_PACE: Final = frozenset(
    {"enabled", "settle", "schedule", "retention", "staleAfter", "deadline", "keep"}
)
"""Fields of a source that say when it is read, and not what."""
_CARE: Final = frozenset({"thresholds", "expected", "blackout", "additionsOnly"})
"""Those that say what is not taken in at once."""


def _sources(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("RosterSource"):
        if is_ is None:
            yield change.path, "a source of rosters would go"
        elif was is None:
            yield change.path, "rosters would come from a new source"
        else:
            fields = {each.field.split(".")[0] for each in change.fields}
            if fields - _PACE - _CARE:
                yield change.path, "rosters would come from another place, or in another way"
            if fields & _CARE:
                said = ", ".join(sorted(fields & _CARE))
                yield change.path, f"what holds imports back would change: {said}"


def _protection(facts: Facts) -> Said:
    for change in facts.changes:
        was = facts.before.get((change.kind, change.name))
        is_ = facts.after.get((change.kind, change.name))
        if getattr(was, "protected", False) and not getattr(is_, "protected", False):
            yield change.path, "it would be protected no more"


def _never_shared(facts: Facts) -> Said:
    for change, was, is_ in facts.pairs("Repository"):
        if was is not None and is_ is not None and was.exclude != is_.exclude:
            words = "nobody would be kept back" if is_.exclude is None else "others would be"
            yield change.path, f"who is never shared changes: {words}"


_GUARDS: Final = frozenset(
    {"limits", "release", "freeze", "suspended", "holdDays", "policies", "review"}
)


def _guards(facts: Facts) -> Said:
    for change, was, _ in facts.pairs("Repository"):
        if was is None:
            continue
        changed = {each.field.split(".")[0] for each in change.fields} & _GUARDS
        if changed:
            yield change.path, f"what holds changes back would change: {', '.join(sorted(changed))}"


CHECKS: Final[Mapping[str, Check]] = {
    "full-access": _full,
    "widening": _gains,
    "may-widen": _may_gain,
    "demographics": _demographics,
    "shares-hidden-fields": _shares,
    "begins": _begins,
    "new-host": _hosts,
    "host-key": _keys,
    "other-place": _places,
    "delivers": _delivers,
    "template": _templates,
    "renamed": _renamed,
    "contact": _contacts,
    "source": _sources,
    "protection-lifted": _protection,
    "never-shared": _never_shared,
    "guards": _guards,
    "agreement": _agreement,
    "ends": _ends,
    "emptied": _empties,
}
"""Name -> check, what opens most first. `one-person` and `unproven` come from the settings."""
