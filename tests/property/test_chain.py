"""Whatever is done to a chain of records afterwards is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from rosterd import chain

START = datetime(2026, 9, 1, tzinfo=UTC)

notes = st.builds(
    chain.Note,
    kind=st.sampled_from(sorted(chain.KINDS)),
    actor=st.text(max_size=8),
    subject=st.text(max_size=8),
    time=st.integers(0, 10**9).map(lambda seconds: START + timedelta(seconds=seconds)),
    details=st.dictionaries(
        st.text(max_size=3).filter(lambda name: name != "v"),
        st.one_of(st.text(max_size=5), st.integers(), st.lists(st.text(max_size=3), max_size=2)),
        max_size=3,
    ),
)


@st.composite
def chains(draw: st.DrawFn, least: int = 1) -> list[chain.Record]:
    made: list[chain.Record] = []
    for note in draw(st.lists(notes, min_size=least, max_size=6)):
        made.append(chain.record(note, len(made) + 1, made[-1].head if made else ""))
    return made


def rehashed(records: list[chain.Record], start: int) -> list[chain.Record]:
    """The forger's best: all digests behind `start` made anew."""
    made = records[:start]
    for record in records[start:]:
        content = record.read()
        fixed = {"v", "number", "previous", "kind", "actor", "subject", "time"}
        details = {name: value for name, value in content.items() if name not in fixed}
        note = chain.Note(record.kind, content["actor"], content["subject"], record.time, details)
        made.append(chain.record(note, len(made) + 1, made[-1].head if made else ""))
    return made


@given(chains())
def test_what_nobody_touched_holds(made: list[chain.Record]) -> None:
    assert chain.verify(made) == chain.Verdict(len(made), made[-1].head)


@given(chains(), st.data())
def test_a_changed_byte_is_found_where_it_is(made: list[chain.Record], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(made) - 1))
    entry = bytearray(made[place].entry)
    entry[data.draw(st.integers(0, len(entry) - 1))] ^= data.draw(st.integers(1, 255))
    only = replace(made[place], entry=bytes(entry))
    digest = replace(only, head=sha256(only.entry).hexdigest())

    assert chain.verify([*made[:place], only, *made[place + 1 :]]).bad == place + 1
    if place < len(made) - 1:  # with a new digest the next one does not follow any more
        verdict = chain.verify([*made[:place], digest, *made[place + 1 :]])
        assert verdict.bad in (place + 1, place + 2)
    else:
        assert chain.place_of([*made[:place], digest], made[-1].head) is None


@given(chains(least=2), st.data())
def test_a_record_taken_out_is_found(made: list[chain.Record], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(made) - 2))

    assert chain.verify([*made[:place], *made[place + 1 :]]).bad == place + 1


@given(chains(), notes, st.data())
def test_a_record_put_in_is_found(
    made: list[chain.Record], note: chain.Note, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(made) - 1))
    forged = chain.record(note, place + 1, made[place - 1].head if place else "")
    verdict = chain.verify([*made[:place], forged, *made[place:]])

    assert verdict.bad == place + 2


@given(chains(least=2), st.data())
def test_another_order_is_found(made: list[chain.Record], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(made))))
    first = next((place for place, index in enumerate(order) if index != place), None)
    verdict = chain.verify([made[index] for index in order])

    assert verdict.bad == (None if first is None else first + 1)


@given(chains(), st.data())
def test_a_cut_tail_is_found_by_a_head_that_somebody_kept_and_by_nothing_else(
    made: list[chain.Record], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(made) - 1))
    cut = made[:kept]

    assert chain.verify(cut).fine
    assert chain.place_of(cut, made[-1].head) is None
    assert chain.place_of(made, made[kept].head) == kept + 1


@given(chains(least=2), st.data())
def test_a_chain_written_anew_does_not_have_the_heads_it_had(
    made: list[chain.Record], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(made) - 1))
    renamed = rehashed(made, len(made))
    changed = chain.Note("secret", "mallory", "forged", START)
    renamed[place] = chain.record(changed, place + 1, made[place - 1].head if place else "")
    renamed = [*renamed[: place + 1], *rehashed(renamed, place + 1)[place + 1 :]]
    original = made[place].read()
    if (original["actor"], original["subject"]) != ("mallory", "forged"):
        assert chain.verify(renamed).fine
        for record in made[place:]:
            assert chain.place_of(renamed, record.head) is None
