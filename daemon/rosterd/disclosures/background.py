"""What was in force at which time: looked up by every part of an answer.

A year has hundreds of swaps, and an answer has hundreds of spans, so whatever can be told of an
application is told once, as the few turns at which it became something else.
"""

import bisect
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rosterd import storage
from rosterd.disclosures import journal
from rosterd.storage import shown

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Background:
    """Everything but rows."""

    sights: Mapping[int, shown.Sight]
    periods: Mapping[int, shown.Period]
    standings: Mapping[str, Sequence[tuple[int, shown.Standing]]]
    channels: Mapping[int, shown.Channel]
    taken: shown.Taken
    open: Sequence[journal.Outflow]
    """What is in the journal only."""
    people: Mapping[str, Sequence[str]]
    _commits: dict[str, list[tuple[datetime, str]]] = field(default_factory=dict)
    _rules: dict[tuple[str, str], list[tuple[int, Answer]]] = field(default_factory=dict)

    @classmethod
    def read(cls, store: storage.Store, folder: Path) -> "Background":
        """From a store, and the journal in `folder`."""
        # the journal first: what is put into the store meanwhile is told twice, never not at all
        outflows = list(journal.read(folder).values())
        standings: dict[str, list[tuple[int, shown.Standing]]] = {}
        for number, standing in store.standings():
            standings.setdefault(standing.application, []).append((number, standing))
        return cls(
            sights={each.number: each for each in store.sights()},
            periods=store.periods(),
            standings=standings,
            channels=store.channels(),
            taken=store.receipts(),
            open=outflows,
            people=vouched(store),
        )

    def line(self, sight: int) -> int:
        """Of the rows that a sight speaks of."""
        return self.periods[self.sights[sight].period].line

    def commits(self, application: str, begun: datetime, ended: datetime | None) -> list[str]:
        """Those in force for an application at some time of a span, the oldest first."""
        turns = self._commits.get(application)
        if turns is None:
            turns = self._commits[application] = self._turns(application)
        first = max(0, bisect.bisect_right(turns, begun, key=lambda turn: turn[0]) - 1)
        last = len(turns)
        if ended is not None:
            last = bisect.bisect_left(turns, ended, key=lambda turn: turn[0])
        return list(dict.fromkeys(commit for _, commit in turns[first:last] if commit))

    def _turns(self, application: str) -> list[tuple[datetime, str]]:
        """(time, commit from then on); an application can be held at a former one."""
        own = dict(self.standings.get(application, ()))
        turns: list[tuple[datetime, str]] = []
        standing = None
        for number, sight in self.sights.items():
            standing = own.get(number, standing)
            commit = self.periods[sight.period].commit
            if standing is not None and standing.commit:
                commit = standing.commit
            if not turns or turns[-1][1] != commit:
                turns.append((sight.time, commit))
        return turns

    def rules(self, application: str, collection: str) -> list[tuple[int, Answer]]:
        """(sight, version -> members from then on) wherever they became others."""
        turns = self._rules.get((application, collection))
        if turns is None:
            turns = self._rules[application, collection] = []
            former = None
            for number, standing in self.standings.get(application, ()):
                if standing.rules is not former and not standing.refusal:
                    former = standing.rules
                    parsed = _parsed(standing.rules)
                    fields = {version: parsed[version][collection] for version in parsed}
                    if not turns or turns[-1][1] != fields:
                        turns.append((number, fields))
        return turns


@functools.lru_cache(maxsize=256)
def _parsed(rules: str) -> Answer:
    parsed: Answer = json.loads(rules)
    return parsed


def vouched(store: storage.Store) -> dict[str, list[str]]:
    """Commit -> the people whose statements were counted for it."""
    return {change.commit: list(change.people) for change in store.history(1_000_000)}
