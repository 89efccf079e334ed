"""Who signed what: verified statements out of commits and out of detached signatures.

Only what can matter is verified: statements about paths that the candidate touches, signed by a key
that is listed. git itself verifies commits (it knows what a commit's signature covers), ssh-keygen
the detached statements; both see a list of keys written for the one purpose, so that a signature
made for something else is none here.

A commit that is part of the accepted history has had its say. Because a signature can be written
in another way under the same content, that is told by the signed bytes and not by the commit's id.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from rosterd import errors, statements
from rosterd.git import chunks, detached, mirrors, people, trees

_EXTRA_COMMITS = 2_000
_PATHS = 500
_REMEMBERED = 50_000
_BASES = 200
_PART = 500


@dataclass(frozen=True, slots=True)
class Testimony:
    """All that listed people state about the paths a candidate touches."""

    stated: tuple[statements.Statement, ...]
    passed: tuple[statements.Transition, ...]
    """What each commit between accepted and candidate changed, also where it was undone again."""
    ignored: tuple[str, ...]
    """Detached statements about these paths that count nothing, each with its reason."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """A commit that says it is signed by an ssh key."""

    name: str
    key: str
    subject: bytes
    """sha256 of the bytes that its signature covers."""


class Witnesses:
    """Reads testimony from a mirror; remembers what it verified, and under which list of keys."""

    def __init__(self, mirror: mirrors.Mirror, *, repository: str, branch: str) -> None:
        self._mirror = mirror
        self._detached = detached.Detached(mirror, repository=repository, branch=branch)
        self._verified: dict[tuple[str, str], tuple[str, str] | None] = {}
        self._spoken: tuple[str, set[bytes]] = ("", set())

    async def rewriting(
        self,
        former: str,
        newest: str,
        changed: Iterable[statements.Transition],
        listed: people.People,
        now: datetime,
    ) -> Testimony:
        """Who vouches that `newest` takes the place of `former`, a history that it does not descend
        from; `changed` is how their trees differ, and has to be what people vouched for.
        """
        changed = tuple(changed)
        hashes = await self._hashes(changed)
        exact = frozenset(
            replace(
                change,
                old_sha256=hashes[change.old] if change.old else None,
                new_sha256=hashes[change.new] if change.new else None,
            )
            for change in changed
        )
        step = statements.Transition(statements.HISTORY, former, newest)

        def about(claim: statements.Claim) -> tuple[statements.Transition, ...]:
            same = claim.rewrite == (former, newest) and frozenset(claim.transitions) == exact
            return (step,) if same else ()

        heard, ignored = await self._detached.hear(about, listed, now)
        return Testimony(tuple(heard), changed, tuple(ignored))

    async def hear(
        self,
        accepted: str,
        candidate: str,
        changed: Iterable[statements.Transition],
        listed: people.People,
        now: datetime,
        *,
        since: str | None = None,
    ) -> Testimony:
        """Everything stated, in commits since `accepted` or detached, about what changed. No commit
        counts that grew from before `since`, where a rewritten history began anew.
        """
        if len(self._verified) > _REMEMBERED:
            self._verified.clear()
        lines = await self._mirror.commits(candidate, f"^{accepted}")
        within = await self._mirror.own_changes(lines)
        passed = tuple(change for commit in within for change in commit.transitions)
        changed = tuple(changed)
        paths = {change.path for change in changed} | {change.path for change in passed}
        heard = await self._commits(accepted, within, paths, listed, since)
        apart, ignored = await self._detached.hear(lambda claim: _about(claim, paths), listed, now)
        genuine = await self._genuine([*heard, *apart], changed)
        return Testimony(tuple(genuine), passed, tuple(ignored))

    # ------------------------------------------------------------ commits

    async def _commits(
        self,
        accepted: str,
        within: Sequence[mirrors.Commit],
        paths: set[str],
        listed: people.People,
        since: str | None,
    ) -> list[statements.Statement]:
        known = {commit.name for commit in within}
        lines = await self._mirror.commits(f"--glob={mirrors.COMMITS}/*", f"^{accepted}")
        ours = _ours([*lines, *((commit.name, *commit.parents) for commit in within)])
        extra = await self._mirror.own_changes(
            [line for line in lines if line[0] in ours.keys() - known][:_EXTRA_COMMITS],
            sorted(paths) if len(paths) <= _PATHS else (),
        )
        relevant = {
            commit.name: tuple(change for change in commit.own if change.path in paths)
            for commit in (*(each for each in within if each.name in ours), *extra)
        }
        relevant = {name: changes for name, changes in relevant.items() if changes}
        signed = await self._signed(list(relevant), listed)
        if not signed:
            return []
        spoken = await self._spoken_in(accepted)
        signed = [one for one in signed if one.subject not in spoken]
        await self._verify_commits(signed, listed)
        heard = []
        for one in signed:
            verified = self._verified.get((one.name, listed.digest))
            if verified is not None:
                person, key = verified
                subject, changes = one.subject.hex(), relevant[one.name]
                heard.append(
                    statements.Statement(person, key, "commit", one.name, subject, changes)
                )
        return await self._lasting(accepted, heard, ours, paths, since)

    async def _lasting(
        self,
        accepted: str,
        heard: Sequence[statements.Statement],
        ours: Mapping[str, str],
        paths: set[str],
        since: str | None,
    ) -> list[statements.Statement]:
        """The same without what was made and undone in the accepted history since the commits grew
        out of it: they may have been kept from us until now, and their dates say nothing.
        """
        bases = sorted({ours[each.name] for each in heard} - {accepted})
        if not bases:
            return list(heard)
        after = {}
        for base in bases[:_BASES]:
            if since is None or await self._mirror.is_ancestor(since, base):
                after[base] = await self._mirror.commits(accepted, f"^{base}")
        lines = {line[0]: line for found in after.values() for line in found}
        history = await self._mirror.own_changes(
            list(lines.values()), sorted(paths) if len(paths) <= _PATHS else ()
        )
        changes = {commit.name: commit.transitions for commit in history}
        lasting = []
        for statement in heard:
            base = ours[statement.name]
            if base != accepted and base not in after:
                continue
            been = [change for line in after.get(base, ()) for change in changes[line[0]]]
            left = {(change.path, change.old) for change in been}
            reached = {(change.path, change.new) for change in been}
            good = tuple(
                change
                for change in statement.transitions
                if (change.path, change.old) not in left
                and (change.path, change.new) not in reached
            )
            if good:
                lasting.append(replace(statement, transitions=good))
        return lasting

    async def _signed(self, names: list[str], listed: people.People) -> list[_Signed]:
        """Those commits that a listed key claims to have signed."""
        found = []
        async for name, raw in chunks.contents(self._mirror, names):
            signed = _signed(name, raw)
            if signed and listed.person(signed.key, "git") is not None:
                found.append(signed)
        return found

    async def _spoken_in(self, accepted: str) -> set[bytes]:
        """The signed bytes (sha256) of every signed commit in the accepted history."""
        before, spoken = self._spoken
        if before != accepted:
            since = bool(before) and await self._mirror.is_ancestor(before, accepted)
            if not since:
                spoken = set()
            rules = [accepted, f"^{before}"] if since else [accepted]
            names = [line[0] for line in await self._mirror.commits(*rules)]
            async for name, raw in chunks.contents(self._mirror, names):
                signed = _signed(name, raw)
                if signed:
                    spoken.add(signed.subject)
            self._spoken = accepted, spoken
        return spoken

    async def _verify_commits(self, signed: Sequence[_Signed], listed: people.People) -> None:
        """Let git verify those that it has not verified under this list of keys."""
        new = [one for one in signed if (one.name, listed.digest) not in self._verified]
        if not new:
            return
        keys = {one.name: one.key for one in new}
        with tempfile.TemporaryDirectory(dir=self._mirror.folder) as folder:
            allowed = Path(folder) / "allowed_signers"
            allowed.write_text(listed.signers("git"), encoding="utf-8")
            answers = await self._in_parts([one.name for one in new], allowed)
        good = {}
        for line in "\0".join(answers).split("\0"):
            name, _, rest = line.strip().partition(" ")
            state, _, key = rest.partition(" ")
            # G alone: git also says "good" of keys it does not know, with another letter.
            if state == "G" and key == keys.get(name):
                good[name] = key
        for one in new:
            person = listed.person(one.key, "git") if one.name in good else None
            self._verified[one.name, listed.digest] = (person, one.key) if person else None

    async def _in_parts(self, names: Sequence[str], allowed: Path) -> list[str]:
        """What git says of the signatures, one part on each processor: a part is two programs for
        every commit, one after the other, and has to end within the time that git is given.
        """
        processors = os.cpu_count() or 1
        size = min(_PART, -(-len(names) // processors))
        turn = asyncio.Semaphore(processors)

        async def verified(part: Sequence[str]) -> str:
            async with turn:
                answer = await self._mirror.programs.git(
                    *("-c", f"gpg.ssh.allowedSignersFile={allowed}", "--git-dir=."),
                    *("log", "--no-walk=unsorted", "--stdin", "-z", "--format=%H %G? %GF"),
                    folder=self._mirror.folder,
                    given="".join(f"{name}\n" for name in part).encode(),
                )
            return answer.output.decode(errors="replace")

        parts = [
            asyncio.ensure_future(verified(names[start : start + size]))
            for start in range(0, len(names), size)
        ]
        try:
            return await asyncio.gather(*parts)
        finally:
            for part in parts:  # one that failed leaves the others running
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    # ------------------------------------------------------------ contents

    async def _hashes(self, changed: Iterable[statements.Transition]) -> dict[str, str]:
        """Blob -> sha256 of its content."""
        blobs = {blob for change in changed for blob in (change.old, change.new) if blob}
        contents = await self._mirror.contents(blobs, 2 * trees.TREE_BYTES)
        return {blob: sha256(content).hexdigest() for blob, content in contents.items()}

    async def _genuine(
        self,
        heard: Sequence[statements.Statement],
        changed: Sequence[statements.Transition],
    ) -> list[statements.Statement]:
        """The same without transitions whose hashes contradict the contents that are judged."""
        hashes = await self._hashes(changed)

        def holds(change: statements.Transition) -> bool:
            return all(
                hash_ is None or blob is None or hashes.get(blob, hash_) == hash_
                for blob, hash_ in (
                    (change.old, change.old_sha256),
                    (change.new, change.new_sha256),
                )
            )

        return [
            replace(statement, transitions=tuple(filter(holds, statement.transitions)))
            for statement in heard
        ]


def _about(claim: statements.Claim, paths: set[str]) -> tuple[statements.Transition, ...]:
    """What of a claim is about these paths; who vouches for a rewritten history vouches for no
    change of a file.
    """
    if claim.rewrite is not None:
        return ()
    return tuple(change for change in claim.transitions if change.path in paths)


def _ours(lines: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Commits that grew, from first parent to first parent, out of the accepted history -> the
    accepted commit where they did; `lines` are (commit, parents…) of all that is outside of it.

    A commit's signature names no repository and no branch, only its parents. What grew elsewhere
    was signed for another repository, such as one for trying things out.
    """
    first = {line[0]: line[1] if len(line) > 1 else "" for line in lines}
    grown: dict[str, str] = {}
    for tip in first:
        way, at = [], tip
        while at in first and at not in grown:
            way.append(at)
            at = first[at]
        grown.update(dict.fromkeys(way, grown.get(at, at)))
    return {name: base for name, base in grown.items() if base}


def _signed(name: str, raw: bytes) -> _Signed | None:
    """What a raw commit says about its signature; None without exactly one ssh signature."""
    head, blank, body = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signatures: list[list[bytes]] = []
    inside = False
    for line in head.split(b"\n"):
        field, _, rest = line.partition(b" ")
        if field in {b"gpgsig", b"gpgsig-sha256"}:
            signatures.append([rest])
            inside = True
        elif inside and line.startswith(b" "):
            signatures[-1].append(line[1:])
        else:
            inside = False
            kept.append(line)
    if len(signatures) != 1:
        return None
    try:
        key = people.signing_key(b"\n".join(signatures[0]).decode())
    except (errors.InputError, UnicodeDecodeError):
        return None
    payload = b"\n".join(kept) + blank + body
    return _Signed(name, people.fingerprint(key), sha256(payload).digest())
