"""Documents that have another name than before: `previously` says so.

To everybody who only compares names a renamed application is one that was removed and another one
that came: its vendor would lose key, secret and all that it was ever sent. So whoever compares two
configs first lets the older one speak of its applications by their new names.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from rosterd import documents

if TYPE_CHECKING:
    from rosterd.configs import Config, Grant

Names = Mapping[str, str]
"""Former name -> name."""


def renames(old: "Config | None", new: "Config", kind: str = "Application") -> dict[str, str]:
    """Documents of one kind that are called otherwise in `new`.

    A `previously` that nothing in `old` answers to says nothing: it may stand there for years after
    the rename.
    """
    before, after = ({} if old is None else _named(old, kind)), _named(new, kind)
    found = {}
    for name, document in after.items():
        former = getattr(document, "previously", None)
        if former in before and former not in after and name not in before:
            found[former] = name
    return found


def renamed(config: "Config", names: Names) -> "Config":
    """The same config with its applications under their new names."""
    if not names.keys() & config.applications.keys():
        return config

    def now(name: str) -> str:
        return names.get(name, name)

    applications = {
        now(name): each.model_copy(update={"name": now(name)})
        for name, each in config.applications.items()
    }
    permissions = {
        now(name): each.model_copy(update={"application": now(name)})
        for name, each in config.permissions.items()
    }
    targets = {
        name: each.model_copy(update={"application": now(each.application)})
        for name, each in config.targets.items()
    }
    grants = {now(name): _granted(grant, now(name)) for name, grant in config.grants.items()}
    return replace(
        config,
        applications=MappingProxyType(applications),
        permissions=MappingProxyType(permissions),
        targets=MappingProxyType(targets),
        grants=MappingProxyType(grants),
    )


def _granted(grant: "Grant", name: str) -> "Grant":
    permission = grant.permission
    if permission is not None:
        permission = permission.model_copy(update={"application": name})
    application = grant.application.model_copy(update={"name": name})
    return replace(grant, application=application, permission=permission)


def _named(config: "Config", kind: str) -> dict[str, documents.AnyDocument]:
    every: Mapping[str, Mapping[str, documents.AnyDocument]] = {
        "Application": config.applications,
        "Permission": config.permissions,
        "SftpTarget": config.targets,
    }
    return {each.name: each for each in every[kind].values()}
