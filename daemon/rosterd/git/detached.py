"""Detached statements: one ref each, whose content is a payload and its signature.

Whoever may push may put anything there, under any name; what is not what it claims to be is passed
over with its reason.
"""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from rosterd import errors, statements
from rosterd.git import chunks, mirrors, people, signatures

_MOST = 10_000
_MOST_BYTES = 2**21
_REMEMBERED = 50_000

About = Callable[[statements.Claim], tuple[statements.Transition, ...]]


class Detached:
    """Reads them from a mirror; remembers what it verified, and under which list of keys."""

    def __init__(self, mirror: mirrors.Mirror, *, repository: str, branch: str) -> None:
        self._mirror = mirror
        self._repository = repository
        self._branch = branch
        self._verified: dict[tuple[str, str], tuple[str, str] | None] = {}

    async def hear(
        self, about: About, listed: people.People, now: datetime
    ) -> tuple[list[statements.Statement], list[str]]:
        """(statements of people who are listed, why others count nothing); `about` gives what of a
        claim matters, and nothing for what is of no interest.
        """
        if len(self._verified) > _REMEMBERED:
            self._verified.clear()
        refs = await self._mirror.statement_refs(_MOST, _MOST_BYTES)
        heard: list[statements.Statement] = []
        ignored: list[str] = []
        async for blob, content in chunks.contents(self._mirror, sorted(set(refs.values()))):
            name = sha256(content).hexdigest()
            try:
                signed, signature = statements.opened(content)
                claim = statements.parse(signed)
                matters = about(claim)
                if not matters:
                    continue
                if refs.get(name) != blob:
                    raise errors.InputError("its ref is not named by the sha256 of what it holds")
                if reason := statements.refusal(
                    claim, repository=self._repository, branch=self._branch, now=now
                ):
                    raise errors.InputError(reason)
                person, key = await self._signer(name, signed, signature, listed)
            except errors.InputError as error:
                ignored.append(f"statement {name[:12]}: {error.args[0]}")
                continue
            subject = sha256(signed).hexdigest()
            heard.append(
                statements.Statement(person, key, "detached", name, subject, matters, claim.made)
            )
        return heard, ignored[:100]

    async def _signer(
        self, name: str, signed: bytes, signature: str, listed: people.People
    ) -> tuple[str, str]:
        """(person, fingerprint) behind a detached signature; errors.InputError when nobody is."""
        if (name, listed.digest) not in self._verified:
            self._verified[name, listed.digest] = await self._verify(signed, signature, listed)
        verified = self._verified[name, listed.digest]
        if verified is None:
            raise errors.InputError(
                "its signature is not good, or its key is not listed (any more)"
            )
        return verified

    async def _verify(
        self, signed: bytes, signature: str, listed: people.People
    ) -> tuple[str, str] | None:
        return await signatures.signer(
            self._mirror.programs,
            signed,
            signature,
            listed,
            namespace=statements.NAMESPACE,
            folder=self._mirror.folder,
        )
