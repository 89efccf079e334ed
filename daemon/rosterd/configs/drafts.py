"""Documents of one commit while they are being checked.

Conditions are read once, here: a check looks at their trees, and the grants keep them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rosterd import documents, errors, loading, selections, templates
from rosterd.configs import grants
from rosterd.oneroster import filters

_Kind = TypeVar("_Kind", bound=documents.AnyDocument)
Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One `where` that could be read, and where it stands."""

    located: loading.Located
    loc: Loc
    collection: str
    tree: filters.Tree


class Draft:
    """The documents by kind, with what several checks need of them."""

    def __init__(self, loaded: loading.Loaded) -> None:
        self._loaded = loaded
        self._named: dict[str, dict[str, documents.AnyDocument]] = {
            kind: {} for kind in documents.KINDS
        }
        for located in loaded.documents:
            self._named[located.document.kind][located.document.name] = located.document
        self.conditions: list[Condition] = []
        self.problems: list[errors.Problem] = []
        for located in loaded.documents:
            for loc, collection, text in _conditions(located.document):
                self._read(located, loc, collection, text)

    def everything(self) -> Iterator[loading.Located]:
        """Every document, by path."""
        return iter(self._loaded.documents)

    def located(self, kind: type[_Kind]) -> Iterator[tuple[loading.Located, _Kind]]:
        """Every document of a kind, by path."""
        for located in self._loaded.documents:
            if isinstance(located.document, kind):
                yield located, located.document

    def named(self, kind: type[_Kind]) -> dict[str, _Kind]:
        """Every document of a kind by its name, in the order of names."""
        found = sorted(self._named[kind.__name__].items())
        return {name: document for name, document in found if isinstance(document, kind)}

    def exists(self, kind: str, name: str) -> bool:
        """Whether a file of that kind and name is there, also when it could not be read."""
        return name in self._named[kind] or documents.path_of(kind, name) in self._loaded.broken

    def names(self, kind: str) -> Sequence[str]:
        """Names of the kind's documents that could be read."""
        return list(self._named[kind])

    def grant(
        self,
        application: documents.Application,
        permission: documents.Permission | None,
        listings: Mapping[str, documents.Listing],
    ) -> grants.Grant:
        """The grant of one application. Only for documents without errors."""
        (repository,) = self.named(documents.Repository).values()
        listing = listings.get(application.listing) if application.listing else None
        exclude = selections.selection(repository.exclude, "users")
        if permission is None or permission.access != "basic":
            return grants.Grant(application, permission, listing, exclude)
        return grants.Grant(
            application,
            permission,
            listing,
            exclude,
            orgs=selections.selection(permission.orgs, "orgs"),
            courses=selections.selection(permission.courses, "courses"),
            classes=selections.selection(permission.classes, "classes"),
            people=selections.people(permission.people),
        )

    def _read(self, located: loading.Located, loc: Loc, collection: str, text: str) -> None:
        try:
            tree = selections.where(text, collection)
        except filters.FilterError as error:
            self.problems.append(
                located.problem(loc, error.message, code="where", offset=error.column - 1)
            )
        else:
            self.conditions.append(Condition(located, loc, collection, tree))


def _conditions(document: documents.AnyDocument) -> Iterator[tuple[Loc, str, str]]:
    """Every `where` of a document as (loc, collection, text)."""
    if isinstance(document, documents.Repository) and document.exclude is not None:
        yield ("exclude", "where"), "users", document.exclude.where
    if isinstance(document, documents.ExportTemplate):
        for number, file in enumerate(document.files):
            if file.where is not None:
                subject = templates.GRAINS[file.rows].subject
                yield ("files", number, "where"), subject, file.where
    rules, start = rules_of(document)
    if rules is None:
        return
    for name, part in (
        ("orgs", rules.orgs),
        ("courses", rules.courses),
        ("classes", rules.classes),
    ):
        if isinstance(part, documents.Parts) and part.where is not None:
            yield (*start, name, "where"), name, part.where
    if rules.people is not None and rules.people.where is not None:
        yield (*start, "people", "where"), "users", rules.people.where


def rules_of(document: documents.AnyDocument) -> tuple[documents.Rules | None, Loc]:
    """What a document shares, or recommends to share, and where it says so."""
    if isinstance(document, documents.Permission):
        return document, ()
    if isinstance(document, documents.Listing):
        return document.recommended, ("recommended",)
    return None, ()
