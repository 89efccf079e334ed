"""A forge's webhook: "look now", and nothing else.

Whoever calls proves that they know a secret; what they say is not read. So a hook that is sent
twice, or again by somebody who overheard it, costs one look at the repository, and those come no
faster than one in `GAP` seconds however many hooks arrive. Bad proofs shut nobody out: behind a proxy
all calls have one address, and a stranger could silence the forge. Polling stays the guarantee: a forge that
does not call, or is refused here, only makes a change wait for the next poll.

The way of proving is fixed by the settings and never chosen by which header came: otherwise a
weaker header would do where a stronger one was meant. The body goes through the digest piece by
piece and is never kept.
"""

import asyncio
import base64
import binascii
import collections
import hmac
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web

from rosterd import errors, settings
from rosterd.web import accesses
from rosterd.web.oneroster import answers

PATH: Final = "/hooks/git"
LONGEST: Final = 1_048_576
"""Bytes of a body that are read. A push of thousands of commits may be longer; it is polled."""
PATIENCE: Final = 10.0
"""Seconds in which a body has to arrive; forges wait no longer for an answer."""
GAP: Final = 2.0
"""Seconds between two looks that hooks ask for."""
DRIFT: Final = 300.0
"""Seconds by which the time in a signed hook may differ from ours."""
LEAST_SECRET: Final = 16
"""Characters of a secret; what is shorter could be guessed from one overheard hook."""
_LONGEST_SECRET: Final = 4096
_STAMPED: Final = "whsec_"

_log = logging.getLogger(__name__)


