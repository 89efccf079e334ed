"""Writing to the developers of an application.

A letter says what is true now: one that calls a disabled application enabled is refused. It goes to
addresses of the Application document alone, so that nobody at the socket can send links to keys
anywhere else: a new reader takes a commit, and people who vouch for it.
"""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rosterd import (
    configs,
    credentials,
    documents,
    errors,
    letters,
    mail,
    plans,
    revealing,
    settings,
    storage,
    worlds,
)
from rosterd.operating import moments
from rosterd.web import desk

_log = logging.getLogger(__name__)
_PLACE: Final = "/reveal/… (made when it is sent)"
_FAILING: Final = frozenset(("failed", "refused"))


@dataclass(frozen=True, kw_only=True)
class Letters:
    """Implements web.desk.Letters."""

    machine: settings.Settings
    served: worlds.Worlds
    store: storage.Storage
    keys: credentials.Credentials
    links: revealing.Links
    clock: Callable[[], datetime]

    async def letterbox(self, application: str) -> desk.Letterbox:
        """What can be written about it now, and to whom."""
        world = self.served.current
        if world.config is None or application not in world.config.applications:
            raise errors.InputError(
                f"cannot write about {application}: no applied config has this application"
            )
        failing = await self._failing(world.config, application)
        return {
            "application": application,
            "server": self.machine.mail.host is not None,
            "readers": [
                {"name": each.name, "email": each.email}
                for each in world.config.applications[application].developers
            ],
            "templates": [
                {"template": each, "refusal": _untrue_now(world, application, each, failing) or ""}
                for each in letters.TEMPLATES
            ],
        }

    async def write(
        self, application: str, template: str, to: str | None, who: str, *, preview: bool
    ) -> desk.Letter:
        """Send it, on record under `who`; or, with `preview`, only show it."""
        world = self.served.current
        if world.config is None or application not in world.config.applications:
            raise errors.InputError(
                f"cannot write about {application}: no applied config has this application"
            )
        if template not in letters.TEMPLATES:
            known = ", ".join(letters.TEMPLATES)
            raise errors.InputError(f"cannot write {template}: the templates are {known}")
        which = template
        index, contact = _reader(world.config.applications[application], to)
        failing = await self._failing(world.config, application)
        _true_now(world, application, which, failing)
        linked = which in letters.LINKED and _rest(world, application)
        facts = await self._facts(world, world.config, application, contact, failing)
        if preview:
            if linked:
                facts = _with_link(facts, self.machine.listen.public_url + _PLACE, "72 hours later")
            return _letter(facts, which, index, contact, sent=False, ends=None)
        server = mail.server(self.machine.mail)
        ends = None
        if linked:
            sent = await self.links.make(application, who)
            ends = moments.text(sent.expires)
            facts = _with_link(facts, sent.url, f"{sent.expires:%Y-%m-%d %H:%M} UTC")
        subject, text = letters.compose(which, facts)
        # The contact by its number: the addresses stand in the documents of that commit.
        details = {"contact": index, "template": which, "commit": world.commit, "link": linked}
        note = storage.Note("mailed", who, application, self.clock(), details)
        await self.store.run(lambda store: store.note(note))  # before it leaves
        reply_to = self.machine.mail.reply_to
        try:
            await mail.send(server, mail.Mail(contact.email, subject, text, reply_to))
        except errors.RosterdError:
            if linked:
                await self.links.drop(application)
            raise
        _log.info("letter sent application=%s template=%s contact=%d", application, which, index)
        return _letter(facts, which, index, contact, sent=True, ends=ends)

    async def _facts(
        self,
        world: worlds.World,
        config: configs.Config,
        name: str,
        contact: documents.Contact,
        failing: tuple[letters.Failing, ...],
    ) -> letters.Facts:
        application = config.applications[name]
        view = world.view(name) if world.generation is not None else None
        answers = config.repository.contact
        rest = _rest(world, name)
        retiring = [
            row.retires
            for row in await self.store.run(lambda store: store.credentials())
            if row.application == name and row.retires is not None and row.retires > self.clock()
        ]
        return letters.Facts(
            application=name,
            title=application.title,
            reader=contact.name,
            district=config.repository.title,
            contact=f"{answers.name} <{answers.email}>" if answers is not None else None,
            base=self.machine.listen.public_url if rest else "",
            versions=tuple(application.rest.versions) if rest else (),
            overlap_ends=f"{max(retiring):%Y-%m-%d %H:%M} UTC" if retiring else None,
            targets=tuple(
                sorted(
                    target.name
                    for target in config.targets.values()
                    if target.application == name and target.enabled
                )
            ),
            counts={
                collection: plans.count(collection, len(rows), exact=False)
                for collection, rows in (view.rows if view is not None else {}).items()
                if rows
            },
            failing=failing,
        )

    async def _failing(self, config: configs.Config, name: str) -> tuple[letters.Failing, ...]:
        found = []
        for target in sorted(config.targets.values(), key=lambda target: target.name):
            if target.application != name or not target.enabled:
                continue
            called = target.name
            runs = await self.store.run(lambda store, of=called: store.export_runs(1, target=of))  # type: ignore[misc]  # the default is a string
            if runs and runs[0].state in _FAILING:
                since = f"{runs[0].started:%Y-%m-%d %H:%M} UTC"
                found.append(
                    letters.Failing(called, target.host, runs[0].name, since, runs[0].problem)
                )
        return tuple(found)


