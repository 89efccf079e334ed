import dataclasses
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from rosterd import errors, statements

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
PATH = "permissions/math.yaml"


def step(old: str | None, new: str | None, path: str = PATH) -> statements.Transition:
    return statements.Transition(path, old, new)


def said(person: str, *steps: statements.Transition, subject: str = "") -> statements.Statement:
    return statements.Statement(
        person, f"SHA256:{person}", "commit", "c" * 40, subject or f"{person}{steps}", steps
    )


def judge(
    stated: Iterable[statements.Statement],
    needed: int = 2,
    change: statements.Transition | None = None,
    used: frozenset[str] = frozenset(),
) -> statements.PathVerdict:
    changed = [change or step("a", "c")]
    (verdict,) = statements.judge(changed, stated, lambda _path: needed, used).paths
    return verdict


def test_two_people_who_say_the_same_are_enough() -> None:
    verdict = judge([said("alice", step("a", "c")), said("bob", step("a", "c"))])

    assert (verdict.enough, verdict.people) == (True, ("alice", "bob"))


def test_one_person_who_says_it_twice_is_one_person() -> None:
    verdict = judge([said("alice", step("a", "c")), said("alice", step("a", "c"), subject="2")])

    assert (verdict.enough, verdict.have, verdict.people) == (False, 1, ("alice",))


def test_what_a_person_said_in_steps_composes() -> None:
    verdict = judge(
        [
            said("alice", step("a", "b")),
            said("alice", step("b", "c"), subject="2"),
            said("bob", step("a", "c")),
        ]
    )

    assert verdict.people == ("alice", "bob")


def test_steps_of_different_people_are_a_chain_only_where_each_link_has_enough() -> None:
    first = [said("alice", step("a", "b")), said("bob", step("a", "b"))]
    second = [said("carol", step("b", "c"))]

    assert judge([*first, *second]).have == 1
    assert judge([*first, *second]).people == ("carol",)
    assert judge([*first, *second, said("dave", step("b", "c"))]).people == (
        "alice",
        "bob",
        "carol",
        "dave",
    )


def test_two_halves_by_two_people_are_one_person_each() -> None:
    verdict = judge([said("alice", step("a", "b")), said("bob", step("b", "c"))])

    assert (verdict.enough, verdict.have) == (False, 1)


def test_a_statement_about_another_path_or_the_way_back_is_none() -> None:
    verdict = judge([said("alice", step("c", "a")), said("bob", step("a", "c", "other.yaml"))], 1)

    assert (verdict.have, verdict.people) == (0, ())


def test_to_add_and_to_remove_a_file_are_steps_too() -> None:
    assert judge([said("alice", step(None, "c"))], 1, step(None, "c")).enough
    assert judge([said("alice", step("a", None))], 1, step("a", None)).enough
    assert not judge([said("alice", step(None, "c"))], 1).enough


def test_used_statements_count_no_more() -> None:
    alice = said("alice", step("a", "c"))

    assert not judge([alice], 1, used=frozenset({alice.digest(PATH)})).enough


def test_circles_end() -> None:
    verdict = judge([said("alice", step("a", "b"), step("b", "a")), said("bob", step("b", "b"))])

    assert verdict.have == 0


def test_nobody_is_enough_where_nobody_is_needed_and_it_is_told() -> None:
    verdict = statements.judge([step("a", "c")], [], lambda _: 0)

    assert verdict.accepted
    assert verdict.proven.startswith("unproven")


def test_a_candidate_needs_every_path() -> None:
    changed = [step("a", "c"), step(None, "x", "README.md")]
    verdict = statements.judge(changed, [said("alice", step("a", "c"))], lambda _: 1)

    assert not verdict.accepted
    assert [str(missing) for missing in verdict.missing] == [
        "README.md: needs one person, has 0 (nobody)"
    ]


@pytest.mark.parametrize(
    "stated, needed, words",
    [
        ([said("alice", step("a", "c"))], 1, "vouched for by one person's key (alice)"),
        (
            [said("alice", step("a", "c")), said("bob", step("a", "c"))],
            2,
            "vouched for by two people's keys (alice, bob)",
        ),
    ],
)
def test_what_is_proven_is_told_in_people(
    stated: list[statements.Statement], needed: int, words: str
) -> None:
    assert statements.judge([step("a", "c")], stated, lambda _: needed).proven == words


