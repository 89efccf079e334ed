"""Links by which a developer takes an application's key and secret, once.

Mail is read on its way, kept for years and forwarded. So a letter holds no secret but a link, and
what the link is worth ends soon: with its first use, after 72 hours, with a newer link, with the
key that it was made for, or with the application's access. Of the token only its sha256 is kept.
"""

import asyncio
import contextlib
import hmac
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from rosterd import credentials, errors, storage, worlds

LIFETIME: Final = timedelta(hours=72)
PATH: Final = "/reveal/"
"""Behind `public_url`; the token follows."""
TIDY: Final = 600.0
"""Seconds after which expired links are looked for at the latest."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A link that was made. The token is in `url` and nowhere else."""

    url: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """What a link shows, once."""

    title: str
    key: str
    secret: str


class Links:
    """One live link for each application at most."""

    def __init__(
        self,
        store: storage.Storage,
        served: worlds.Worlds,
        keys: credentials.Credentials,
        public_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._worlds = served
        self._keys = keys
        self._base = public_url
        self._clock = clock

    async def make(self, application: str, who: str) -> Sent:
        """A new link; the one before it is worth nothing any more.

        Raises errors.InputError for an application that could not use a key now.
        """
        key = self._keys.current(application)
        if key is None or not self._served(application):
            raise errors.InputError(
                f"cannot send credentials of {application}: it has no REST access now"
            )
        token = secrets.token_urlsafe(32)
        now = self._clock()
        link = storage.RevealLink(application, _digest(token), key, now, now + LIFETIME, who)
        await self._store.run(lambda store: store.keep_reveal_link(link))
        return Sent(f"{self._base}{PATH}{token}", link.expires)

    async def drop(self, application: str) -> None:
        """End the link of an application, if there is one."""
        await self._store.run(lambda store: store.drop_reveal_links([application]))

    async def spend(self, token: str) -> Shown | None:
        """What the link shows; None for one that is unknown, used, or worth nothing any more.

        It is gone before anything is shown, and the showing is on record before it happens: a crash
        in between costs a new letter, and no secret.
        """
        digest = _digest(token)
        known = await self._store.run(lambda store: store.reveal_links())
        if not any(hmac.compare_digest(digest, each.digest) for each in known):
            return None  # a guess, that the store's one writer does not hear of
        link = await self._store.run(lambda store: store.spend_reveal_link(digest))
        if link is None or not self._good(link):
            return None
        actor = f"whoever had the link that {link.actor} sent"
        try:
            pair = (await self._keys.reveal(link.application, actor))[0]
        except errors.InputError:
            return None  # a commit took it away in this very moment
        config = self._worlds.current.config
        if pair.key != link.key or config is None:
            return None
        return Shown(config.applications[link.application].title, pair.key, pair.secret)

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """End links as soon as what they were made for ends."""
        world = self._worlds.current
        while True:
            beat()
            try:
                await self._sweep()
            except errors.TemporaryError as error:
                _log.warning("links that ended are still kept: %s", error)
            # not wait_for: on 3.11 it swallows a cancellation that meets the wake-up
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TIDY):
                    world = await self._worlds.wait(world)

    async def _sweep(self) -> None:
        if self._worlds.current.config is None:
            return  # nothing was applied yet, or the state has to come from git again
        links = await self._store.run(lambda store: store.reveal_links())
        ended = [link.application for link in links if not self._good(link)]
        if ended:
            await self._store.run(lambda store: store.drop_reveal_links(ended))

    def _good(self, link: storage.RevealLink) -> bool:
        return (
            link.expires > self._clock()
            and self._served(link.application)
            and self._keys.current(link.application) == link.key
        )

    def _served(self, application: str) -> bool:
        """Whether it may use the REST API now, held or not."""
        world = self._worlds.current
        if world.config is None or application not in world.config.applications:
            return False
        grant = world.grant(application)
        return (
            application not in world.blocks
            and grant is not None
            and grant.refusal(world.today) is None
            and world.config.applications[application].rest.enabled
        )


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
