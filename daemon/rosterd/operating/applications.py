"""The applications of the accepted config, with what each sees now and got last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rosterd import access, blocking, configs, credentials, disclosures, ledger, storage, worlds
from rosterd.operating import moments
from rosterd.web import desk


@dataclass(frozen=True, kw_only=True)
class Applications:
    """Implements web.desk.Applications."""

    served: worlds.Worlds
    keys: credentials.Credentials
    blocking: blocking.Blocking
    inquiries: disclosures.Inquiries
    book: ledger.Ledger
    clock: Callable[[], datetime]

    async def applications(self) -> Sequence[desk.Application]:
        """All of the accepted config, by name, with what each sees now."""
        world = self.served.current
        if world.config is None:
            return []
        recent = await self.book.accesses(5000)
        rest = _latest(recent, "rest")
        sftp = _latest(recent, "sftp")
        return [
            self._application(world, world.config, name, rest.get(name), sftp.get(name))
            for name in sorted(world.config.applications)
        ]

    def _application(
        self,
        world: worlds.World,
        config: configs.Config,
        name: str,
        rest: datetime | None,
        sftp: datetime | None,
    ) -> desk.Application:
        application = config.applications[name]
        grant = world.grant(name) or config.grant(name)
        view = world.view(name) if world.generation is not None else None
        levels: Mapping[str, desk.Level] = (
            {
                collection: {"level": level, "count": count}
                for collection, (level, count) in access.levels(view).items()
            }
            if view is not None
            else {}
        )
        return {
            "name": name,
            "title": application.title,
            "company": application.company,
            "access": grant.permission.access if grant.permission is not None else "none",
            "enabled": application.enabled,
            "development": grant.listing is not None and grant.listing.development,
            "versions": list(application.rest.versions) if application.rest.enabled else [],
            "refusal": grant.refusal(world.today),
            "orgs": levels.get("orgs"),
            "courses": levels.get("courses"),
            "counts": {
                collection: len(rows) for collection, rows in (view.rows if view else {}).items()
            },
            "rest": moments.maybe(rest),
            "sftp": moments.maybe(sftp),
            "targets": sorted(
                target.name for target in config.targets.values() if target.application == name
            ),
        }

    async def reveal(self, application: str, who: str) -> Sequence[credentials.Pair]:
        """Key and secret, on record under `who`."""
        return await self.keys.reveal(application, who)

    async def seen(self, application: str, moment: datetime | None) -> Mapping[str, Any]:
        """What an application could see at a moment, None for now."""
        return await self.inquiries.view(application, moment or self.clock())

    async def block(self, application: str, reason: str, who: str) -> None:
        """Stop it at once, on record under `who`."""
        await self.blocking.block(application, reason, who)

    async def unblock(self, application: str, reason: str, who: str) -> None:
        """Let it get what its documents say again, on record under `who`."""
        await self.blocking.unblock(application, reason, who)


def _latest(accesses: Sequence[storage.Access], kind: str) -> dict[str, datetime]:
    """The last answered access of each application; what was refused is no access."""
    found: dict[str, datetime] = {}
    for each in accesses:
        if each.kind == kind and not each.status.startswith(("4", "5", "failed", "refused")):
            found[each.application] = max(each.time, found.get(each.application, each.time))
    return found
