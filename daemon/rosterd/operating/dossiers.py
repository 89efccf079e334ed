"""What is known of an application besides what it sees: its documents, its vendor, its past."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rosterd import configs, disclosures, documents, errors, ledger, storage, worlds
from rosterd.auditing import events, planned
from rosterd.operating import moments
from rosterd.web import desk

FEW: Final = 20
CHANGES: Final = 200
"""How many applied changes are looked through for the one that made a document what it is."""


_Made = Mapping[tuple[str, str], storage.Change]


@dataclass(frozen=True, kw_only=True)
class Dossiers:
    """Implements web.desk.Dossiers."""

    served: worlds.Worlds
    store: storage.Storage
    inquiries: disclosures.Inquiries
    book: ledger.Ledger

    async def dossier(self, application: str) -> desk.Dossier:
        """Of one application. Raises errors.InputError when there is none of that name."""
        world = self.served.current
        if world.config is None or application not in world.config.applications:
            raise errors.InputError(f"cannot show {application}: no application has that name")
        config, declared = world.config, world.config.applications[application]
        applied = await self.store.run(lambda kept: kept.applied())
        grant = world.grant(application) or config.grant(application)
        named = _papers(config, application)
        texts = applied.documents if applied is not None else {}
        made = await self._made(named)
        agreement = declared.agreement
        return {
            "name": application,
            "company": declared.company,
            "description": declared.description,
            "owner": _contact(declared.owner),
            "developers": [_contact(each) or "" for each in declared.developers],
            "agreement": f"{agreement.reference}, until {agreement.expires}" if agreement else None,
            "roles": _roles(world, application),
            "withheld": sorted(grant.withheld),
            "masked": {name: str(mask) for name, mask in sorted(grant.masks.items())},
            "shared": sorted(grant.shared),
            "papers": [_paper(kind, name, texts, made) for kind, name in named],
            "targets": [
                _target(config, config.targets[name])
                for kind, name in named
                if kind == "SftpTarget"
            ],
        }

    async def _made(self, named: Sequence[tuple[str, str]]) -> _Made:
        """Most documents were touched lately, and plans of many documents are long to read."""
        found: _Made = {}
        for few in (FEW, CHANGES):
            changes = await self.store.run(lambda kept, few=few: kept.history(few))  # type: ignore[misc]  # the default is a number
            found = await asyncio.to_thread(_made, changes, frozenset(named))
            if len(found) == len(named) or len(changes) < few:
                break
        return found

    async def accesses(self, limit: int, application: str | None) -> Sequence[desk.Used]:
        """The newest first, of one application or of all."""
        return [
            {
                "application": each.application,
                "kind": each.kind,
                "status": each.status,
                "time": moments.text(each.time),
                "count": each.count,
            }
            for each in await self.book.accesses(limit, application=application)
        ]

    async def sights(self, application: str, limit: int) -> Sequence[desk.Seen]:
        """How its access went: the newest moments at which it changed, the oldest first."""
        return [
            {
                "time": moments.text(each.time),
                "cause": each.cause,
                "records": dict(each.records),
            }
            for each in await self.inquiries.turns(application, limit)
        ]

    async def catalog(self) -> Sequence[desk.Listed]:
        """By title."""
        config = self.served.current.config
        if config is None:
            return []
        added: dict[str, list[str]] = {}
        for application in config.applications.values():
            if application.listing is not None:
                added.setdefault(application.listing, []).append(application.name)
        listings = sorted(config.listings.values(), key=lambda each: each.title.casefold())
        return [_listed(each, sorted(added.get(each.name, ()))) for each in listings]


def _papers(config: configs.Config, application: str) -> list[tuple[str, str]]:
    """(kind, name) of the documents about it."""
    found = [("Application", application)]
    permission = config.grant(application).permission
    if permission is not None:
        found.append(("Permission", permission.name))
    targets = sorted(
        each.name for each in config.targets.values() if each.application == application
    )
    return [*found, *(("SftpTarget", name) for name in targets)]


def _made(changes: Sequence[storage.Change], named: frozenset[tuple[str, str]]) -> _Made:
    """(kind, name) -> the newest change that gave the document another meaning."""
    found: dict[tuple[str, str], storage.Change] = {}
    for change in changes:
        plan = planned.read(events.event(change.record).content)
        for each in plan.changes if plan is not None else ():
            if (each.kind, each.name) in named:
                found.setdefault((each.kind, each.name), change)
        if len(found) == len(named):
            break
    return found


def _paper(kind: str, name: str, texts: Mapping[str, bytes], made: _Made) -> desk.Paper:
    path, change = documents.path_of(kind, name), made.get((kind, name))
    return {
        "path": path,
        "text": texts.get(path, b"").decode("utf-8", "replace"),
        "commit": change.commit if change is not None else None,
        "time": moments.text(change.time) if change is not None else None,
        "people": list(change.people) if change is not None else [],
    }


def _roles(world: worlds.World, application: str) -> dict[str, int]:
    source = world.of(application)
    if source.generation is None:
        return {}
    roster, users = source.generation.roster, world.view(application).rows["users"]
    orgs = roster.active["orgs"]
    counts = {
        role: roster.role_holders([role], orgs, None).intersection_cardinality(users)
        for role in sorted(roster.roles())
    }
    return {role: count for role, count in counts.items() if count}


def _target(config: configs.Config, target: documents.SftpTarget) -> desk.Target:
    export = target.export
    when = "after each import that changed something"
    if export.when is None:
        zone = export.timezone or config.repository.timezone
        days = export.days or ()
        named = "every day" if len(days) == len(documents.DAYS) else ", ".join(days)
        when = f"{named} at {export.time:%H:%M} ({zone})"
    return {
        "name": target.name,
        "enabled": target.enabled,
        "server": f"{target.username}@{target.host}:{target.port}",
        "directory": target.directory,
        "template": export.template,
        "mode": export.mode,
        "schedule": when,
        "host_keys": list(target.host_keys),
    }


def _contact(contact: documents.Contact | None) -> str | None:
    return None if contact is None else f"{contact.name} <{contact.email}>"


def _listed(listing: documents.Listing, added: list[str]) -> desk.Listed:
    needs: Any = listing.needs
    return {
        "name": listing.name,
        "title": listing.title,
        "company": listing.company,
        "description": listing.description,
        "development": listing.development,
        "developers": [{"name": each.name, "email": each.email} for each in listing.developers],
        "versions": list(needs.versions or ()) if needs else [],
        "needs": [*(needs.collections or ()), *(needs.fields or ())] if needs else [],
        "recommended": documents.plain(listing.recommended) if listing.recommended else None,
        "added": added,
    }