# ---------------------------------------------------------------- used once


def test_what_led_there_is_used_and_what_leads_on_is_not() -> None:
    stated = [
        said("alice", step("a", "b"), subject="1"),
        said("alice", step("b", "c"), subject="2"),
        said("bob", step("a", "c"), subject="3"),
        said("bob", step("c", "d"), subject="4"),
        said("bob", step("x", "c"), subject="5"),
    ]

    spent = statements.spent([step("a", "c")], [step("a", "c")], stated)

    assert spent == {each.digest(PATH) for each in stated[:3]}


def test_what_was_undone_on_the_way_is_used_too() -> None:
    stated = [said("bob", step("a", "b"))]

    spent = statements.spent([], [step("a", "b"), step("b", "a")], stated)

    assert spent == {stated[0].digest(PATH)}


def test_a_statement_about_two_files_is_used_file_by_file() -> None:
    both = said("bob", step("a", "c"), step("a", "c", "other.yaml"))

    spent = statements.spent([step("a", "c")], [step("a", "c")], [both])

    assert spent == {both.digest(PATH)}


# ---------------------------------------------------------------- made and overtaken


def turn(**hours: int) -> statements.Turn:
    return statements.Turn(**{name: NOON + timedelta(hours=late) for name, late in hours.items()})


def signed_at_noon(*steps: statements.Transition) -> statements.Statement:
    return dataclasses.replace(said("bob", *steps), made=NOON)


@pytest.mark.parametrize(
    "turns, counts",
    [
        ({}, True),
        ({"a": turn(reached=-2), "b": turn(left=-1, reached=-2)}, True),
        ({"a": turn(left=1)}, False),
        ({"a": turn(left=0)}, False),
        ({"b": turn(reached=1)}, False),
        # what leads on from a content that came after the signature is an approval in advance
        ({"a": turn(reached=1)}, True),
        # and so is the way back
        ({"b": turn(left=1)}, True),
    ],
)
def test_what_was_made_and_undone_since_it_was_signed_counts_no_more(
    turns: dict[str, statements.Turn], counts: bool
) -> None:
    stated = [signed_at_noon(step("a", "b"), step("a", "b", "other.yaml"))]

    kept, reasons = statements.fresh(
        stated, {(PATH, content): each for content, each in turns.items()}, [step("a", "b")]
    )

    assert [change.path for change in kept[0].transitions] == [PATH, "other.yaml"][not counts :]
    assert len(reasons) == (not counts)


@pytest.mark.parametrize(
    "wanted, told",
    [
        (step("a", "b"), True),
        (step("a", "c"), True),
        (step("z", "b"), True),
        (step("b", "c"), False),
        (step("z", "a"), False),
        (step("a", "b", "other.yaml"), False),
    ],
)
def test_only_a_word_that_could_help_what_waits_is_told_to_be_spent(
    wanted: statements.Transition, told: bool
) -> None:
    turns: dict[tuple[str, statements.Blob], statements.Turn] = {(PATH, "a"): turn(left=1)}

    kept, reasons = statements.fresh([signed_at_noon(step("a", "b"))], turns, [wanted])

    assert kept == ()
    assert bool(reasons) == told


def test_a_commit_has_no_time_to_judge_by() -> None:
    stated = said("alice", step("a", "b"))

    assert statements.fresh([stated], {(PATH, "a"): turn(left=1)}) == ((stated,), ())


def test_every_content_on_the_way_has_had_its_turn() -> None:
    turned = statements.turned([step("a", "c")], [step("a", "b"), step("b", "c")])

    assert turned == {(PATH, "a", "b"), (PATH, "b", "c"), (PATH, "a", "c")}


# ---------------------------------------------------------------- detached

CLAIM = statements.Claim(
    "forge",
    "main",
    (
        statements.Transition("a.yaml", "1" * 40, None, "2" * 64, None),
        statements.Transition("é.yaml", None, "3" * 40, None, "4" * 64),
    ),
    made=NOON - timedelta(days=30),
    not_after=NOON,
    nonce="f" * 32,
)
REWRITE = dataclasses.replace(CLAIM, transitions=(), rewrite=("a" * 40, "b" * 40))