def _reader(application: documents.Application, to: str | None) -> tuple[int, documents.Contact]:
    """(number from 1, contact): the first, who signed the application up, or the one asked for."""
    for index, contact in enumerate(application.developers, start=1):
        if to is None or contact.email.casefold() == to.casefold():
            return index, contact
    if not application.developers:
        raise errors.InputError(
            f"cannot write about {application.name}: it has no developers; commit a contact first"
        )
    known = ", ".join(contact.email for contact in application.developers)
    raise errors.InputError(
        f"cannot write about {application.name} to that address: it is none of its developers"
        f" ({known})"
    )


def _true_now(
    world: worlds.World,
    name: str,
    template: letters.Template,
    failing: tuple[letters.Failing, ...],
) -> None:
    """Raises errors.InputError for a letter that would say what is not so."""
    wrong = _untrue_now(world, name, template, failing)
    if wrong is not None:
        raise errors.InputError(f"cannot write {template} about {name}: {wrong}")


def _untrue_now(
    world: worlds.World,
    name: str,
    template: letters.Template,
    failing: tuple[letters.Failing, ...],
) -> str | None:
    """Why a letter would say what is not so."""
    refusal = _refusal(world, name)
    if template == "export-failing":
        return None if failing else "the last delivery to none of its targets failed"
    if template == "disabled":
        return None if refusal is not None else "it gets its part now"
    if refusal is not None:
        return f"it gets nothing now ({refusal})"
    if template == "credentials-rotated" and not _rest(world, name):
        return "its REST API is off"
    return None


def _rest(world: worlds.World, name: str) -> bool:
    """Whether key and secret are of use to it now."""
    config = world.config
    return (
        config is not None
        and config.applications[name].rest.enabled
        and _refusal(world, name) is None
    )


def _refusal(world: worlds.World, name: str) -> str | None:
    """Why it gets nothing now; None when it gets its part."""
    if name in world.blocks:
        return "it is blocked on this machine"
    grant = world.grant(name)
    return grant.refusal(world.today) if grant is not None else "it is not served yet"


def _with_link(facts: letters.Facts, link: str, ends: str) -> letters.Facts:
    return dataclasses.replace(facts, link=link, link_ends=ends)


def _letter(
    facts: letters.Facts,
    template: letters.Template,
    index: int,
    contact: documents.Contact,
    *,
    sent: bool,
    ends: str | None,
) -> desk.Letter:
    """As it is told: the link of a sent letter is for its reader alone."""
    shown = facts
    if sent and facts.link is not None:
        shown = _with_link(facts, facts.link.rpartition("/")[0] + "/…", facts.link_ends)
    subject, text = letters.compose(template, shown)
    return {
        "application": facts.application,
        "template": template,
        "contact": index,
        "to": contact.email,
        "subject": subject,
        "text": text,
        "sent": sent,
        "link_ends": ends,
    }
