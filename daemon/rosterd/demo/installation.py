"""The files of a demo installation, in one folder.

Everything a real installation has is there and is real: a bare repository with commits that two
invented people vouch for, settings, keys, a vault, operators' tokens. Only the vendors' SFTP servers
are replaced by one on loopback, in the documents that are committed.

    DIR/lakeside-rosters.git  the config repository that the daemon follows
    DIR/work             a clone to try changes in; its commits are signed by the author
    DIR/people           the signing keys of author and reviewer
    DIR/roster           the source folder
    DIR/deliveries       where files land
    DIR/state            what the daemon keeps
"""

import asyncio
import json
import re
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import paramiko

import rosterd
from rosterd import errors, vault

AUTHOR: Final = ("Avery Author", "avery@lakeside.example.org")
REVIEWER: Final = ("Robin Reviewer", "robin@lakeside.example.org")
REPOSITORY: Final = "lakeside-rosters"
SOURCE: Final = "student-system"
TARGET: Final = "everything"
SFTP_USER: Final = "rosterd"
POLL: Final = 2


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything of one demo lies. `sftp_password` is what the deliveries sign in with."""

    folder: Path
    port: int
    console_port: int
    sftp_port: int
    sftp_password: str
    console_token: str

    @property
    def settings(self) -> Path:
        """The settings file the demo's daemon runs with."""
        return self.folder / "rosterd.toml"

    @property
    def repository(self) -> Path:
        """The bare repository that is followed."""
        return self.folder / f"{REPOSITORY}.git"  # `rosterd approve` takes its id from here

    @property
    def work(self) -> Path:
        """The clone to try changes in."""
        return self.folder / "work"

    @property
    def roster(self) -> Path:
        """The source folder."""
        return self.folder / "roster"

    @property
    def deliveries(self) -> Path:
        """Where delivered files land."""
        return self.folder / "deliveries"

    @property
    def told(self) -> Path:
        """demo.json, for programs that try the demo."""
        return self.folder / "demo.json"

    def key(self, person: str) -> Path:
        """The private signing key of `author` or `reviewer`."""
        return self.folder / "people" / person

    @property
    def host_key(self) -> paramiko.PKey:
        """The key of the demo's SFTP server."""
        return paramiko.ECDSAKey.from_private_key_file(str(self.folder / "sftp_host_key"))


async def prepare(folder: Path, port: int, console_port: int, sftp_port: int) -> Installation:
    """Make the installation, or take up the one that is there; the ports may change, except the
    SFTP server's, which is in the committed documents.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    remembered = folder / "installation.json"
    known: dict[str, Any] = {}
    if remembered.exists():
        known = json.loads(remembered.read_text(encoding="utf-8"))
    elif any(folder.iterdir()):
        raise errors.InputError(
            f"cannot make a demo in {folder}: it holds something else; name another --directory,"
            " or empty it"
        )
    installation = Installation(
        folder=folder,
        port=port,
        console_port=console_port,
        sftp_port=known.get("sftp_port", sftp_port),
        sftp_password=known.get("sftp_password", secrets.token_urlsafe(16)),
        console_token=known.get("console_token", secrets.token_urlsafe(24)),
    )
    if not known:
        await _make(installation)
        facts = {
            name: getattr(installation, name)
            for name in ("sftp_port", "sftp_password", "console_token")
        }
        write_private(remembered, json.dumps(facts))
    write_private(installation.settings, _settings(installation))
    return installation


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.touch(mode=0o600)
    draft.chmod(0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


async def _make(installation: Installation) -> None:
    folder = installation.folder
    for name in ("people", "roster", "deliveries"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    for person, (_, email) in (("author", AUTHOR), ("reviewer", REVIEWER)):
        key = installation.key(person)
        if not key.exists():
            await _run(
                folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", email, "-f", str(key)
            )
    signers = [
        f'{email} namespaces="git,rosterd-statement,rosterd-release" '
        + " ".join(installation.key(person).with_suffix(".pub").read_text("utf-8").split()[:2])
        for person, (_, email) in (("author", AUTHOR), ("reviewer", REVIEWER))
    ]
    write_private(folder / "allowed_signers", "\n".join(signers) + "\n")
    write_private(folder / "revoked_keys", "")
    if not (folder / "vault.key").exists():
        vault.create_key(folder / "vault.key")
    digest = sha256(installation.console_token.encode()).hexdigest()
    write_private(folder / "operators", f"demo operator {digest}\n")
    paramiko.ECDSAKey.generate().write_private_key_file(str(folder / "sftp_host_key"))
    write_private(installation.settings, _settings(installation))
    await _commit(installation)


def _settings(installation: Installation) -> str:
    """rosterd.toml; JSON strings are TOML strings."""
    text = json.dumps
    return f"""# Settings of the demo; a real installation has them in /etc/rosterd/rosterd.toml.
[paths]
state = "state"
control_socket = "control.sock"

[repository]
id = {text(REPOSITORY)}
url = {text(str(installation.repository.resolve()))}
branch = "main"
poll = {POLL}

[review]
people = 2

[listen]
address = "127.0.0.1"
port = {installation.port}
public_url = "http://127.0.0.1:{installation.port}"
requests_per_minute = 1000000  # whoever tries it out may also try how fast it is

