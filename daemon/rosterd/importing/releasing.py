"""Letting go an import that is held, by a signature of somebody who is listed.

The socket says which account of the machine asks; that is not enough to let half a roster go. So a
person whose key the settings list signs for the revision, which names the one generation whose
numbers were shown, and for the reason, which goes on record with the name.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rosterd import errors, settings, storage
from rosterd.git import people, running, signatures
from rosterd.importing import holding

NAMESPACE: Final = "rosterd-release"
"""The ssh signature namespace: an approval of a commit is no release, nor the reverse."""
_LIFE: Final = timedelta(hours=1)
_SKEW: Final = timedelta(minutes=5)


def payload(source: str, revision: str, reason: str, made: datetime) -> bytes:
    """The bytes that are signed: canonical JSON."""
    said = {
        "v": 1,
        "source": source,
        "revision": revision,
        "reason": reason,
        "made": made.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Releasing:
    """Takes signatures for what is held."""

    def __init__(
        self,
        machine: settings.Settings,
        state: storage.Storage,
        clock: Callable[[], datetime],
    ) -> None:
        self._review = machine.review
        self._home = machine.paths.state
        self._state = state
        self._clock = clock

    async def find(self, revision: str) -> storage.Held:
        """What is held under a revision, or under its first digits.

        Raises errors.InputError when nothing is.
        """
        held = await self._state.run(lambda store: store.held_imports())
        found = [each for each in held if each.revision.startswith(revision)]
        if len(revision) < holding.SHOWN or len(found) != 1:
            raise errors.InputError(
                f"cannot find what is held as {revision[:64]}: `rosterd roster held` lists it"
            )
        return found[0]

    async def release(self, signed: bytes, signature: str, who: str) -> storage.Held:
        """Let go what `signed` names; `who` asks. The next pass serves it.

        Raises errors.InputError when the signature does not count, or nothing of that name is held.
        """
        said = _opened(signed, self._clock())
        held = await self.find(said["revision"])
        if held.source != said["source"] or held.revision != said["revision"]:
            raise errors.InputError("cannot release: what was signed is not what is held")
        person, key = await self._signer(signed, signature)
        note = storage.Note(
            "roster-released",
            who,
            held.source,
            self._clock(),
            {
                "who": person,
                "key": key,
                "reason": said["reason"],
                "revision": held.revision,
                "delivery": held.delivery,
                "excesses": [dict(each) for each in held.excesses],
            },
        )
        done = await self._state.run(
            lambda store: store.release_import(held.source, held.revision, person, notes=[note])
        )
        if not done:
            raise errors.InputError("cannot release: it was released already, or is held no more")
        return held

    async def _signer(self, signed: bytes, signature: str) -> tuple[str, str]:
        listed = await asyncio.to_thread(
            people.load, self._review.allowed_signers, self._review.revoked_keys, self._clock()
        )
        programs = running.hardened(self._home)
        found = await signatures.signer(
            programs, signed, signature, listed, namespace=NAMESPACE, folder=self._home
        )
        if found is None:
            raise errors.InputError(
                "cannot release: the signature is not good, or its key is not listed for"
                f" {NAMESPACE} in the settings' allowed_signers"
            )
        return found


def _opened(signed: bytes, now: datetime) -> dict[str, Any]:
    """The members of a payload that is exactly as we would write it, and of this hour."""
    try:
        said = json.loads(signed)
        made = datetime.fromisoformat(said["made"])
        exact = payload(str(said["source"]), str(said["revision"]), str(said["reason"]), made)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.InputError("cannot release: what was signed cannot be read") from error
    if exact != signed or not str(said["reason"]).strip() or len(str(said["reason"])) > 500:
        raise errors.InputError(
            "cannot release: what was signed is not as rosterd writes it, or has no reason"
        )
    if not -_SKEW <= now - made <= _LIFE:
        raise errors.InputError("cannot release: it was signed more than an hour ago; sign again")
    opened: dict[str, Any] = said
    return opened
