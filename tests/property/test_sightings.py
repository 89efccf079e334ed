"""What is kept of many nights says exactly what each night was, for every row and reader."""

from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap, FrozenBitMap

from rosterd import sightings

READERS = ("north", "south", "east", "west")
COLLECTIONS = ("users", "enrollments")
rows = st.frozensets(st.integers(0, 40) | st.integers(65_530, 65_545), max_size=25)
nights = st.lists(
    st.dictionaries(
        st.sampled_from(READERS), st.fixed_dictionaries(dict.fromkeys(COLLECTIONS, rows))
    ),
    max_size=7,
)
partitions = st.dictionaries(rows, st.integers(0, 2**32 - 1), max_size=5)


def _views(night: dict[str, dict[str, frozenset[int]]]) -> sightings.Views:
    return {
        reader: {name: FrozenBitMap(found) for name, found in seen.items()}
        for reader, seen in night.items()
    }


@given(nights)
def test_the_nights_of_a_row_are_those_that_were(
    history: list[dict[str, dict[str, frozenset[int]]]],
) -> None:
    marks: dict[tuple[str, ...], int] = {}
    kept: dict[str, list[tuple[int, bytes, bytes]]] = {name: [] for name in COLLECTIONS}
    before: sightings.Views = {}
    for number, night in enumerate(history):
        views = _views(night)
        for collection, groups in sightings.differences(before, views, COLLECTIONS):
            numbered = {marks.setdefault(each, len(marks)): found for each, found in groups.items()}
            packed = sightings.Partition.of(numbered).packed()
            kept[collection].append((number, *packed))
        before = views
    audiences = {mark: readers for readers, mark in marks.items()}
    for collection in COLLECTIONS:
        read = [
            (number, sightings.Partition.unpacked(found, codes))
            for number, found, codes in kept[collection]
        ]
        _same_spans(collection, history, read, audiences)
        state: dict[int, BitMap] = {}
        for _, each in read:
            state = sightings.followed(state, each)
        folded = sightings.unfolded(state, audiences)
        now = history[-1] if history else {}
        for reader in READERS:
            seen = now.get(reader, {}).get(collection, frozenset())
            assert set(folded.get(reader, ())) == seen


def _same_spans(
    collection: str,
    history: list[dict[str, dict[str, frozenset[int]]]],
    kept: list[tuple[int, sightings.Partition]],
    audiences: dict[int, tuple[str, ...]],
) -> None:
    every = {row for night in history for seen in night.values() for row in seen[collection]}
    for row in every | {99}:
        changes = [
            (number, audiences[mark])
            for number, each in kept
            if (mark := each.mark(row)) is not None
        ]
        told = {
            (span.reader, number)
            for span in sightings.spans(changes)
            for number in range(span.begun, span.ended if span.ended is not None else len(history))
        }
        assert told == {
            (reader, number)
            for number, night in enumerate(history)
            for reader, seen in night.items()
            if row in seen[collection]
        }


@given(st.lists(st.dictionaries(st.sampled_from(READERS), rows), max_size=9))
def test_receipts_kept_as_differences_are_the_receipts(
    history: list[dict[str, frozenset[int]]],
) -> None:
    states: list[dict[str, BitMap]] = []
    for period in history:
        sets = {reader: BitMap(found) for reader, found in period.items()}
        bases = [(number, states[number]) for number in range(len(states))][-3:]
        base, groups = sightings.smallest(sets, bases)
        marks = dict(enumerate(groups))
        partition = sightings.Partition.of(dict(enumerate(groups.values())))
        before = states[base] if base is not None else {}
        told = {reader: found - partition.rows for reader, found in before.items()}
        for reader, found in sightings.unfolded(partition.groups(), marks).items():
            told[reader] = told.get(reader, BitMap()) | found
        assert {reader: set(found) for reader, found in told.items() if found} == {
            reader: set(found) for reader, found in period.items() if found
        }
        assert len(partition.rows) <= len(set().union(*period.values()))
        states.append(sets)


@given(partitions)
def test_a_partition_is_read_as_it_was_kept(made: dict[frozenset[int], int]) -> None:
    groups: dict[int, BitMap] = {}
    taken: set[int] = set()
    for found, mark in made.items():
        groups.setdefault(mark, BitMap()).update(found - taken)
        taken |= found
    groups = {mark: its for mark, its in groups.items() if its}
    read = sightings.Partition.unpacked(*sightings.Partition.of(groups).packed())
    assert read.groups() == groups
    for mark, its in groups.items():
        assert all(read.mark(row) == mark for row in its)
        assert read.having({mark}) == its
    assert read.having(set(groups)) == BitMap(taken)
    assert read.mark(77) is None
