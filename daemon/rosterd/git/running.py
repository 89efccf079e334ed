"""Running git and ssh-keygen so that nothing but us steers them.

The environment is built from nothing. System and user configuration are switched off, replaced
objects are ignored, nobody is asked for a password. A program that is too slow or says too much is
killed with all its children. What counts is its exit status; its words are only shown to people.
"""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosterd import errors

OUTPUT = 256 * 2**20
"""Most bytes a program may answer."""
_WORDS = 64 * 2**10

OPTIONS = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "fetch.fsckObjects=true"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
    *("-c", "gpg.format=ssh"),
    # The format comes from the signature: without these a PGP commit asks somebody's keyring.
    *("-c", "gpg.program=/bin/false"),
    *("-c", "gpg.x509.program=/bin/false"),
    # A clone's own settings must not say which program verifies.
    *("-c", "gpg.ssh.program=ssh-keygen"),
    *("-c", "log.mailmap=false"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said."""

    status: int
    output: bytes
    words: str
    """Its standard error, without passwords that a URL may hold."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How programs are run on this machine: `hardened` for the daemon, `personal` for a person."""

    environment: Mapping[str, str]
    timeout: float = 60.0
    """Seconds after which a program is killed."""
    options: tuple[str, ...] = OPTIONS
    alone: bool = True
    """In a session of its own: its children die with it, and it can ask nobody anything."""

    async def git(
        self,
        *arguments: str,
        folder: Path,
        given: bytes = b"",
        fine: Sequence[int] = (0,),
        limit: int = OUTPUT,
    ) -> Answer:
        """Run git in `folder` (a git directory or a working tree).

        Raises errors.TemporaryError on an exit status that is not `fine`, on a timeout and on an
        answer beyond `limit` bytes.
        """
        answer = await self.run(
            "git", *self.options, "-C", str(folder), *arguments, given=given, limit=limit
        )
        if answer.status not in fine:
            raise errors.TemporaryError(
                f"cannot run git {_verb(arguments)}: exit status {answer.status}:"
                f" {answer.words or 'it said nothing'}"
            )
        return answer

    async def run(self, *command: str, given: bytes = b"", limit: int = OUTPUT) -> Answer:
        """Run a program to its end; errors.TemporaryError when it cannot, is late or too loud."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(self.environment),
                start_new_session=self.alone,
            )
        except FileNotFoundError as error:
            raise errors.TemporaryError(f"cannot run {command[0]}: it is not installed") from error
        try:
            async with asyncio.timeout(self.timeout):
                output, words = await _talk(process, given, limit)
                status = await process.wait()
        except TimeoutError as error:
            raise errors.TemporaryError(
                f"cannot wait longer than {self.timeout:g} s for {command[0]}"
            ) from error
        except _TooLoudError as error:
            raise errors.TemporaryError(
                f"cannot take more than {limit} bytes from {command[0]}"
            ) from error
        finally:
            await self.end(process)
        return Answer(status, output, redacted(words.decode(errors="replace").strip()))

    async def end(self, process: asyncio.subprocess.Process) -> None:
        """Leave nothing running: ssh, upload-pack and ssh-keygen are in the group of their git."""
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                if self.alone:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
            # Python 3.11 tells of the end only when the pipes have ended too, and of a pipe that
            # nobody reads, because too much had come, it never notices the end.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS):
                    await asyncio.gather(_emptied(process.stdout), _emptied(process.stderr))
                    await process.wait()


def hardened(
    home: Path,
    timeout: float = 60.0,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Programs:
    """Programs that only we steer; `options` come after ours, `environment` beside ours.

    `home` is a folder of ours, so that nothing is read from a person's.
    """
    return Programs(
        environment={
            "PATH": _path(),
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **(environment or {}),
        },
        timeout=timeout,
        options=(*OPTIONS, *options),
    )


def personal(timeout: float = 300.0) -> Programs:
    """Programs as the person at the keyboard has set them up: her remotes, agent and passphrases.

    What she reads before she signs is read as the daemon reads it, without replaced objects.
    """
    return Programs(
        environment={**os.environ, "LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1"},
        timeout=timeout,
        options=(),
        alone=False,
    )


def _verb(arguments: Sequence[str]) -> str:
    """The command among git's arguments, for people."""
    words = iter(arguments)
    for word in words:
        if word == "-c":
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def _path() -> str:
    return os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")


def redacted(text: str) -> str:
    """`text` without the user and password of URLs in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


_LAST_WORDS = 10.0
"""Seconds for a program that was killed to be gone."""


class _TooLoudError(Exception):
    pass


async def _talk(
    process: asyncio.subprocess.Process, given: bytes, limit: int
) -> tuple[bytes, bytes]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("all three were asked for as pipes")
    talks = (
        asyncio.ensure_future(_give(process.stdin, given)),
        asyncio.ensure_future(_take(process.stdout, limit)),
        asyncio.ensure_future(_overhear(process.stderr)),
    )
    try:
        _, output, words = await asyncio.gather(*talks)
    finally:
        for talk in talks:  # one that failed leaves the others reading
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
    return output, words


async def _emptied(stream: asyncio.StreamReader | None) -> None:
    while stream is not None and await stream.read(2**16):
        pass


async def _give(stream: asyncio.StreamWriter, given: bytes) -> None:
    # A program may end before it has read everything; its status tells.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if given:
            stream.write(given)
            await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _take(stream: asyncio.StreamReader, limit: int) -> bytes:
    parts = []
    size = 0
    while part := await stream.read(2**16):
        size += len(part)
        if size > limit:
            raise _TooLoudError
        parts.append(part)
    return b"".join(parts)


async def _overhear(stream: asyncio.StreamReader) -> bytes:
    kept = b""
    while part := await stream.read(2**16):
        if len(kept) < _WORDS:
            kept += part
    return kept[:_WORDS]
