"""Files for somebody who brings them on by hand, to receivers that take no SFTP.

They are made of the same picture as a delivery, refused for the same reasons, and on record before
anybody has them: who took them, and whose records are in them.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from rosterd import configs, disclosures, documents, errors, pictures, storage, worlds
from rosterd.exporting import bundles, customs

TARGET: Final = "by hand"
_MOST_WORDS: Final = 0xFFFF


class Handing:
    """Makes the files of one application in one form."""

    def __init__(
        self,
        *,
        spool: Path,
        served: worlds.Worlds,
        state: storage.Storage,
        clock: Callable[[], datetime],
        leaving: disclosures.Disclosures | None = None,
    ) -> None:
        self._spool = spool
        self._served = served
        self._state = state
        self._clock = clock
        self._leaving = leaving
        self._one = asyncio.Lock()

    async def hand(self, application: str, form: str, who: str) -> BinaryIO:
        """A zip of the files, open for reading and in no folder any more.

        `form` is one of the standard's own or the name of an ExportTemplate. Raises
        errors.InputError when nothing may leave, errors.TemporaryError before there is a roster.
        """
        world = self._served.current
        config = _ready(world)
        template = _template(config, form)
        view = world.view(_known(config, application))
        reason = bundles.refusal(view, None)
        if reason is not None:
            raise errors.InputError(f"cannot hand out files of {application}: {reason}")
        details = {"template": form, "commit": world.commit or ""}
        note = storage.Note("handed", who, application, self._clock(), details)
        await self._state.run(lambda store: store.note(note))
        version = "1.1" if form == "oneroster-1.1" else "1.2"
        if self._leaving is not None:
            await self._leaving.bundle(
                world, application, target=TARGET, version=version, rows=view.rows, gone={}
            )
        picture = world.picture(application, version)
        async with self._one:
            out = await asyncio.to_thread(self._zipped, picture, template, version)
        if not self._same(world, application, form):
            out.close()
            raise errors.TemporaryError(
                f"cannot hand out files of {application}: what it gets, or in which form, changed"
                " while they were made; ask again"
            )
        return out

    def _same(self, world: worlds.World, application: str, form: str) -> bool:
        """Whether what was made of `world` may still leave: to make it can take minutes."""
        now = self._served.current
        try:
            return (
                world.grant(application) == now.grant(application)
                and now.view(application).refusal is None
                and _template(_ready(world), form) == _template(_ready(now), form)
            )
        except errors.RosterdError:
            return False

    def _zipped(
        self,
        picture: pictures.Picture,
        template: documents.ExportTemplate | None,
        version: str,
    ) -> BinaryIO:
        self._spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.ExitStack() as failing:
            out: BinaryIO = tempfile.TemporaryFile(dir=self._spool)  # noqa: SIM115 - given away open
            failing.callback(out.close)
            if template is None:
                bundles.zipped(picture, version, out, self._spool)
            else:
                written = customs.zipped(picture, template, out, self._spool)
                _remark(out, customs.losses(written))
            out.seek(0)
            failing.pop_all()
        return out


def _remark(archive: BinaryIO, words: str) -> None:
    """Put words for whoever unpacks it where a zip has room for them: at its end, with their
    length before them.
    """
    remark = words.encode()[:_MOST_WORDS]
    archive.seek(-2, os.SEEK_END)
    archive.write(len(remark).to_bytes(2, "little") + remark)


def _ready(world: worlds.World) -> configs.Config:
    if world.config is None or world.generation is None:
        raise errors.TemporaryError("cannot hand out files before there are a config and a roster")
    if world.config.repository.suspended is not None:
        raise errors.InputError("cannot hand out files while rosterd.yaml says suspended")
    return world.config


def _known(config: configs.Config, application: str) -> str:
    if application not in config.applications:
        raise errors.InputError(f"cannot hand out files: there is no application {application}")
    return application


def _template(config: configs.Config, form: str) -> documents.ExportTemplate | None:
    if form in documents.ONEROSTER:
        return None
    template = config.templates.get(form)
    if template is None:
        known = ", ".join((*documents.ONEROSTER, *sorted(config.templates)))
        raise errors.InputError(f"cannot hand out files as {form}: known here are {known}")
    return template