[console]
port = {installation.console_port}
tokens = "operators"
clone = "work"  # where Add may put a new application into a branch

[imports]
poll = {POLL}
sources = ["roster"]

[requests]
refs = ["refs/pull/*/head"]  # whoever tries it out can push one, as a forge would
poll = {POLL}
"""


# ------------------------------------------------------------ the repository


async def _commit(installation: Installation) -> None:
    """Two commits: the first is pinned by the administrator, the second brings applications and
    permissions, signed by the author and vouched for by the reviewer.
    """
    for half_made in (installation.repository, installation.work):
        shutil.rmtree(half_made, ignore_errors=True)
    bare, work = installation.repository, installation.work
    await _git(installation.folder, "init", "-q", "--bare", "--initial-branch=main", str(bare))
    await _git(installation.folder, "clone", "-q", str(bare), str(work))
    for name, value in {
        "user.name": AUTHOR[0],
        "user.email": AUTHOR[1],
        "gpg.format": "ssh",
        "user.signingkey": str(installation.key("author").resolve()),
        "commit.gpgsign": "true",
        "rosterd.repository": REPOSITORY,
        "gpg.ssh.allowedSignersFile": str((installation.folder / "allowed_signers").resolve()),
    }.items():
        await _git(work, "config", name, value)
    files = _documents(installation)
    later = {path for path in files if path.split("/")[0] in _SECOND}
    _write(work, {path: text for path, text in files.items() if path not in later})
    await _git(work, "checkout", "-q", "-B", "main")
    await _git(work, "add", "--all")
    await _git(work, "commit", "-q", "-m", "Begin the config repository of Lakeside")
    await _git(work, "push", "-q", "-u", "origin", "main")
    root = (await _git(work, "rev-parse", "HEAD")).strip()
    await _rosterd(installation, "trust", root, "--settings", str(installation.settings))
    _write(work, {path: files[path] for path in later})
    await _git(work, "add", "--all")
    await _git(work, "commit", "-q", "-m", "Share with the applications of this school year")
    await _rosterd(
        installation,
        *("approve", "HEAD", "--yes", "--key", str(installation.key("reviewer").resolve())),
        *("--clone", str(work), "--settings", str(installation.settings)),
    )
    await _git(work, "push", "-q", "origin", "main")


_SECOND: Final = ("applications", "permissions", "sftp-targets")


def example_repository() -> Path:
    """The example repository: inside an installed package, or beside the sources."""
    package = Path(rosterd.__file__).parent
    for folder in (package / "example-repo", package.parents[1] / "example-repo"):
        if folder.is_dir():
            return folder
    raise errors.InputError("cannot find the example repository beside this installation")


def _documents(installation: Installation) -> Mapping[str, bytes]:
    """example-repo/ with its source and its SFTP targets moved to this machine."""
    example = example_repository()
    found = {}
    for path in sorted(example.rglob("*")):
        if path.is_file():
            name = path.relative_to(example).as_posix()
            text = path.read_bytes()
            if name.startswith("sources/") and name.endswith(".yaml"):
                text = _moved(text, _source(installation))
            elif name.startswith("sftp-targets/") and name.endswith(".yaml"):
                text = _moved(text, _target(installation, Path(name).stem))
            found[name] = text
    return found


def _source(installation: Installation) -> dict[str, str]:
    return {
        "directory": json.dumps(str(installation.roster.resolve())),
        "settle": "1s",
        "manifest": "{default: bulk}",
    }


def _target(installation: Installation, name: str) -> dict[str, str]:
    """The vendor's server on loopback. Only the one target delivers by itself here: the others are
    prepared, so that what lands in the folder is easy to tell.
    """
    key = installation.host_key
    return {
        "host": "127.0.0.1",
        "port": str(installation.sftp_port),
        "username": SFTP_USER,
        "authentication": f"{{password: {name}-sftp-password}}",
        "hostKeys": f"\n  - {key.get_name()} {key.get_base64()}",
        "directory": "." if name == TARGET else name,
        "enabled": "true" if name == TARGET else "false",
    }


def _moved(document: bytes, fields: Mapping[str, str]) -> bytes:
    """A document with top-level fields replaced, each with the lines that belong to it."""
    text = document.decode()
    for field, value in fields.items():
        written = f"{field}:{'' if value.startswith(chr(10)) else ' '}{value}\n"
        # a field's own line, and the deeper or listed lines that belong to it
        found = re.search(rf"^{field}:.*\n(?:[ -].*\n)*", text, flags=re.MULTILINE)
        if found is None:
            text += written
        else:
            text = text[: found.start()] + written + text[found.end() :]
    return text.encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# ------------------------------------------------------------ programs


async def _rosterd(installation: Installation, *words: str) -> str:
    return await _run(installation.folder, sys.executable, "-m", "rosterd", *words)


async def _git(folder: Path, *words: str) -> str:
    return await _run(folder, "git", *words)


async def _run(folder: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        what = " ".join(words[:3])
        raise errors.InputError(f"cannot make the demo: {what} failed: {err.decode().strip()}")
    return out.decode()
