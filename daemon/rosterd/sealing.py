"""The secrets that documents name: passwords and keys of vendors' servers, and of the sources'.

Git has the names, the store the sealed values. A value belongs to the one document it was set for
and is sealed for it, so a commit that names somebody else's secret in a document of its own gets
nothing: neither the store nor the vault gives it out there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from rosterd import configs, documents, errors, storage, vault

Signing = documents.SftpTarget | documents.RosterSource
"""Documents that name secrets."""
_REPOSITORY = "Repository/rosterd"
MOST_BYTES = 32_768
"""No key is longer; what is longer was piped in by mistake."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name that a document uses or a value is kept under."""

    name: str
    document: str
    """Kind and name of the document the value was set for, or that waits for one."""
    set_at: datetime | None
    """None while it is missing."""
    used: bool
    """Whether the applied config names it in that document."""
    needed: bool = False
    """Whether something waits for it: the document is an enabled target or source."""


class Secrets:
    """Values by name, sealed in the store."""

    def __init__(
        self, state: storage.Storage, safe: vault.Vault, clock: Callable[[], datetime]
    ) -> None:
        self._state = state
        self._vault = safe
        self._clock = clock

    async def set(self, config: configs.Config | None, name: str, value: str, who: str) -> str:
        """Keep a value for the document that names it in `config`; gives that document.

        A line break at the end, which editors and `echo` add, is no part of a password.
        Raises errors.InputError when no document names it.
        """
        document = _uses(config).get(name)
        if document is None:
            raise errors.InputError(
                f"cannot set the secret {name}: no document of the applied config names it; commit"
                " the SftpTarget or RosterSource first"
            )
        plain = value.rstrip("\r\n").encode()
        if not plain.strip() or len(plain) > MOST_BYTES:
            raise errors.InputError(
                f"cannot set the secret {name}: it is empty or longer than {MOST_BYTES} bytes"
            )
        sealed = self._vault.seal(plain, table="secrets", row=_row(name, document), column="value")
        now = self._clock()
        secret = storage.Secret(name, document, sealed, now, who)
        note = storage.Note("secret", who, name, now, {"document": document})
        await self._state.run(lambda store: store.set_secret(secret, notes=[note]))
        return document

    async def names(self, config: configs.Config | None) -> list[Named]:
        """Every name that is used or kept, by name; never a value."""
        uses, enabled = _uses(config), _enabled(config)
        kept = {secret.name: secret for secret in await self._state.run(_secrets)}
        found = [
            Named(
                name,
                secret.document,
                secret.time,
                uses.get(name) == secret.document,
                uses.get(name) == secret.document and secret.document in enabled,
            )
            for name, secret in kept.items()
        ]
        missing = [
            Named(name, document, None, used=True, needed=document in enabled)
            for name, document in uses.items()
            if name not in kept or kept[name].document != document
        ]
        return sorted([*found, *missing], key=lambda named: (named.name, named.document))

    async def of(self, signing: Signing) -> dict[str, str]:
        """The document's secrets, by the fields that name them: "password", "privateKey",
        "passphrase", "key", "secret".

        Raises errors.InputError for one that is not set, or was set for another document.
        """
        document = _document(signing)
        found = {}
        for field, name in _named(signing).items():
            secret = await self._kept(name)
            if secret is None or secret.document != document:
                raise errors.InputError(
                    f"cannot sign in for {signing.name}: the secret {name} is not set for it; give"
                    f" it to `rosterd secret set {name}`"
                )
            found[field] = self._opened(secret, signing).decode()
        return found

    async def webhook(self, name: str) -> str:
        """The URL of a webhook that the repository's notifications name.

        Raises errors.InputError for one that is not set, or was set for another document.
        """
        secret = await self._kept(name)
        if secret is None or secret.document != _REPOSITORY:
            raise errors.InputError(
                f"the secret {name} is not set; give the URL to `rosterd secret set {name}`"
            )
        return self._open(secret, _REPOSITORY).decode().strip()

    def _opened(self, secret: storage.Secret, signing: Signing) -> bytes:
        """The value. One that was set before a rename is sealed for the document's former name; the
        store moved it to this one when the renaming commit was applied, and only then.
        """
        former = signing.previously if isinstance(signing, documents.SftpTarget) else None
        try:
            return self._open(secret, _document(signing))
        except errors.InputError:
            if former is None:
                raise
            return self._open(secret, f"{signing.kind}/{former}")

    def _open(self, secret: storage.Secret, document: str) -> bytes:
        place = _row(secret.name, document)
        return self._vault.open(secret.value, table="secrets", row=place, column="value")

    async def _kept(self, name: str) -> storage.Secret | None:
        return await self._state.run(lambda store: store.secret(name))


def _secrets(store: storage.Store) -> list[storage.Secret]:
    return store.secrets()


def _signing(config: configs.Config | None) -> tuple[Signing, ...]:
    return (*config.targets.values(), *config.sources.values()) if config is not None else ()


def _named(signing: Signing) -> Mapping[str, str]:
    return signing.authentication.secrets if signing.authentication is not None else {}


def _uses(config: configs.Config | None) -> dict[str, str]:
    """Secret -> the document that names it. The check lets only one document name a secret."""
    found = {name: _document(each) for each in _signing(config) for name in _named(each).values()}
    told = config.repository.notifications if config is not None else ()
    return found | {each.webhook: _REPOSITORY for each in told if each.webhook is not None}


def _enabled(config: configs.Config | None) -> frozenset[str]:
    """Documents of the targets that are delivered to, and of the sources that are read."""
    return frozenset((_REPOSITORY, *(_document(each) for each in _signing(config) if each.enabled)))


def _document(signing: Signing) -> str:
    return f"{signing.kind}/{signing.name}"


def _row(name: str, document: str) -> str:
    return f"{document}/{name}"
