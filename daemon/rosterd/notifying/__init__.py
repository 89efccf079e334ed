"""The loop that tells people and programs what somebody should know of.

It knows the other loops only by what it is given: a question that says what is so now. Each pass
compares that with what every receiver was told. Sending may fail, hang or be refused; then it is
tried again later, and nothing else waits for it.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from rosterd import documents, errors, mail, posting, sealing, settings, storage, worlds
from rosterd.notifying import telling

__all__ = ["Incident", "Notifying", "Seen"]

Incident = telling.Incident
Seen = telling.Seen
PASS_SECONDS: Final = 5.0
"""Between two looks."""

_log = logging.getLogger(__name__)


class Notifying:
    """Tells the receivers of the served config."""

    def __init__(
        self,
        *,
        machine: settings.Settings,
        served: worlds.Worlds,
        state: storage.Storage,
        named: sealing.Secrets,
        look: Callable[[], Awaitable[Seen]],
        clock: Callable[[], datetime],
    ) -> None:
        """`look` says what is so now."""
        self._machine = machine
        self._served = served
        self._state = state
        self._named = named
        self._look = look
        self._clock = clock
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._remembers = False
        self.problems: dict[str, str] = {}
        """Receiver -> why it cannot be reached."""

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Tell until cancelled; what could not be told then is told after the next start."""
        try:
            while True:
                beat()
                try:
                    await self.look()
                except errors.TemporaryError as error:
                    _log.warning("notifications wait: %s", error)
                except Exception as error:  # noqa: BLE001 - telling people is no reason to stop serving
                    _log.error("notifications failed: %s", type(error).__name__)
                await asyncio.sleep(PASS_SECONDS)
        finally:
            await self._cut()

    def warnings(self) -> list[str]:
        """For the status: who cannot be told, and why."""
        return [
            f"cannot notify {receiver}: {problem}"
            for receiver, problem in sorted(self.problems.items())
        ]

    async def look(self) -> None:
        """One pass: note what is new for each receiver, and begin to tell those that may be told."""
        config = self._served.current.config
        if config is None:
            return
        seen = await self._look()
        wanted = {each.receiver: each for each in config.repository.notifications}
        await self._state.run(lambda store: store.forget_receivers(wanted))
        self.problems = {name: why for name, why in self.problems.items() if name in wanted}
        kept = await self._state.run(lambda store: store.notices())
        standing = {each.receiver: each for each in await self._receivers()}
        if not self._remembers:  # after a restart: it may be an hour until the next try
            self._remembers = True
            known = {name: each.problem for name, each in standing.items() if each.problem}
            self.problems = known | self.problems
        now = self._clock()
        for name, wish in wanted.items():
            if name in self._sending:
                continue
            mine = [each for each in kept if each.receiver == name]
            about = [each for each in seen.incidents if each.about in wish.about]
            notices = telling.advanced(name, mine, about, seen.unknown, now)
            receiver = standing.get(name) or storage.Receiver(name)
            lines = telling.due(notices, now) if telling.open_to(receiver, now) else []
            notices = telling.tried(notices, lines)
            if notices != mine:
                await self._keep(name, notices)
            if lines:
                sending = self._send(wish, config.repository.title, receiver, notices, lines)
                task = asyncio.create_task(sending, name=f"notifying: {name}")
                self._sending[name] = task
                task.add_done_callback(lambda _task, name=name: self._sending.pop(name))  # type: ignore[misc]  # the default is a string

    async def settle(self) -> None:
        """Wait for what is being sent."""
        await asyncio.gather(*self._sending.values())

    async def _send(
        self,
        wish: documents.Notification,
        district: str,
        receiver: storage.Receiver,
        notices: list[storage.Notice],
        lines: list[telling.Line],
    ) -> None:
        name = wish.receiver
        try:
            await self._deliver(wish, district, lines)
        except errors.RosterdError as error:
            await self._failed(receiver, str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again later
            await self._failed(receiver, f"it failed here ({type(error).__name__})")
            return
        self.problems.pop(name, None)
        now = self._clock()
        await self._keep(name, telling.told(notices, lines, now))
        await self._standing(dataclasses.replace(
            receiver, sent=now, failures=0, retry=None, problem=""
        ))  # fmt: skip

    async def _failed(self, receiver: storage.Receiver, problem: str) -> None:
        self.problems[receiver.receiver] = problem
        _log.warning("cannot notify %s: %s", receiver.receiver, problem)
        await self._standing(telling.failed(receiver, problem, self._clock()))

    async def _deliver(
        self, wish: documents.Notification, district: str, lines: list[telling.Line]
    ) -> None:
        if wish.to is not None:
            server = mail.server(self._machine.mail)
            letter = mail.Mail(
                wish.to,
                telling.headline(district, lines),
                telling.text(lines),
                self._machine.mail.reply_to,
            )
            await mail.send(server, letter)
        elif wish.webhook is not None:
            url = await self._named.webhook(wish.webhook)
            made = telling.slack if wish.format == "slack" else telling.payload
            await posting.post(url, made(district, lines))

    async def _receivers(self) -> list[storage.Receiver]:
        return list(await self._state.run(lambda store: store.receivers()))

    async def _keep(self, name: str, notices: list[storage.Notice]) -> None:
        await self._state.run(lambda store: store.keep_notices(name, notices))

    async def _standing(self, receiver: storage.Receiver) -> None:
        await self._state.run(lambda store: store.keep_receiver(receiver))

    async def _cut(self) -> None:
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
