"""Who vouches for which change of which file, and whether that is enough.

A statement says "person P vouches that this path goes from this blob to that one". It speaks of
contents and not of commits, because commits are made anew by the squash, merge and rebase buttons
of every forge while the contents stay; a merge that smuggles something in is a change that nobody
vouched for. What a person said in several steps counts as said in one: statements compose.

A statement counts once. Otherwise whoever may push could, after a revert, bring back what two
people once approved. A statement is therefore known by what was signed (`subject`), never by the
signature or by the object it lies in: those can be written anew without any key.

Nothing here reads git or checks a signature: `rosterd.git` brings the facts.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

from rosterd import errors

NAMESPACE = "rosterd-statement"
"""The ssh signature namespace of detached statements: a git signature is none, nor the reverse."""
VERSION = 1
MOST_TRANSITIONS = 20_000
"""A detached statement about more paths is not read."""

Blob = str | None
"""Object id of a file's content; None where there is no file."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One path going from one content to another."""

    path: str
    old: Blob
    new: Blob
    old_sha256: str | None = None
    """Hash of the content itself, so that a collision of git's object ids gains nothing; None when
    there is no file, or when the transition was read from a commit."""
    new_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What one person vouches for; its signature is verified already."""

    person: str
    key: str
    """Fingerprint of the key that signed."""
    source: Literal["commit", "detached"]
    name: str
    """Commit id, or the name of the statement's ref: for people who look."""
    subject: str
    """sha256 of the signed bytes."""
    transitions: tuple[Transition, ...]

    def digest(self, path: str) -> str:
        """What is recorded when this statement has counted for `path`."""
        return sha256(f"{self.person}\0{self.subject}\0{path}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Claim:
    """The payload of a detached statement, before anybody asked who signed it."""

    repository: str
    branch: str
    transitions: tuple[Transition, ...]
    not_after: datetime
    """Judged when it is to count, never by the date of a commit."""
    nonce: str
    """Makes a second approval of the same change another statement."""


def payload(claim: Claim) -> bytes:
    """The canonical bytes that are signed: JSON, sorted keys, no spaces, UTF-8."""
    return _canonical(
        {
            "v": VERSION,
            "repository": claim.repository,
            "branch": claim.branch,
            "notAfter": claim.not_after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "nonce": claim.nonce,
            "transitions": [
                {
                    "path": change.path,
                    "old": change.old,
                    "new": change.new,
                    "old_sha256": change.old_sha256,
                    "new_sha256": change.new_sha256,
                }
                for change in sorted(claim.transitions, key=lambda change: change.path)
            ],
        }
    )


def parse(signed: bytes) -> Claim:
    """The claim in `signed`, which must be exactly the bytes that `payload` gives for it.

    Raises errors.InputError otherwise: two readings of one signature must not exist.
    """
    fields = _object(signed, "a statement's payload")
    try:
        if fields["v"] != VERSION:
            raise errors.InputError(f"cannot read a statement of version {fields['v']!r}")
        listed = fields["transitions"]
        if not isinstance(listed, list) or not 0 < len(listed) <= MOST_TRANSITIONS:
            raise errors.InputError(
                f"a statement has to list 1 to {MOST_TRANSITIONS} transitions, not another number"
            )
        claim = Claim(
            repository=_text(fields["repository"]),
            branch=_text(fields["branch"]),
            transitions=tuple(_transition(item) for item in listed),
            not_after=datetime.strptime(_text(fields["notAfter"]), "%Y-%m-%dT%H:%M:%SZ").replace(
                tzinfo=UTC
            ),
            nonce=_text(fields["nonce"]),
        )
        canonical = payload(claim)  # half a surrogate pair can be read, but not written
    except (KeyError, TypeError, ValueError) as error:
        raise errors.InputError("cannot read a statement: a member is missing or odd") from error
    if canonical != signed:
        raise errors.InputError("cannot read a statement: it is not in its canonical form")
    if len({change.path for change in claim.transitions}) != len(claim.transitions):
        raise errors.InputError("cannot read a statement: it names a path twice")
    return claim


def sealed(signed: bytes, signature: str) -> bytes:
    """The blob in which a detached statement is kept: its payload and the armored signature."""
    return _canonical({"payload": signed.decode(), "signature": signature})


def opened(blob: bytes) -> tuple[bytes, str]:
    """(payload, armored signature) of a kept statement; errors.InputError when it is none."""
    fields = _object(blob, "a statement")
    try:
        return _text(fields["payload"]).encode(), _text(fields["signature"])
    except (KeyError, TypeError, UnicodeEncodeError) as error:
        raise errors.InputError("cannot read a statement: payload or signature missing") from error


def refusal(claim: Claim, *, repository: str, branch: str, now: datetime) -> str | None:
    """Why a well-signed claim counts nothing here and now; None when it counts."""
    if claim.repository != repository:
        return f"it is for the repository {claim.repository!r}, not {repository!r}"
    if claim.branch != branch:
        return f"it is for the branch {claim.branch!r}, not {branch!r}"
    if now > claim.not_after:
        return f"it ended at {claim.not_after:%Y-%m-%dT%H:%M:%SZ}"
    return None


# ---------------------------------------------------------------- judging


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """How far one changed path is vouched for."""

    path: str
    needed: int
    have: int
    """The most different people who vouch for each link of one chain from old to new."""
    people: tuple[str, ...]
    """When enough: all who vouch for that chain. Otherwise: who vouches so far."""

    @property
    def enough(self) -> bool:
        return self.have >= self.needed

    def __str__(self) -> str:
        so_far = ", ".join(self.people) or "nobody"
        if self.enough:
            return f"{self.path}: vouched for by {so_far}"
        return f"{self.path}: needs {counted(self.needed)}, has {self.have} ({so_far})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the statements carry a candidate."""

    paths: tuple[PathVerdict, ...]

    @property
    def accepted(self) -> bool:
        return all(verdict.enough for verdict in self.paths)

    @property
    def missing(self) -> tuple[PathVerdict, ...]:
        return tuple(verdict for verdict in self.paths if not verdict.enough)

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whose keys stand behind an accepted candidate, sorted."""
        return tuple(sorted({person for verdict in self.paths for person in verdict.people}))

    @property
    def proven(self) -> str:
        """The most that keys can say about the candidate, in words."""
        least = min((verdict.have for verdict in self.paths), default=0)
        if least == 0:
            return "unproven: changes that nobody's key vouches for"
        keys = "one person's key" if least == 1 else f"{counted(least)}'s keys"
        partly = " for some of the changes" if least == 1 and len(self.people) > 1 else ""
        return f"vouched for by {keys}{partly} ({', '.join(self.people)})"


def judge(
    changed: Iterable[Transition],
    statements: Iterable[Statement],
    needed: Callable[[str], int],
    used: Collection[str] = frozenset(),
) -> Verdict:
    """Judge each changed path: a chain of transitions has to lead from old to new, each link vouched
    for by enough different people.

    A link is vouched for by a person when her own statements, composed, lead from its one end to
    the other. `used` holds the digests (Statement.digest) that have counted before.
    """
    by_path = _by_path(statements, used)
    return Verdict(
        tuple(
            _judged(change, by_path.get(change.path, {}), needed(change.path))
            for change in sorted(changed, key=lambda change: change.path)
        )
    )


def spent(
    changed: Iterable[Transition],
    passed: Iterable[Transition],
    statements: Sequence[Statement],
    used: Collection[str] = frozenset(),
) -> frozenset[str]:
    """Digests of what has counted once `changed` is accepted; none of `used` is given again.

    For each path: every link that lies on some way from old to new, and every link between contents
    that the branch went through (`passed`: the transitions of each commit accepted, also where they
    cancel each other). What leads elsewhere, such as the approval of a later step, stays good.
    """
    ends = {change.path: change for change in changed}
    seen: dict[str, set[Blob]] = {}
    for change in passed:
        seen.setdefault(change.path, set()).update((change.old, change.new))
    ways: dict[str, tuple[Mapping[Blob, set[Blob]], Mapping[Blob, set[Blob]]]] = {}
    for path, people in _by_path(statements, used).items():
        links = [link for spoken in people.values() for link in spoken]
        ways[path] = _reach(links), _reach([(new, old) for old, new in links])
    digests = set()
    for statement in statements:
        for change in statement.transitions:
            digest = statement.digest(change.path)
            through = seen.get(change.path, set())
            if digest in used:
                continue
            if change.old in through and change.new in through:
                digests.add(digest)
            elif change.path in ends:
                forward, backward = ways[change.path]
                old, new = ends[change.path].old, ends[change.path].new
                if change.old in forward.get(old, {old}) | {old} and change.new in backward.get(
                    new, {new}
                ) | {new}:
                    digests.add(digest)
    return frozenset(digests)


def counted(people: int) -> str:
    """A number of people in words, as far as words are usual."""
    words = {0: "nobody", 1: "one person", 2: "two people", 3: "three people", 4: "four people"}
    return words.get(people, f"{people} people")


Links = list[tuple[Blob, Blob]]


def _by_path(statements: Iterable[Statement], used: Collection[str]) -> dict[str, dict[str, Links]]:
    """Path -> person -> links she states, without what has counted before."""
    by_path: dict[str, dict[str, Links]] = {}
    for statement in statements:
        for change in statement.transitions:
            if statement.digest(change.path) not in used:
                people = by_path.setdefault(change.path, {})
                people.setdefault(statement.person, []).append((change.old, change.new))
    return by_path


def _reach(links: Iterable[tuple[Blob, Blob]]) -> dict[Blob, set[Blob]]:
    """For every beginning of a link: all that its links lead to, over any number of them."""
    steps: dict[Blob, set[Blob]] = {}
    for old, new in links:
        steps.setdefault(old, set()).add(new)
    reach: dict[Blob, set[Blob]] = {}
    for start in steps:
        found: set[Blob] = set()
        queue = [start]
        while queue:
            for new in steps.get(queue.pop(), ()):
                if new not in found:
                    found.add(new)
                    queue.append(new)
        reach[start] = found
    return reach


def _judged(change: Transition, people: Mapping[str, Links], needed: int) -> PathVerdict:
    vouchers: dict[tuple[Blob, Blob], set[str]] = {}
    for person, links in people.items():
        for old, reached in _reach(links).items():
            for new in reached:
                vouchers.setdefault((old, new), set()).add(person)
    have = 0
    for least in range(len(people), 0, -1):
        strong = [link for link, persons in vouchers.items() if len(persons) >= least]
        if change.new in _reach(strong).get(change.old, ()):
            have = least
            break
    if have and have >= needed:
        behind = _behind(change, vouchers, have)
    else:
        behind = _so_far(change, vouchers, needed)
    return PathVerdict(change.path, needed, have, tuple(sorted(behind)))


def _behind(
    change: Transition, vouchers: Mapping[tuple[Blob, Blob], set[str]], least: int
) -> set[str]:
    """Everybody on the links, of `least` people each, of the shortest chain from old to new."""
    came: dict[Blob, Blob] = {}
    queue = [change.old]
    for state in queue:
        for (old, new), persons in vouchers.items():
            if old == state and len(persons) >= least and new not in came:
                came[new] = old
                queue.append(new)
        if change.new in came:
            break
    behind: set[str] = set()
    state = change.new
    while True:
        behind |= vouchers[came[state], state]
        state = came[state]
        if state == change.old:
            return behind


def _so_far(
    change: Transition, vouchers: Mapping[tuple[Blob, Blob], set[str]], needed: int
) -> set[str]:
    """Who vouches for the rest of the way, from where enough people have brought it."""
    strong = [link for link, persons in vouchers.items() if len(persons) >= max(needed, 1)]
    reached = {change.old} | _reach(strong).get(change.old, set())
    rests = [vouchers.get((state, change.new), set()) for state in reached]
    return max(rests, key=lambda persons: (len(persons), sorted(persons)))


# ---------------------------------------------------------------- JSON


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        fields = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise errors.InputError(f"cannot read {what}: it is not JSON in UTF-8") from error
    if not isinstance(fields, dict):
        raise errors.InputError(f"cannot read {what}: it is not a JSON object")
    return fields


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _hex(value: object, lengths: tuple[int, ...]) -> str | None:
    if value is None:
        return None
    text = _text(value)
    if len(text) not in lengths or not set(text) <= set("0123456789abcdef"):
        raise ValueError("not a hexadecimal digest")
    return text


def _transition(item: Any) -> Transition:
    change = Transition(
        path=_text(item["path"]),
        old=_hex(item["old"], (40, 64)),
        new=_hex(item["new"], (40, 64)),
        old_sha256=_hex(item["old_sha256"], (64,)),
        new_sha256=_hex(item["new_sha256"], (64,)),
    )
    if (change.old is None) != (change.old_sha256 is None):
        raise ValueError("a content without its hash")
    if (change.new is None) != (change.new_sha256 is None) or change.old == change.new:
        raise ValueError("a content without its hash, or no change")
    return change
