"""Who may look at the console, and as what.

Tokens are made and handed out by whoever administers the machine; the file holds their sha256 only,
so reading it is not enough to sign in. It is read again when it changed: a line that is removed
ends that person's access, sessions included.
"""

import logging
import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, cast

_log = logging.getLogger(__name__)

Role = Literal["metrics", "viewer", "operator"]
ROLES: Final = ("metrics", "viewer", "operator")
"""Each may do what those before it may. `metrics` is for a monitoring program: it reads numbers."""
SESSION: Final = 12 * 3600.0
"""Seconds a browser stays signed in."""
_SESSIONS: Final = 500
_SESSIONS_EACH: Final = 20
"""Browsers of one token. Of all sessions the oldest goes first, so nobody may have most of them."""
_NOTHING: Final = sha256(b"").hexdigest()
_LONGEST_FILE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may look; an operator may also act where an endpoint lets them."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this one has `role`, or more."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Operators:
    """The people of the tokens file, and their browsers' sessions."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._people: dict[str, Operator] = {}  # by sha256 of the token
        self._told: str | None = None
        self._sessions: dict[str, tuple[str, float]] = {}  # sha256 of session -> that of the token

    @property
    def any(self) -> bool:
        """Whether anybody could sign in."""
        self._look()
        return bool(self._people)

    @property
    def problem(self) -> str:
        """Why nobody can sign in; empty when somebody can, or when nobody is meant to."""
        self._look()
        if self._path is None or self._people:
            return ""
        if self._told is not None:
            return f"nobody may use the console: {self._told}"
        return f"nobody may use the console: {self._path} names nobody"

    def known(self, token: str) -> Operator | None:
        """Whose token this is."""
        self._look()
        return self._people.get(_digest(token))

    def sign_in(self, token: str) -> str | None:
        """The secret of a new session for a cookie; None for a token that nobody has."""
        if self.known(token) is None:
            return None
        mine = [each for each, (owner, _) in self._sessions.items() if owner == _digest(token)]
        for each in mine[: max(0, len(mine) - _SESSIONS_EACH + 1)]:
            del self._sessions[each]
        while len(self._sessions) >= _SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = (_digest(token), self._clock() + SESSION)
        return session

    def of_session(self, session: str) -> Operator | None:
        """Whose session this is; None once it ended, or its token was taken away."""
        self._look()
        token, ends = self._sessions.get(_digest(session), ("", 0.0))
        return self._people.get(token) if self._clock() < ends else None

    def sign_out(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(session), None)

    def _look(self) -> None:
        if self._path is None:
            return
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return
            if status.st_mode & 0o022:  # whoever may write here could add themselves
                raise PermissionError(0, "others than its owner may write to it; make it 0600")
            with self._path.open(encoding="utf-8") as file:
                self._people = _people(file.read(_LONGEST_FILE), self._path)
            self._stamp, self._told = stamp, None
        except (OSError, UnicodeDecodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8"
            told = f"cannot read {self._path}: {reason}"
            if told != self._told:  # once, also when it was never there
                _log.warning("nobody may use the console: %s", told)
            self._people, self._stamp, self._told = {}, None, told


def _people(text: str, path: Path) -> dict[str, Operator]:
    people: dict[str, Operator] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        good = (
            len(words) == 3
            and words[1] in ROLES
            and len(words[2]) == 64
            and set(words[2].lower()) <= set(string.hexdigits)
        )
        if good and words[2].lower() == _NOTHING:
            # what `printf %s "$token" | sha256sum` gives when the variable is empty
            _log.warning(
                "line ignored, it is the digest of an empty token: %s:%d (make it again)",
                path,
                number,
            )
        elif good:
            people[words[2].lower()] = Operator(words[0], cast("Role", words[1]))
        else:
            _log.warning(
                "line ignored, it is not `name role sha256`: %s:%d (role is metrics, viewer or operator)",
                path,
                number,
            )
    return people


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
