from datetime import UTC, datetime

import pytest

from rosterd import chain, errors

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def entries(count: int) -> list[tuple[str, str, bytes]]:
    made: list[tuple[str, str, bytes]] = []
    for number in range(count):
        previous = made[-1][1] if made else ""
        entry = chain.entry(
            previous,
            commit=f"{number}" * 40,
            plan="p",
            proven="vouched for",
            people=["bob", "alice"],
            rule=2,
            time=NOON,
        )
        made.append((previous, entry.head, entry.content))
    return made


def test_an_entry_is_the_same_bytes_for_ever() -> None:
    assert entries(1)[0][2].decode() == (
        f'{{"commit":"{"0" * 40}","people":["alice","bob"],"plan":"p","previous":"",'
        '"proven":"vouched for","rule":2,"time":"2026-09-01T12:00:00.000+00:00","v":1}'
    )


def test_a_chain_leads_to_its_head() -> None:
    made = entries(3)

    assert chain.verify(made) == made[-1][1]
    assert chain.verify([]) == ""


def test_a_changed_a_missing_and_a_moved_entry_are_found() -> None:
    first, second, third = entries(3)
    changed = (second[0], second[1], second[2].replace(b"alice", b"carol"))

    with pytest.raises(errors.InputError, match=r"entry 2 .* does not have its digest"):
        chain.verify([first, changed, third])
    with pytest.raises(errors.InputError, match=r"entry 2 .* does not follow"):
        chain.verify([first, third])
    with pytest.raises(errors.InputError, match=r"entry 1 .* does not follow"):
        chain.verify([second, first, third])
    with pytest.raises(errors.InputError, match="cannot read entry 1"):
        chain.verify([("", "x", b"[]")])