@pytest.mark.parametrize(
    "claim", [CLAIM, REWRITE, dataclasses.replace(CLAIM, rewrite=REWRITE.rewrite)]
)
def test_a_claim_survives_its_payload(claim: statements.Claim) -> None:
    assert statements.parse(statements.payload(claim)) == claim


def test_a_payload_is_the_same_bytes_for_ever() -> None:
    """People's signatures in other repositories depend on every byte of it."""
    assert statements.payload(CLAIM).decode() == (
        '{"branch":"main","made":"2026-08-02T12:00:00.000000Z","nonce":"ffffffffffffffffffffffffffffffff",'
        '"notAfter":"2026-09-01T12:00:00Z","repository":"forge","transitions":['
        f'{{"new":null,"new_sha256":null,"old":"{"1" * 40}","old_sha256":"{"2" * 64}",'
        '"path":"a.yaml"},'
        f'{{"new":"{"3" * 40}","new_sha256":"{"4" * 64}","old":null,"old_sha256":null,'
        '"path":"é.yaml"}],"v":2}'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"v": 1},
        {"made": "2026-08-02T12:00:00Z"},
        {"rewrite": {"from": "a" * 40, "to": "a" * 40}},
        {"rewrite": {"from": "a" * 40, "to": "b" * 40, "or": "c" * 40}},
        {"rewrite": {"from": None, "to": "b" * 40}},
        {"rewrite": None},
        {
            "transitions": [
                {
                    "path": "",
                    "old": None,
                    "new": "1" * 40,
                    "old_sha256": None,
                    "new_sha256": "1" * 64,
                }
            ]
        },
        {"v": True},
        {"repository": 7},
        {"transitions": []},
        {"transitions": "many"},
        {"transitions": [{"path": "a"}]},
        {"notAfter": "tomorrow"},
        {"extra": 1},
        {"nonce": None},
    ],
)
def test_odd_payloads_are_refused(change: dict[str, object]) -> None:
    fields = json.loads(statements.payload(CLAIM)) | change
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    with pytest.raises(errors.InputError):
        statements.parse(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        statements.payload(CLAIM) + b"\n",
        b'{"v":2,' + statements.payload(CLAIM)[1:],
        statements.payload(CLAIM).replace(b'"1111', b'"zzzz'),
        statements.payload(CLAIM).replace(
            b'"old_sha256":"' + b"2" * 64 + b'"', b'"old_sha256":null'
        ),
    ],
)
def test_payloads_with_two_readings_are_refused(text: bytes) -> None:
    with pytest.raises(errors.InputError):
        statements.parse(text)


def test_a_path_named_twice_is_refused() -> None:
    one = CLAIM.transitions[0]
    twice = dataclasses.replace(CLAIM, transitions=(one, one))

    with pytest.raises(errors.InputError, match="names a path twice"):
        statements.parse(statements.payload(twice))


def test_a_kept_statement_opens_again() -> None:
    assert statements.opened(statements.sealed(b"payload", "signature")) == (
        b"payload",
        "signature",
    )
    with pytest.raises(errors.InputError):
        statements.opened(b'{"payload": 1}')


def test_a_claim_counts_here_and_now_only() -> None:
    def refusal(repository: str = "forge", branch: str = "main", late: int = 0) -> str | None:
        now = NOON + timedelta(seconds=late)
        return statements.refusal(CLAIM, repository=repository, branch=branch, now=now)

    assert refusal() is None
    assert "'forge', not 'other'" in (refusal(repository="other") or "")
    assert "'main', not 'next'" in (refusal(branch="next") or "")
    assert "ended at 2026-09-01T12:00:00Z" in (refusal(late=1) or "")
    month = timedelta(days=30).total_seconds()
    assert refusal(late=-int(month) - 300) is None, "a clock may be somewhat ahead"
    assert "made at 2026-08-02T12:00:00Z, which is still to come" in (
        refusal(late=-int(month) - 301) or ""
    )
