"""What the store and the journal answer about a person is what happened, night by night."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap, FrozenBitMap

from rosterd import disclosures, sightings, storage
from rosterd.disclosures import journal, receiving
from rosterd.storage import shown, sqlite

APPLICATIONS = ("north", "south", "west")
PERSONS = 8
START = datetime(2026, 1, 1, 2, tzinfo=UTC)
NAMED = disclosures.Pseudonyms(b"k" * 32)
RULES = json.dumps({"1.2": {"users": {"sent": ["sourcedId", "email"]}}})

everyone = st.integers(0, PERSONS - 1)
rows = st.frozensets(everyone, max_size=PERSONS)


@dataclass(frozen=True)
class Night:
    """What happened from one swap to the next."""

    seen: Mapping[str, frozenset[int]]
    received: Mapping[str, frozenset[int]]
    late: Mapping[str, frozenset[int]]
    """What still left out of the night before."""
    commit: int


changes = st.dictionaries(st.sampled_from(APPLICATIONS), st.frozensets(everyone, max_size=2))


@st.composite
def nights(draw: st.DrawFn) -> list[Night]:
    """Each much like the one before, as nights are: only then are differences kept."""
    seen = draw(st.dictionaries(st.sampled_from(APPLICATIONS), rows))
    received = draw(st.fixed_dictionaries(dict.fromkeys(APPLICATIONS, rows)))
    history = []
    for _ in range(draw(st.integers(1, 6))):
        history.append(Night(seen, received, draw(changes), draw(st.integers(0, 2))))
        seen, received = _turned(seen, draw(changes)), _turned(received, draw(changes))
    return history


def _turned(
    sets: Mapping[str, frozenset[int]], turned: Mapping[str, frozenset[int]]
) -> dict[str, frozenset[int]]:
    none: frozenset[int] = frozenset()
    return {name: sets.get(name, none) ^ turned.get(name, none) for name in {*sets, *turned}}


def _moment(night: int) -> datetime:
    return START + timedelta(days=night)


def _seen(number: int, night: Night, before: Night | None) -> shown.Seen:
    old, new = _views(before), _views(night)
    changes = {}
    for collection, groups in sightings.differences(old, new, ["users"]):
        partition = sightings.Partition.of(dict(enumerate(groups.values())))
        changes[collection] = shown.Change(tuple(groups), partition)
    return shown.Seen(
        time=_moment(number),
        cause="import",
        period=shown.Period(f"c{night.commit}", number + 1, 1),
        changes=changes,
        standings=[shown.Standing(name, "", RULES, "{}") for name in APPLICATIONS]
        if before is None
        else [],
        people=[(NAMED.digest(f"p{row}"), "users", row) for row in range(PERSONS)],
    )


def _views(night: Night | None) -> sightings.Views:
    if night is None:
        return {}
    return {name: {"users": FrozenBitMap(found)} for name, found in night.seen.items()}


def _receipt(number: int, commit: int, application: str, found: frozenset[int]) -> shown.Receipt:
    moment = _moment(number) + timedelta(hours=5)
    outflow = journal.Outflow(
        journal.Key(f"c{commit}", number + 1, 1, application, "rest", "1.2", "users", "{}"),
        moment.timestamp(),
        moment.timestamp(),
        BitMap(found),
    )
    return receiving.receipt(outflow)


def _record(store: storage.Store, history: Sequence[Night]) -> None:
    for number, night in enumerate(history):
        before = history[number - 1] if number else None
        store.keep_holdings({}, seen=[_seen(number, night, before)])
        store.keep_receipts(
            [
                _receipt(number, night.commit, name, found)
                for name, found in night.received.items()
                if found
            ]
        )
        if before is not None:
            late = [
                _receipt(number - 1, before.commit, name, found)
                for name, found in night.late.items()
                if found
            ]
            store.keep_receipts(late)
            store.keep_receipts(late)  # a crash in between makes it say so twice


@given(nights())
def test_the_answer_about_a_person_is_what_happened(history: list[Night]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        store = sqlite.open_store(path / "state.db")
        try:
            _record(store, history)
            for person in range(PERSONS):
                told = disclosures.student(store, path / "journal", NAMED, f"p{person}")
                _could_see(history, person, told)
                _did_receive(history, person, told)
            for name in APPLICATIONS:
                for number, night in enumerate(history):
                    at = _moment(number) + timedelta(hours=1)
                    seen = disclosures.view(store, name, at)
                    assert seen["records"]["users"] == len(night.seen.get(name, ()))
                    assert seen["commit"] == f"c{night.commit}"
        finally:
            store.close()


def _could_see(history: list[Night], person: int, told: disclosures.Answer) -> None:
    found = {
        (each["application"], number)
        for each in told["applications"]
        for span in each["could_see"]
        for number in range(len(history))
        if datetime.fromisoformat(span["from"]) <= _moment(number)
        and (span["to"] is None or _moment(number) < datetime.fromisoformat(span["to"]))
    }
    assert found == {
        (name, number)
        for number, night in enumerate(history)
        for name, seen in night.seen.items()
        if person in seen
    }
    for each in told["applications"]:
        for span in each["could_see"]:
            begun, ended = datetime.fromisoformat(span["from"]), span["to"]
            inside = [
                f"c{night.commit}"
                for number, night in enumerate(history)
                if begun <= _moment(number)
                and (ended is None or _moment(number) < datetime.fromisoformat(ended))
            ]
            assert span["commits"] == list(dict.fromkeys(inside))


def _did_receive(history: list[Night], person: int, told: disclosures.Answer) -> None:
    nights_of: dict[str, set[int]] = {}
    for number, night in enumerate(history):
        for name, found in night.received.items():
            if person in found:
                nights_of.setdefault(name, set()).add(number)
        for name, found in night.late.items():
            if number and person in found:
                nights_of.setdefault(name, set()).add(number - 1)
    received = {
        each["application"]: entry for each in told["applications"] for entry in each["did_receive"]
    }
    assert received.keys() == nights_of.keys()
    for name, numbers in nights_of.items():
        entry = received[name]
        assert entry["rosters"] == len(numbers)
        assert datetime.fromisoformat(entry["first"]).date() == _moment(min(numbers)).date()
        assert datetime.fromisoformat(entry["last"]).date() == _moment(max(numbers)).date()
        assert set(entry["commits"]) == {f"c{history[number].commit}" for number in numbers}
