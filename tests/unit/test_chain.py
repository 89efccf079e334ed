import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from rosterd import chain

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def note(number: int = 0) -> chain.Note:
    details = {"application": "math", "generations": [number]}
    return chain.Note("revealed", "ada", "math", NOON + timedelta(minutes=number), details)


def records(count: int) -> list[chain.Record]:
    made: list[chain.Record] = []
    for number in range(1, count + 1):
        made.append(chain.record(note(number), number, made[-1].head if made else ""))
    return made


def of_first_version(previous: str, number: int) -> chain.Record:
    """As the first version wrote it: no number, no kind, milliseconds."""
    members = {"v": 1, "previous": previous, "commit": "c" * 40, "plan": "p", "rule": 2}
    rest = {"people": ["ada"], "proven": "so", "time": "2026-09-01T12:00:00.123+00:00"}
    entry = json.dumps({**members, **rest}, sort_keys=True, separators=(",", ":")).encode()
    moment = NOON + timedelta(microseconds=123_456)
    return chain.Record(number, previous, sha256(entry).hexdigest(), entry, "applied", moment)


def test_an_entry_is_the_same_bytes_for_ever() -> None:
    local = replace(note(), time=NOON.astimezone(timezone(timedelta(hours=-5))))

    assert chain.record(local, 7, "ab").entry.decode() == (
        '{"actor":"ada","application":"math","generations":[0],"kind":"revealed","number":7,'
        '"previous":"ab","subject":"math","time":"2026-09-01T12:00:00.000000Z","v":2}'
    )


def test_a_note_has_a_known_kind_a_timezone_and_no_member_of_the_chain() -> None:
    with pytest.raises(ValueError, match="no kind of record gossip"):
        replace(note(), kind="gossip")
    with pytest.raises(ValueError, match="timezone"):
        replace(note(), time=NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="previous of its own"):
        replace(note(), details={"previous": "ff"})


def test_a_name_that_is_no_unicode_does_not_keep_a_change_off_the_record() -> None:
    odd = replace(note(), details={"author": b"J\xf6rg".decode(errors="surrogateescape")})
    record = chain.record(odd, 1, "")

    assert record.read()["author"] == "J?rg"
    assert chain.verify([record]).fine


def test_a_chain_leads_to_its_head() -> None:
    made = records(3)

    assert chain.verify(made) == chain.Verdict(3, made[-1].head)
    assert chain.verify([]) == chain.Verdict(0, "")
    assert chain.place_of(made, made[1].head) == 2
    assert chain.place_of(made, "0" * 64) is None


def test_entries_of_the_first_version_go_on_counting() -> None:
    first = of_first_version("", 1)
    second = of_first_version(first.head, 2)
    third = chain.record(note(), 3, second.head)

    assert chain.verify([first, second, third]) == chain.Verdict(3, third.head)
    assert first.read()["subject"] == "c" * 40
    late = replace(second, time=second.time + timedelta(seconds=1))
    assert chain.verify([first, late]).bad == 2


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"entry": b"{}"}, "does not have the digest"),
        ({"head": "0" * 64}, "does not have the digest"),
        ({"entry": b"[]", "head": sha256(b"[]").hexdigest()}, "cannot be read"),
        ({"entry": b"\xff", "head": sha256(b"\xff").hexdigest()}, "cannot be read"),
        ({"previous": "0" * 64}, "does not follow"),
        ({"number": 3}, "number 3 stands where number 2 has to be"),
        ({"kind": "secret"}, "its row says kind secret, its entry revealed"),
        ({"time": NOON}, "its row says 2026-09-01T12:00:00.000000Z"),
    ],
)
def test_a_record_that_was_changed_is_named(change: dict[str, object], problem: str) -> None:
    first, second, third = records(3)
    verdict = chain.verify([first, replace(second, **change), third])  # type: ignore[arg-type]  # fields by name

    assert (verdict.bad, verdict.count, verdict.head) == (2, 1, first.head)
    assert problem in verdict.problem


def test_a_record_that_is_missing_moved_or_put_in_is_found() -> None:
    first, second, third = records(3)
    forged = chain.record(note(9), 2, first.head)

    assert chain.verify([first, third]).bad == 2
    assert chain.verify([second, first, third]).bad == 1
    assert chain.verify([first, forged, third]).bad == 3
    assert chain.verify([second, third]).bad == 1


def test_a_sentence_tells_each_kind_of_record_and_survives_what_is_missing() -> None:
    assert chain.sentence("revealed", {"actor": "ada", "subject": "math"}) == (
        "ada was shown key and secret of math"
    )
    assert chain.sentence("applied", {"commit": "f" * 40}) == "commit ffffffffffff was applied: ?"
    assert "newer rosterd" in chain.sentence("from-the-future", {"subject": "math"})
    for kind in chain.KINDS:
        assert chain.sentence(kind, {})


def test_documents_are_named_by_path_and_bytes() -> None:
    files = {"a.yaml": b"1", "b.yaml": b"2"}

    assert chain.documents_digest(files) == chain.documents_digest(dict(reversed(files.items())))
    assert len({chain.documents_digest(each) for each in (
        files, {"a.yaml": b"2", "b.yaml": b"1"}, {"a.yaml": b"1"}, {}
    )}) == 4  # fmt: skip
