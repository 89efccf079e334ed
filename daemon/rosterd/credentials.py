"""Keys, secrets and bearer tokens: who is calling, decided from memory.

Keys and secrets are made here, never typed in and never in git: an Application document only says
the number of its key, and raising that number makes a new pair. What a request needs is a
dictionary; the store gets every change before it counts, so a restart ends no session. Tokens are
opaque, and only their sha256 is kept: when a grant is taken away its tokens are gone with it, which
no signed token could promise. Secrets have to be opened again (OAuth 1 signs with them), so they
are sealed instead of hashed; in memory they stay sealed too.
"""

import dataclasses
import hmac
import logging
import secrets
import string
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from rosterd import chain, configs, documents, errors, storage, vault, worlds

LIFETIME = 3600.0
"""Seconds a token lasts, unless its key retires before."""
TOKENS = 1000
"""Most live tokens of one application; a new one ends the oldest. Many parallel workers fit in."""

# Letters and digits only: no client's idea of escaping can change them (some build signing keys
# with `+` for a space), and a double click selects the whole.
_ALPHABET = string.ascii_letters + string.digits
_KEY_LENGTH = 24
_SECRET_LENGTH = 43  # 256 bits

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """What a valid token stands for. `expires` is in seconds since the epoch."""

    application: str
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True, slots=True)
class Client:
    """An application that proved its secret; `until` is when that secret retires, if it does."""

    application: str
    generation: int
    until: float | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token; `lifetime` in seconds."""

    token: str
    lifetime: int
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """A key and its secret in the clear, for the one who asked."""

    application: str
    generation: int
    key: str
    secret: str
    created: datetime
    retires: datetime | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the credentials become when a config is applied; `revoked` lose their tokens."""

    rows: tuple[storage.Credential, ...]
    revoked: frozenset[str]
    notes: tuple[storage.Note, ...] = ()
    """For the record: which pairs are made and which end, never what they are."""
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Former name -> name of applications whose pairs and tokens go on under the new one."""


class Credentials:
    """All keys and live tokens; the store has the same."""

    def __init__(
        self,
        store: storage.Storage,
        chest: vault.Vault,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since the epoch."""
        self._store = store
        self._vault = chest
        self._clock = clock
        self._rows: dict[str, storage.Credential] = {}  # by key
        self._tokens: dict[bytes, Access] = {}  # by sha256
        self._held: dict[str, dict[bytes, None]] = {}  # application -> digests, the oldest first
        self._decoy = self._made("", 0)

    async def load(self) -> None:
        """Take up what the store has.

        Raises errors.InputError when the vault does not open a secret: better at the start than
        when a vendor calls.
        """
        now = self._moment()
        rows = await self._store.run(lambda store: store.credentials())
        tokens = await self._store.run(lambda store: store.tokens(now))
        for row in rows:
            self._opened(row)
        self._rows = {row.key: row for row in rows}
        self._tokens.clear()
        self._held.clear()
        for token in sorted(tokens, key=lambda token: token.expires):
            access = Access(token.application, frozenset(token.scopes), token.expires.timestamp())
            self._keep(token.digest, access)

    def prepared(self, config: configs.Config, renamed: Mapping[str, str] = {}) -> Prepared:
        """The credentials under `config`: a pair for each application, at its key's number.

        Those of a `renamed` application (former name -> name) stay what they are: its vendor does
        not notice. The caller stores the rows with the config, in one transaction, and then calls
        `adopt`.
        """
        now = self._clock()
        rows: list[storage.Credential] = []
        standing = [self._renamed(row, renamed) for row in self._rows.values()]
        mine: dict[str, list[storage.Credential]] = {}
        for row in standing:
            mine.setdefault(row.application, []).append(row)
        revoked = set(mine)
        for name, application in sorted(config.applications.items()):
            live = self._live(name, now, mine.get(name, ()))
            kept = list(self._successors(name, application.rest, now, live))
            rows.extend(self._resealed(row) for row in kept)
            if {row.key for row in live} <= {row.key for row in kept}:
                revoked.discard(name)  # otherwise a pair ends at once, and what it got ends with it
        notes = tuple(_notes(standing, rows, self._moment()))
        return Prepared(tuple(sorted(rows, key=_order)), frozenset(revoked), notes, renamed)

    def adopt(self, prepared: Prepared) -> None:
        """Go by what was prepared, once it is stored."""
        for former, name in prepared.renamed.items():
            for digest in self._held.pop(former, {}):
                access = dataclasses.replace(self._tokens.pop(digest), application=name)
                self._keep(digest, access)
        for application in prepared.revoked:
            self._drop(application)
        self._rows = {row.key: row for row in prepared.rows}

    async def ensure(self, config: configs.Config) -> None:
        """Prepare, store and adopt, for a config that is applied already; idempotent."""
        prepared = self.prepared(config)
        same = prepared.rows == tuple(sorted(self._rows.values(), key=_order))
        if same and not prepared.revoked:
            return
        names = {row.application for row in (*prepared.rows, *self._rows.values())}

        def replace(store: storage.Store) -> None:
            for name in sorted(names):
                mine = [row for row in prepared.rows if row.application == name]
                about = [note for note in prepared.notes if note.subject == name]
                store.replace_credentials(name, mine, notes=about)
            for name in sorted(prepared.revoked):
                store.delete_tokens(name)

        await self._store.run(replace)
        self.adopt(prepared)

    def authenticate(self, key: str, secret: str) -> Client | None:
        """The application whose pair this is; a wrong secret and an unknown key take one time."""
        client, kept = self.signer(key)
        given = secret.encode("utf-8", "surrogateescape")
        right = hmac.compare_digest(sha256(kept).digest(), sha256(given).digest())
        return client if right else None

    def signer(self, key: str) -> tuple[Client | None, bytes]:
        """The application of a key, with the secret by which it signs.

        A key that is unknown or retired gives None and a secret nobody has, so that checking a
        signature against it takes the same time.
        """
        row = self._rows.get(key)
        if row is None or self._retired(row, self._clock()):
            return None, self._opened(self._decoy)
        until = row.retires.timestamp() if row.retires else None
        return Client(row.application, row.generation, until), self._opened(row)

    def current(self, application: str) -> str | None:
        """The key of its newest pair."""
        rows = self._live(application, self._clock())
        return next((row.key for row in rows if row.retires is None), None)

    async def reveal(self, application: str, who: str) -> tuple[Pair, ...]:
        """The pairs of an application, the newest first; kept on record before it returns.

        Raises errors.InputError for an application without any.
        """
        rows = self._live(application, self._clock())
        if not rows:
            raise errors.InputError(
                f"cannot show credentials of {application}: no applied config has this application"
            )
        details = {"application": application, "generations": sorted(r.generation for r in rows)}
        note = storage.Note("revealed", who, application, self._moment(), details)
        await self._store.run(lambda store: store.note(note))
        _log.info("credentials shown application=%s to=%s", application, who)
        rows.sort(key=lambda row: (row.retires is not None, -row.generation))
        return tuple(
            Pair(
                row.application,
                row.generation,
                row.key,
                self._opened(row).decode(),
                row.created,
                row.retires,
            )
            for row in rows
        )

    async def issue(self, client: Client, scopes: Iterable[str]) -> Issued:
        """A new token with `scopes`; older ones go on until they expire.

        Raises errors.TemporaryError when the grant was taken away meanwhile.
        """
        now = self._clock()
        expires = now + LIFETIME if client.until is None else min(now + LIFETIME, client.until)
        token = secrets.token_urlsafe(32)
        digest = sha256(token.encode()).digest()
        access = Access(client.application, frozenset(scopes), expires)
        self._keep(digest, access)
        row = storage.Token(
            digest, client.application, tuple(sorted(access.scopes)), _moment(expires)
        )
        try:
            await self._store.run(lambda store: store.add_token(row))
        except BaseException:
            self._forget(digest)
            raise
        if digest not in self._tokens:  # revoked while it was being stored
            raise errors.TemporaryError("cannot issue a token: access was just taken away")
        return Issued(token, max(1, int(expires - now)), access.scopes)

    def check(self, token: str) -> Access | None:
        """What the token stands for, None when it is unknown, expired or revoked."""
        access = self._tokens.get(sha256(token.encode("utf-8", "surrogateescape")).digest())
        if access is None or access.expires <= self._clock():
            return None
        return access

    async def sweep(self, world: worlds.World) -> frozenset[str]:
        """End the tokens of dead grants and forget what expired or retired.

        Gives the applications that lost tokens. Run it after each swap and now and then.
        """
        now = self._clock()
        dead = frozenset(name for name, held in self._held.items() if held and _dead(world, name))
        for name in dead:
            self._drop(name)
        for digest in [d for d, access in self._tokens.items() if access.expires <= now]:
            self._forget(digest)
        retired = {row.application for row in self._rows.values() if self._retired(row, now)}
        self._rows = {k: row for k, row in self._rows.items() if not self._retired(row, now)}
        left = {name: self._live(name, now) for name in retired}
        moment = _moment(now)

        def tidy(store: storage.Store) -> None:
            for name in sorted(dead):
                store.delete_tokens(name)
            for name, rows in sorted(left.items()):
                store.replace_credentials(name, rows)
            store.expire_tokens(moment)

        await self._store.run(tidy)
        return dead

    def _live(
        self, application: str, now: float, rows: Iterable[storage.Credential] | None = None
    ) -> list[storage.Credential]:
        return [
            row
            for row in (self._rows.values() if rows is None else rows)
            if row.application == application and not self._retired(row, now)
        ]

    def _successors(
        self, name: str, rest: documents.Rest, now: float, mine: Sequence[storage.Credential]
    ) -> Iterator[storage.Credential]:
        """The pair of the number that the document says, and former ones for their overlap."""
        current = next((row for row in mine if row.generation == rest.key), None)
        yield dataclasses.replace(current or self._made(name, rest.key), retires=None)
        ends = now + rest.overlap.total_seconds()
        for row in mine:
            if row.generation != rest.key:
                until = min(ends, row.retires.timestamp()) if row.retires else ends
                if until > now:
                    yield dataclasses.replace(row, retires=_moment(until))

    def _retired(self, row: storage.Credential, now: float) -> bool:
        return row.retires is not None and row.retires.timestamp() <= now

    def _made(self, application: str, generation: int) -> storage.Credential:
        key, secret = (
            "".join(secrets.choice(_ALPHABET) for _ in range(length))
            for length in (_KEY_LENGTH, _SECRET_LENGTH)
        )
        row = storage.Credential(application, generation, key, b"", self._moment())
        return self._sealed(row, secret.encode())

    def _sealed(self, row: storage.Credential, secret: bytes) -> storage.Credential:
        sealed = self._vault.seal(secret, table="credentials", row=_row_id(row), column="secret")
        return dataclasses.replace(row, secret=sealed)

    def _resealed(self, row: storage.Credential) -> storage.Credential:
        """The same under the vault's first key, so that a replaced key can be thrown away."""
        return row if self._vault.is_current(row.secret) else self._sealed(row, self._opened(row))

    def _renamed(self, row: storage.Credential, renamed: Mapping[str, str]) -> storage.Credential:
        """The same pair under the application's new name: sealed anew, since a secret is bound to
        the name.
        """
        if row.application not in renamed:
            return row
        moved = dataclasses.replace(row, application=renamed[row.application])
        return self._sealed(moved, self._opened(row))

    def _opened(self, row: storage.Credential) -> bytes:
        return self._vault.open(row.secret, table="credentials", row=_row_id(row), column="secret")

    def _keep(self, digest: bytes, access: Access) -> None:
        held = self._held.setdefault(access.application, {})
        while len(held) >= TOKENS:
            self._forget(next(iter(held)))
        self._tokens[digest] = access
        held[digest] = None

    def _forget(self, digest: bytes) -> None:
        access = self._tokens.pop(digest, None)
        if access is not None:
            self._held.get(access.application, {}).pop(digest, None)

    def _drop(self, application: str) -> None:
        for digest in self._held.pop(application, {}):
            self._tokens.pop(digest, None)

    def _moment(self) -> datetime:
        return _moment(self._clock())


