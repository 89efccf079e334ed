"""One comment and one status for each open request, at the forge.

The comment is found again by a marker in its first line *and* by its author: a marker alone could
be planted by anybody. It is edited while the verdict stays, which notifies nobody; a new verdict is
a new comment, and the old one says so. Nothing is posted that is posted already.

The project's readers are more than the daemon's operators. Where everybody may read it, only what
the documents say is posted, never what they mean for the roster.
"""

from dataclasses import dataclass
from typing import Final

from rosterd import errors, forges, plans
from rosterd.plans.rendering import markdown
from rosterd.requesting.seen import Seen

_WORDS: Final = {
    "valid": "the documents are valid",
    "invalid": "the documents have problems",
    "conflict": "it does not fit what is accepted",
    "unreadable": "its files cannot be taken",
}
FAILED: Final = frozenset({"invalid", "conflict", "unreadable"})
_OLD: Final = "<!-- rosterd:replaced -->\n_A newer plan stands below._\n"


@dataclass(slots=True)
class _Posted:
    """What the forge has from us about one request."""

    comment: int
    text: str


class Telling:
    """Remembers what is posted, so that a quiet pass asks the forge for next to nothing."""

    def __init__(self, repository: str, branch: str, author: str | None) -> None:
        """`author` is the id of our account, when the token cannot ask for it."""
        self._marker = f"<!-- rosterd:plan:{_plain(repository)}:{_plain(branch)} -->"
        self._me = author
        self._posted: dict[int, _Posted] = {}
        self._statuses: dict[str, tuple[bool, str]] = {}

    async def tell(self, forge: forges.Forge, seen: Seen, *, private: bool) -> None:
        """Have comment and status of a request say what is known of it; errors.TemporaryError."""
        if seen.state not in _WORDS:
            return
        plan = seen.plan if private else seen.structure
        text = self.text(seen, plan, private=private)
        try:
            await self._comment(forge, seen.number, text)
        except errors.TemporaryError:
            self._posted.pop(seen.number, None)  # what of it arrived is read again
            raise
        finally:  # a forge may take the one and refuse the other
            await self._status(forge, seen, plan)

    def forget(self, open_: frozenset[int]) -> None:
        """Keep in mind only requests that are still open."""
        self._posted = {number: kept for number, kept in self._posted.items() if number in open_}
        for sha in list(self._statuses)[: max(0, len(self._statuses) - 1000)]:
            del self._statuses[sha]

    def text(self, seen: Seen, plan: plans.Plan | None, *, private: bool) -> str:
        """The whole comment."""
        heading = [
            self._marker,
            f"<!-- rosterd:verdict:{seen.state} -->",
            f"## rosterd: {_WORDS[seen.state]}",
            "",
            f"Head `{seen.head}`. {_standing(seen, private=private)}",
            "",
        ]
        if plan is None:
            if seen.state != "invalid":
                heading += [f"{markdown.words(seen.message)}.", ""]
            return markdown.refusal(heading, seen.problems)
        return markdown.page(plan, heading=heading)

    async def _status(self, forge: forges.Forge, seen: Seen, plan: plans.Plan | None) -> None:
        fine = seen.state not in FAILED
        words = _WORDS[seen.state]
        if plan is not None and plan.warnings:
            count = len(plan.warnings)
            words = f"{words}; {count} warning{'s' if count != 1 else ''}"
        if self._statuses.get(seen.head) == (fine, words):
            return
        await forge.status(seen.head, fine=fine, description=words)
        self._statuses[seen.head] = (fine, words)

    async def _comment(self, forge: forges.Forge, number: int, text: str) -> None:
        posted = self._posted.get(number) or await self._find(forge, number)
        if posted is None:
            self._posted[number] = _Posted(await forge.add(number, text), text)
        elif _bare(posted.text) == _bare(text):
            self._posted[number] = posted
        elif _verdict(posted.text) == _verdict(text):
            await forge.edit(number, posted.comment, text)
            self._posted[number] = _Posted(posted.comment, text)
        else:
            self._posted[number] = _Posted(await forge.add(number, text), text)
            await forge.edit(number, posted.comment, _OLD)

    async def _find(self, forge: forges.Forge, number: int) -> _Posted | None:
        """Our newest comment on a request: our marker in the first line, and our account."""
        if self._me is None:
            self._me = await forge.me()
        ours = [
            comment
            for comment in await forge.comments(number)
            if comment.author == self._me and comment.text.lstrip().startswith(self._marker)
        ]
        return _Posted(ours[-1].id, ours[-1].text) if ours else None


def _standing(seen: Seen, *, private: bool) -> str:
    if seen.people and private:
        people = ", ".join(markdown.words(person) for person in seen.people)
        return f"Vouched for so far by the key{'s' if len(seen.people) != 1 else ''} of {people}."
    if not private and seen.people:
        return "Everybody can read this project, so the plan does without the roster."
    return (
        f"{seen.message[:1].upper()}{markdown.words(seen.message[1:])}."
        if (seen.state == "valid" and seen.message)
        else ""
    )


def _verdict(text: str) -> str:
    lines = _bare(text).split("\n", 2)
    return lines[1].strip() if len(lines) > 1 else ""


def _bare(text: str) -> str:
    """The text as every forge gives it back: some change line ends, some cut blanks at the end."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n"))


def _plain(text: str) -> str:
    """A name inside an HTML comment, which two hyphens would end."""
    return text.replace("--", "-‐").replace("<", "").replace(">", "")  # noqa: RUF001 - looks alike and ends nothing
