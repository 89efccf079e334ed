"""One commit of the repository, cross-checked.

A Config only exists when every document fits every other: whoever holds one never meets a
permission for an application that is not there. All problems are found in one run, by the table
of named checks in `checks`; warnings do not stand in the way of a Config.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from rosterd import documents, errors, loading
from rosterd.configs import checks, drafts, endings, grants, policies, renaming

__all__ = ["Config", "Ending", "Grant", "bounded", "check", "forbidden", "renamed", "renames"]

Grant = grants.Grant
bounded = grants.bounded
renamed = renaming.renamed
renames = renaming.renames
Ending = endings.Ending


@dataclass(frozen=True, slots=True)
class Config:
    """What the repository says. Mappings go by name, `permissions` by the application's name."""

    applications: Mapping[str, documents.Application]
    permissions: Mapping[str, documents.Permission]
    targets: Mapping[str, documents.SftpTarget]
    listings: Mapping[str, documents.Listing]
    sources: Mapping[str, documents.RosterSource]
    repository: documents.Repository
    grants: Mapping[str, Grant]
    templates: Mapping[str, documents.ExportTemplate] = field(default_factory=dict)

    def grant(self, application: str) -> Grant:
        """What the application may see; KeyError for a name that no application has."""
        return self.grants[application]

    def endings(self, today: date) -> tuple[Ending, ...]:
        """Grants that end within a month, the nearest first."""
        return endings.endings(self.grants.values(), today)

    def targets_of(self, application: str) -> tuple[documents.SftpTarget, ...]:
        """The application's targets, by name."""
        return tuple(
            target
            for _, target in sorted(self.targets.items())
            if target.application == application
        )


def check(loaded: loading.Loaded) -> tuple[Config | None, tuple[errors.Problem, ...]]:
    """The Config, and all problems of its documents, sorted by place.

    There is a Config when no problem is an error. Problems that loading found are among them.
    """
    draft = drafts.Draft(loaded)
    found = {*loaded.problems, *draft.problems}
    for named in checks.CHECKS:
        found.update(named(draft))
    found.update(policies.breaches(draft))
    problems = tuple(sorted(found))
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return _config(draft), problems


def forbidden(loaded: loading.Loaded, accepted: Config) -> tuple[errors.Problem, ...]:
    """What these documents do that the accepted config's policies call an error."""
    levels = accepted.repository.policies.levels()
    strict: dict[str, documents.Level] = {
        name: "error" if level == "error" else "off" for name, level in levels.items()
    }
    if set(strict.values()) == {"off"}:
        return ()
    return tuple(sorted(policies.breaches(drafts.Draft(loaded), strict)))


def _config(draft: drafts.Draft) -> Config:
    applications = draft.named(documents.Application)
    by_application = {
        permission.application: permission
        for permission in draft.named(documents.Permission).values()
    }
    (repository,) = draft.named(documents.Repository).values()
    listings = draft.named(documents.Listing)
    granted = {
        name: draft.grant(application, by_application.get(name), listings)
        for name, application in applications.items()
    }
    return Config(
        applications=MappingProxyType(applications),
        permissions=MappingProxyType(by_application),
        targets=MappingProxyType(draft.named(documents.SftpTarget)),
        listings=MappingProxyType(listings),
        sources=MappingProxyType(draft.named(documents.RosterSource)),
        templates=MappingProxyType(draft.named(documents.ExportTemplate)),
        repository=repository,
        grants=MappingProxyType(granted),
    )
