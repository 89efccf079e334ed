"""What this machine says: paths, ports, people's keys and the review rule.

Settings never come from the config repository: whoever may change a permission must not be able
to change who has to agree to it. One TOML file, each field with its unit; relative paths count
from the folder of that file.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from rosterd import errors
from rosterd.settings import numbers, talking

_CONFIG = numbers.CONFIG
Port = numbers.Port
Seconds = numbers.Seconds


class Paths(pydantic.BaseModel):
    """Where the daemon keeps what it owns."""

    model_config = _CONFIG

    state: Path = Path("/var/lib/rosterd")
    """Folder of `state.db`, the git mirror, generations and spooled exports. Mode 0700."""
    control_socket: Path = Path("/run/rosterd/control.sock")
    """Unix socket on which `rosterd status` and the other asking commands reach the daemon."""


class Repository(pydantic.BaseModel):
    """The config repository that is followed."""

    model_config = _CONFIG

    id: str = pydantic.Field(min_length=1)
    """Name of this repository in statements; a statement for another repository counts nothing."""
    url: str = pydantic.Field(min_length=1)
    """What `git fetch` is given: https://, ssh://, user@host:path, or a local path."""
    branch: str = "main"
    """The branch that is followed."""
    poll: Seconds = 60.0
    """Seconds between two looks at the repository."""
    timeout: Seconds = 60.0
    """Seconds after which a git command is ended."""
    ssh_key: Path | None = None
    """Private key for an ssh URL; read by ssh alone."""
    known_hosts: Path | None = None
    """Host keys for an ssh URL; without it no ssh host is trusted."""
    trusted_root: Path = Path("trusted_root")
    """File with the commit that `rosterd trust` pinned as the first accepted one."""


Some = Annotated[int, pydantic.Field(ge=1, le=10)]
Kind = Literal[
    "Application",
    "Permission",
    "SftpTarget",
    "Listing",
    "RosterSource",
    "ExportTemplate",
    "Repository",
]
Effect = Literal["narrowing", "widening", "gaining", "files"]


class Review(pydantic.BaseModel):
    """Who may vouch for a change, and how many have to."""

    model_config = _CONFIG

    people: int = pydantic.Field(default=2, ge=0, le=10)
    """Different people who vouch for each change. 1 is shown as one person, 0 as unproven."""
    kinds: Mapping[Kind, Some] = pydantic.Field(default_factory=dict)
    """Other numbers for kinds of documents, such as SftpTarget = 3."""
    effects: Mapping[Effect, Some] = pydantic.Field(default_factory=dict)
    """Other numbers by what a change does: narrowing (it can give nothing to anybody), widening
    (any other change of a document), gaining (an application gains something today; it can only
    raise), files (no document). Of several numbers for one file the highest counts."""
    allowed_signers: Path = Path("allowed_signers")
    """OpenSSH allowed-signers file: a person (e-mail) and a key per line; several keys, one person."""
    revoked_keys: Path = Path("revoked_keys")
    """Public keys that count no more, one a line. The file must exist, be it empty."""


class Listen(pydantic.BaseModel):
    """The vendors' listener."""

    model_config = _CONFIG

    address: str = "127.0.0.1"
    """IP address to listen on."""
    port: Port = 8420
    """TCP port; 0 takes a free one."""
    public_url: str = pydantic.Field(pattern=r"^https?://[^\s?#]+[^/\s?#]$")
    """Base of every href, Link and OAuth signature; never guessed from a request."""
    certificate: Path | None = None
    """PEM certificate chain; re-read when it changes. Needs `key`."""
    key: Path | None = None
    """PEM private key of the certificate."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of proxies that end TLS; requests from others are refused then."""
    requests_per_minute: int = pydantic.Field(default=3000, ge=1)
    """Requests one application may make in a minute before it gets 429."""
    refuse_unknown_sort: bool = False
    """Whether an unknown `sort` is a 400 in 1.2. Otherwise it is passed over there: the order is
    lost, but no data, and most of the standard's services have no code for it. 1.1 warns."""
    json_booleans: bool = False
    """Whether bodies of 1.1 have `true` and `false` of JSON instead of the texts "true" and "false".
    The standard of 1.1 can be read both ways; 1.2 has texts whatever this says."""

    @pydantic.model_validator(mode="after")
    def _never_in_the_clear(self) -> "Listen":
        address = ip_address(self.address)
        for network in self.trusted_proxies:
            ip_network(network, strict=False)
        if (self.certificate is None) != (self.key is None):
            raise ValueError("cannot serve TLS with only one of listen.certificate and listen.key")
        if not address.is_loopback and self.certificate is None and not self.trusted_proxies:
            raise ValueError(
                "cannot listen on a non-loopback address without TLS: set listen.certificate and"
                " listen.key, or listen.trusted_proxies when a proxy ends TLS"
            )
        return self


class Console(pydantic.BaseModel):
    """The operators' page; on loopback unless TLS is set up in front of it."""

    model_config = _CONFIG

    address: str = "127.0.0.1"
    """IP address to listen on; only loopback addresses are taken."""
    port: Port = 8421
    """TCP port; 0 takes a free one."""
    tokens: Path | None = None
    """File with one operator a line: name, role (viewer or operator), sha256 of the token."""
    clone: Path | None = None
    """A clone of the config repository, owned by the daemon's account, in which operators may have
    the console put a new application into a branch of its own. Nothing is signed, and nothing is
    pushed."""
    public_url: str | None = pydantic.Field(default=None, pattern=r"^https://[^\s/?#@]+$")
    """Base under which a proxy that ends TLS serves the console, such as
    https://console.district.example. Without it the console answers to loopback's names alone."""

    @pydantic.field_validator("address")
    @classmethod
    def _loopback(cls, address: str) -> str:
        if not ip_address(address).is_loopback:
            raise ValueError("cannot put the console on a non-loopback address; use an ssh tunnel")
        return address