class Hooks:
    """`POST /hooks/git` on the vendors' listener."""

    def __init__(
        self,
        webhook: settings.Webhook,
        wake: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds since 1970, for hooks that say when they were sent.

        Raises errors.InputError for a secret that cannot be read or is too short.
        """
        if webhook.scheme is None:
            raise errors.InputError("cannot take webhooks without webhook.scheme")
        self._proof = _PROOFS[webhook.scheme]
        self._files = webhook.secrets
        self._wake = wake
        self._clock = clock
        self._monotonic = monotonic
        self._last = -GAP
        self._later: asyncio.TimerHandle | None = None
        self.outcomes: collections.Counter[str] = collections.Counter()
        for written in self._secrets():
            if webhook.scheme == "gitlab":
                _stamp_key(written)

    async def answer(self, request: web.Request) -> web.Response:
        """204 to whoever proves to be the forge, whatever the event; 401 otherwise."""
        status, outcome = await self._judged(request)
        self.outcomes[outcome] += 1
        accesses.hook(outcome=outcome, status=status)
        headers = {"Server": answers.SERVER, "Cache-Control": "no-store"}
        if status == 405:
            headers["Allow"] = "POST"
        response = web.Response(status=status, headers=headers)
        if outcome == "refused":
            response.force_close()  # what is left of the body is not read
        return response

    async def _judged(self, request: web.Request) -> tuple[int, str]:
        if request.method != "POST":
            return 405, "refused"
        if request.content_type != "application/json":
            return 415, "refused"  # a form's digest is not that of what it carries
        if (request.content_length or 0) > LONGEST:
            return 413, "refused"
        try:
            proofs = self._proof(request, self._secrets(), self._clock())
        except errors.InputError as error:
            _log.error("no webhook is taken: %s", error)
            return 503, "refused"
        refused = await _taken(request, proofs)
        if refused:
            return refused, "refused"
        found = [proof.good() for proof in proofs]  # all of them: none is told by its time
        if not any(found):
            return 401, "unproven"
        self._look()
        return 204, "accepted"

    def _look(self) -> None:
        """Wake the loop now, or at the end of the gap when it was woken just before."""
        now = self._monotonic()
        if self._later is not None:
            return
        left = self._last + GAP - now
        if left <= 0:
            self._last = now
            self._wake()
        else:
            self._later = asyncio.get_running_loop().call_later(left, self._now)

    def _now(self) -> None:
        self._later = None
        self._last = self._monotonic()
        self._wake()

    def close(self) -> None:
        """Forget a look that was still to come."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _secrets(self) -> list[bytes]:
        """Read each time: rotating is writing a file, and hooks are few."""
        return [secret(path) for path in self._files]


async def _taken(request: web.Request, proofs: Iterable["Proof"]) -> int:
    """Have each proof see the whole body; gives the status of a body that is refused, else 0."""
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for piece in request.content.iter_any():
                size += len(piece)
                if size > LONGEST:
                    return 413
                for proof in proofs:
                    proof.update(piece)
    except TimeoutError:
        return 408
    except (web.RequestPayloadError, ConnectionError):
        return 400  # no body that HTTP knows, or whoever sent it has gone
    return 0


def secret(path: Path) -> bytes:
    """The secret in a file, without the line break at its end."""
    try:
        with path.open("rb") as file:
            found = file.read(_LONGEST_SECRET).strip()
    except OSError as error:
        raise errors.InputError(
            f"cannot read the webhook secret {path}: {error.strerror or error}"
        ) from error
    if len(found) < LEAST_SECRET:
        raise errors.InputError(
            f"cannot use the webhook secret {path}: it has fewer than {LEAST_SECRET} characters;"
            " `openssl rand -hex 32` makes one"
        )
    return found


# ---------------------------------------------------------------- proofs


@dataclass(slots=True)
class Proof:
    """What was sent against what one secret gives. `digest` is None where the body counts not."""

    sent: tuple[bytes, ...]
    digest: "hmac.HMAC | None"
    expected: bytes = b""

    def update(self, piece: bytes) -> None:
        if self.digest is not None:
            self.digest.update(piece)

    def good(self) -> bool:
        """Whether one of the values sent is the right one; compared in constant time."""
        expected = self.expected if self.digest is None else self.digest.digest()
        found = [hmac.compare_digest(sent, expected) for sent in self.sent if sent]
        return any(found)


_Prove = Callable[[web.Request, Iterable[bytes], float], list[Proof]]


def _one(request: web.Request, name: str) -> str:
    """The header's value; "" when it is missing or comes twice."""
    values = request.headers.getall(name, [])
    return values[0].strip() if len(values) == 1 else ""


def _hex(text: str) -> tuple[bytes, ...]:
    """The digest that is written so; none when it is empty or not of SHA-256's length."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return ()
    return (digest,) if len(digest) == 32 and len(text) == 64 else ()


def _prefixed(header: str) -> _Prove:
    def prove(request: web.Request, secrets: Iterable[bytes], now: float) -> list[Proof]:
        algorithm, _, text = _one(request, header).partition("=")
        sent = _hex(text) if algorithm == "sha256" else ()
        return [Proof(sent, hmac.new(key, digestmod="sha256")) for key in secrets]

    return prove


def _plain(header: str) -> _Prove:
    def prove(request: web.Request, secrets: Iterable[bytes], now: float) -> list[Proof]:
        sent = _hex(_one(request, header))
        return [Proof(sent, hmac.new(key, digestmod="sha256")) for key in secrets]

    return prove


def _token(request: web.Request, secrets: Iterable[bytes], now: float) -> list[Proof]:
    """The secret itself, as older GitLab sends it; the body is not covered."""
    sent = _one(request, "X-Gitlab-Token").encode("utf-8", "surrogateescape")
    return [Proof((sent,), None, key) for key in secrets]


def _stamped(request: web.Request, secrets: Iterable[bytes], now: float) -> list[Proof]:
    """`v1,<base64>` over id, time and body; the only scheme that says when it was sent."""
    name, stamp = _one(request, "webhook-id"), _one(request, "webhook-timestamp")
    timely = (
        stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(now - int(stamp)) <= DRIFT
    )
    sent = []
    for each in _one(request, "webhook-signature").split()[:8] if timely and name else ():
        version, _, text = each.partition(",")
        digest = _unpacked(text) if version == "v1" else b""
        sent.append(digest if len(digest) == 32 else b"")
    start = f"{name}.{stamp}.".encode("utf-8", "surrogateescape")
    return [Proof(tuple(sent), hmac.new(_stamp_key(key), start, "sha256")) for key in secrets]


def _stamp_key(written: bytes) -> bytes:
    key = _unpacked(written.decode("ascii", "replace").removeprefix(_STAMPED))
    if not written.startswith(_STAMPED.encode()) or len(key) < LEAST_SECRET:
        raise errors.InputError(
            f"the secret of a signed GitLab webhook begins with {_STAMPED}; write the whole signing"
            " token into the file"
        )
    return key


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


_PROOFS: Final[Mapping[str, _Prove]] = {
    "github": _prefixed("X-Hub-Signature-256"),
    "gitlab": _stamped,
    "gitlab-token": _token,
    "gitea": _plain("X-Gitea-Signature"),
    "bitbucket": _prefixed("X-Hub-Signature"),
}
