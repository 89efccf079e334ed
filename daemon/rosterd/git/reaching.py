"""How the repository is reached: the protocols that are open, ssh's options, and what to look at
when it cannot be.

No first-use trust: a host whose key is not in `repository.known_hosts` is not spoken to.
"""

import re
import shlex
from pathlib import Path
from typing import Final

from rosterd import errors, settings
from rosterd.git import running


def protocol(url: str) -> str:
    """The one protocol that git may use for it; errors.InputError when it is none of ours."""
    if url.startswith("https://"):
        return "https"
    if url.startswith("ssh://"):
        return "ssh"
    if url.startswith(("/", "file:///")):
        return "file"
    if "://" not in url and re.match(r"[A-Za-z0-9][^/:]*:(?!:)", url):
        return "ssh"
    raise errors.InputError(
        f"cannot use the repository URL {running.redacted(url)}: expected https://, ssh://,"
        " user@host:path, or an absolute path"
    )


def ssh(repository: settings.Repository) -> str:
    """The ssh command that reads no configuration but these settings, and asks nobody anything."""
    known = repository.known_hosts or Path("/dev/null")
    words = ["ssh", "-F", "/dev/null"]
    if repository.ssh_key is not None:
        words += ["-i", str(repository.ssh_key)]
    for option in (
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={known}",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
    ):
        words += ["-o", option]
    return shlex.join(words)


_HINTS: Final = (
    (
        ("Host key verification failed", "host key is known"),
        (
            "the host's key is not in repository.known_hosts ({known_hosts}): compare the output of"
            " `ssh-keyscan HOST` with what the host publishes, and put it there"
        ),
    ),
    (
        ("Permission denied", "no such identity", "Load key"),
        (
            "the host does not take repository.ssh_key ({ssh_key}): register its public half as a"
            " read-only deploy key, and see that the daemon's user can read it"
        ),
    ),
)


def hint(repository: settings.Repository, words: str) -> str:
    """What of the settings to look at when git failed with these words; "" when nothing is known.

    Words are only ever shown to people; nothing is decided by them.
    """
    if protocol(repository.url) != "ssh":
        return ""
    for parts, text in _HINTS:
        if any(part in words for part in parts):
            return "; " + text.format(
                known_hosts=repository.known_hosts or "not set",
                ssh_key=repository.ssh_key or "not set",
            )
    return ""