def _notes(
    old: Iterable[storage.Credential], new: Iterable[storage.Credential], now: datetime
) -> Iterator[storage.Note]:
    """What is to be put on record when `old` pairs give way to `new` ones, for each application."""
    before = {(row.application, row.generation): row for row in old}
    after = {(row.application, row.generation): row for row in new}
    said: dict[str, list[str]] = {}
    for key in sorted(before.keys() | after.keys()):
        was, is_ = before.get(key), after.get(key)
        words = said.setdefault(key[0], [])
        if is_ is None:
            words.append(f"number {key[1]} ended")
        elif was is None or was.key != is_.key:
            words.append(f"number {key[1]} made")
        if is_ is not None and is_.retires and (was is None or was.retires != is_.retires):
            words.append(f"number {key[1]} ends at {is_.retires.isoformat(timespec='seconds')}")
    for application, words in said.items():
        if words:
            details = {"application": application, "what": words}
            yield storage.Note("credentials", chain.DAEMON, application, now, details)


def _dead(world: worlds.World, application: str) -> bool:
    grant = world.grant(application)
    return (
        grant is None
        or grant.refusal(world.today) is not None
        or not grant.application.rest.enabled
    )


def _order(row: storage.Credential) -> tuple[str, int]:
    return row.application, row.generation


def _row_id(row: storage.Credential) -> str:
    """Binds a secret to its application and number too, so that rows cannot trade names."""
    return f"{row.application}/{row.generation}/{row.key}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