class Secrets(pydantic.BaseModel):
    """The key under which credentials are kept, and the secrets that documents name."""

    model_config = _CONFIG

    vault_key: Path = Path("vault.key")
    """File with 32 random bytes, base64; a systemd credential in production."""


class Import(pydantic.BaseModel):
    """Limits on what an import reads, against bombs and runaways."""

    model_config = _CONFIG

    max_bytes: int = pydantic.Field(default=8 * 2**30, gt=0)
    """Most bytes of CSV in one delivery, unpacked."""
    poll: Seconds = 30.0
    """Seconds between two looks at a source folder."""
    keep_bytes: int = pydantic.Field(default=16 * 2**30, gt=0)
    """Most bytes of deliveries that are kept, as received and as processed; beyond it the oldest go."""
    sources: tuple[Path, ...] = ()
    """Folders under which the directories of RosterSource documents must lie."""


Webhook = talking.Webhook
Requests = talking.Requests
Mail = talking.Mail


class Settings(pydantic.BaseModel):
    """One machine's settings; `load` reads them from TOML."""

    model_config = _CONFIG

    paths: Paths = Paths()
    repository: Repository
    review: Review = Review()
    listen: Listen
    console: Console = Console()
    secrets: Secrets = Secrets()
    imports: Import = Import()
    webhook: Webhook = Webhook()
    requests: Requests = Requests()
    mail: Mail = Mail()

    @property
    def state_db(self) -> Path:
        """The database of applied config, credentials, runs and the rest of the state."""
        return self.paths.state / "state.db"

    @property
    def generations(self) -> Path:
        """The folder in which each generation is a folder."""
        return self.paths.state / "generations"

    @property
    def mirror(self) -> Path:
        """The bare mirror of the config repository."""
        return self.paths.state / "mirror.git"

    @property
    def requests_mirror(self) -> Path:
        """The bare repository of open requests, apart from the mirror."""
        return self.paths.state / "requests.git"

    @property
    def disclosures(self) -> Path:
        """The folder in which what leaves is recorded before it is in the database."""
        return self.paths.state / "disclosures"

    @property
    def spool(self) -> Path:
        """Where an export lies until it is delivered."""
        return self.paths.state / "spool"


def load(text: str, path: str, folder: Path) -> Settings:
    """Settings from TOML `text` read at `path`; relative paths are taken from `folder`.

    Raises errors.InputError with every problem.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise errors.InputError(f"cannot read settings {path}: {error}") from error
    try:
        return Settings.model_validate(_resolved(raw, folder))
    except pydantic.ValidationError as error:
        problems = [
            errors.Problem(
                path, 0, 0, f"{'.'.join(map(str, item['loc'])) or 'settings'}: {_worded(item)}"
            )
            for item in error.errors()
        ]
        raise errors.InputError(f"cannot use settings {path}", problems) from error


def _worded(item: Mapping[str, Any]) -> str:
    """What is wrong with one setting, and what would be right."""
    kind, path = str(item["type"]), list(item["loc"])
    if kind == "extra_forbidden":
        known = _known(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, 1)
        what = "setting" if path[1:] else "table"
        return f"there is no such {what}; " + (
            f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        )
    if kind == "missing":
        return "this is missing, and nothing can stand in for it"
    if kind == "string_pattern_mismatch":
        return (
            "this is no base of URLs; write one such as https://rosters.example, without / behind"
        )
    return str(item["msg"]).removeprefix("Value error, ")


def _known(path: Sequence[str | int]) -> list[str]:
    """Names that may stand in the table at `path`."""
    model: Any = Settings
    for name in path:
        model = model.model_fields[str(name)].annotation
    return list(model.model_fields)


_PATHS = {
    "paths": ("state", "control_socket"),
    "repository": ("ssh_key", "known_hosts", "trusted_root"),
    "review": ("allowed_signers", "revoked_keys"),
    "listen": ("certificate", "key"),
    "console": ("tokens", "clone"),
    "secrets": ("vault_key",),
    "requests": ("token",),
    "mail": ("password", "certificates"),
}
_DEFAULTS = {
    "repository": {"trusted_root": "trusted_root"},
    "review": {"allowed_signers": "allowed_signers", "revoked_keys": "revoked_keys"},
    "secrets": {"vault_key": "vault.key"},
}


def _resolved(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same tables with every relative path joined to the folder of the settings file."""
    tables = {
        name: dict(table) if isinstance(table, dict) else table for name, table in raw.items()
    }
    for name, defaults in _DEFAULTS.items():
        table = tables.setdefault(name, {})
        if isinstance(table, dict):
            for field, value in defaults.items():
                table.setdefault(field, value)
    for name, fields in _PATHS.items():
        table = tables.get(name)
        if not isinstance(table, dict):
            continue
        for field in fields:
            if isinstance(table.get(field), str):
                table[field] = folder / table[field]
    for name, field in (("imports", "sources"), ("webhook", "secrets")):
        table = tables.get(name)
        if isinstance(table, dict) and isinstance(table.get(field), list):
            table[field] = tuple(folder / str(each) for each in table[field])
    return tables
