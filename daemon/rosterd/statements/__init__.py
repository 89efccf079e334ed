"""Who vouches for which change of which file, and whether that is enough.

A statement says "person P vouches that this path goes from this blob to that one". It speaks of
contents and not of commits, because commits are made anew by the squash, merge and rebase buttons
of every forge while the contents stay; a merge that smuggles something in is a change that nobody
vouched for. What a person said in several steps counts as said in one: statements compose.

A statement counts once. Otherwise whoever may push could, after a revert, bring back what two
people once approved. A statement is therefore known by what was signed (`subject`), never by the
signature or by the object it lies in: those can be written anew without any key. One that was kept
from the daemon until its change was undone is told by the time that its signer put into it.

    saying    the bytes of a detached statement: written, read, refused
    judging   whether statements carry a change
    spending  which statements have had their say
    reviewing what is proven, only claimed and missing, for people who look

Nothing here reads git or checks a signature: `rosterd.git` brings the facts.
"""

from rosterd.statements.judging import (
    PathVerdict,
    Statement,
    Verdict,
    counted,
    judge,
)
from rosterd.statements.reviewing import Review, Row, Voucher, rows
from rosterd.statements.saying import (
    HISTORY,
    NAMESPACE,
    SKEW,
    Blob,
    Claim,
    Transition,
    opened,
    parse,
    payload,
    refusal,
    sealed,
)
from rosterd.statements.spending import Turn, fresh, spent, turned

__all__ = [
    "HISTORY",
    "NAMESPACE",
    "SKEW",
    "Blob",
    "Claim",
    "PathVerdict",
    "Review",
    "Row",
    "Statement",
    "Transition",
    "Turn",
    "Verdict",
    "Voucher",
    "counted",
    "fresh",
    "judge",
    "opened",
    "parse",
    "payload",
    "refusal",
    "rows",
    "sealed",
    "spent",
    "turned",
]
