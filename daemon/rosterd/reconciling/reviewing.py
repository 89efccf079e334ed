"""Who stands behind the changes of a range of commits: the daemon's answer, and that of a clone.

A range is judged as if its beginning were the accepted commit. What counted for a change that was
applied is spent for the next one, yet it is what proves that one: so what was used and overtaken is
left out only where the range begins at what is accepted now.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rosterd import errors, git, plans, statements
from rosterd.git import people, ranges, witnesses
from rosterd.reconciling import candidates


class Range:
    """Two commits of a mirror; `base` is the one from which `commit` grew."""

    def __init__(self, mirror: git.Mirror, base: str, commit: str) -> None:
        self.mirror = mirror
        self.base = base
        self.commit = commit

    @classmethod
    async def of(cls, mirror: git.Mirror, text: str, tip: str) -> "Range":
        """What `text` (A..B, or one commit) means; the branch is at `tip`.

        One commit that the branch does not have stands for everything since it left the branch, one
        that it has for its own change.
        """
        first, dots, last = text.partition("..")
        if dots:
            base, commit = (
                await mirror.resolve(first),
                await mirror.resolve(last.lstrip(".") or tip),
            )
        else:
            base, commit = tip, await mirror.resolve(text)
        base = await mirror.merge_base(base, commit)
        if base == commit and not dots:
            lines = await mirror.commits("--max-count=1", commit)
            if len(lines[0]) < 2:
                raise errors.InputError(f"cannot review {text}: it is the first of its history")
            base = lines[0][1]
        return cls(mirror, base, commit)

    async def claimed(self, proven: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Path -> what commits that touch it claim about reviews and forges, without the signatures
        of those that are proven.
        """
        _, commits = await ranges.commits(self.mirror, self.base, self.commit)
        lines = await self.mirror.commits(self.commit, f"^{self.base}")
        said = {each.commit: _claims(each, each.commit in proven) for each in commits}
        found: dict[str, dict[str, None]] = {}
        for own in await self.mirror.own_changes([line for line in lines if line[0] in said]):
            for change in own.transitions:
                found.setdefault(change.path, {}).update(dict.fromkeys(said[own.name]))
        return {path: tuple(texts) for path, texts in found.items()}

    async def needed(self, rule: plans.Rule) -> tuple[plans.Needed, tuple[str, ...]]:
        """(number for each path, what to know about it), from the documents alone."""
        reader = candidates.Reader(self.mirror)
        try:
            old, new = await reader.read(self.base), await reader.read(self.commit)
        except errors.InputError as error:
            return plans.strictest(rule), (f"{error.args[0]}: nobody can tell what it means",)
        if new.config is None:
            text = f"the documents of {self.commit[:12]} have problems: it would not be applied"
            return plans.strictest(rule), (text,)
        return plans.needed(plans.make(old.config, new.config), rule), ()


@dataclass(frozen=True, slots=True)
class Question:
    """What is judged, for whom, and by which rule."""

    changed: tuple[statements.Transition, ...]
    listed: people.People
    rule: plans.Rule


async def review(
    range_: Range,
    question: Question,
    heard: witnesses.Testimony,
    used: frozenset[str] = frozenset(),
) -> statements.Review:
    """The review of a range, out of what was heard about it."""
    need, notes = await range_.needed(question.rule)
    stated = [_unused(each, used) for each in heard.stated]
    verdict = statements.judge(question.changed, stated, need)
    claimed = await range_.claimed({each.name for each in stated if each.source == "commit"})
    rows = statements.rows(question.changed, verdict, stated, question.listed.names, claimed)
    return statements.Review(
        base=range_.base,
        commit=range_.commit,
        rows=rows,
        proven=verdict.proven,
        rule=str(question.rule),
        notes=(*notes, *heard.ignored),
    )


async def of_clone(
    mirror: git.Mirror,
    text: str,
    tip: str,
    *,
    names: tuple[str, str],
    listed: people.People,
    rule: plans.Rule,
    now: datetime,
) -> statements.Review:
    """The review of a range in somebody's clone; `names` are the repository's id and its branch.

    What the daemon has counted already is not known there.
    """
    range_ = await Range.of(mirror, text, tip)
    changed = await mirror.changes(range_.base, range_.commit)
    reader = witnesses.Witnesses(mirror, repository=names[0], branch=names[1])
    heard = await reader.hear(range_.base, range_.commit, changed, listed, now)
    return await review(range_, Question(changed, listed, rule), heard)


def _unused(statement: statements.Statement, used: frozenset[str]) -> statements.Statement:
    left = tuple(each for each in statement.transitions if statement.digest(each.path) not in used)
    return replace(statement, transitions=left)


def _claims(each: ranges.Claimed, proven: bool) -> tuple[str, ...]:  # noqa: FBT001 - a fact of it
    short = each.commit[:12]
    signed = (
        not proven
        and each.signature
        and f"{each.signature} signed {short}, committed by {each.committer}"
    )
    return (*((signed,) if signed else ()), *(f"{line}, in {short}" for line in each.trailers))
