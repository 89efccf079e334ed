"""What an application's catalogue entry says it cannot work without, held against what it gets.

Deliveries by file can be made to wait for it; REST never is. A vendor that asks gets the roster as
it is and decides itself; to refuse it would end sign-ins of everybody for one class without a
teacher, and what may leave at all is decided by grants and guards.
"""

from collections.abc import Collection
from typing import Final

from rosterd import documents, pictures, sanity
from rosterd.oneroster import model

_FEW: Final = 10
_PEOPLE: Final = frozenset({"users", "enrollments", "demographics"})


def broken(picture: pictures.Picture, offered: Collection[str]) -> tuple[str, ...]:
    """What is needed and not so, each as words for logs and people; nothing in them names a person.

    `offered` are the OneRoster versions in which the application gets this picture; none for forms
    that are of no version.
    """
    listing = picture.view.grant.listing
    if listing is None or listing.needs is None:
        return ()
    needs = listing.needs
    return (
        *_versions(needs, offered),
        *_collections(needs, picture),
        *_fields(needs, picture),
        *_checks(needs, picture),
    )


def _versions(needs: documents.Needs, offered: Collection[str]) -> list[str]:
    read = needs.versions or ()
    if not offered or not read or set(read) & set(offered):
        return []
    return [f"it reads OneRoster {' or '.join(read)} and gets {' and '.join(sorted(offered))}"]


def _collections(needs: documents.Needs, picture: pictures.Picture) -> list[str]:
    rows = picture.view.rows
    return [f"it gets no {name}" for name in needs.collections or () if not rows[name]]


def _fields(needs: documents.Needs, picture: pictures.Picture) -> list[str]:
    grant, found = picture.view.grant, []
    for name in needs.fields or ():
        if name in grant.withheld:
            found.append(f"{name} is withheld")
        elif model.hidden(name) and name not in grant.shared:
            found.append(f"{name} is not shared")
    return found


def _checks(needs: documents.Needs, picture: pictures.Picture) -> list[str]:
    if not needs.zero:
        return []
    found = []
    for each in sanity.report(picture, needs.zero):
        if each.count is None:  # nobody can say that it is none: the careful answer is no
            found.append(f"{each.check}: not known, as what it looks at is withheld or masked")
        elif each.count:
            found.append(f"{each.check}: {counted(each)}")
    return found


def counted(finding: sanity.Finding) -> str:
    """How many were found, for logs and mails: few people are told as "<10"."""
    count = finding.count or 0
    return "<10" if 0 < count < _FEW and finding.collection in _PEOPLE else f"{count:,}"
