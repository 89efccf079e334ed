"""Laws of the acceptance rule, over small worlds of people and contents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rosterd import statements

STATES = st.sampled_from([None, "a", "b", "c", "d"])
PEOPLE = st.sampled_from(["alice", "bob", "carol"])
STEPS = st.builds(statements.Transition, st.sampled_from(["x", "y"]), STATES, STATES)
STATEMENTS = st.builds(
    statements.Statement,
    person=PEOPLE,
    key=st.just("key"),
    source=st.just("commit"),
    name=st.just("commit"),
    subject=st.text("01", min_size=6, max_size=6),
    transitions=st.lists(STEPS, max_size=3).map(tuple),
)
CHANGE = STEPS.filter(lambda step: step.old != step.new)


def have(change: statements.Transition, stated: list[statements.Statement]) -> int:
    return statements.judge([change], stated, lambda _: 1).paths[0].have


@given(CHANGE, st.lists(STATEMENTS, max_size=8), STATEMENTS)
def test_more_statements_never_prove_less(
    change: statements.Transition,
    stated: list[statements.Statement],
    more: statements.Statement,
) -> None:
    assert have(change, stated) <= have(change, [*stated, more])


@given(CHANGE, st.lists(STATEMENTS, max_size=8))
def test_there_are_never_more_people_than_spoke_of_the_path(
    change: statements.Transition, stated: list[statements.Statement]
) -> None:
    spoke = {
        each.person for each in stated if any(step.path == change.path for step in each.transitions)
    }
    assert have(change, stated) <= len(spoke)


@given(CHANGE, st.lists(STATEMENTS, max_size=8))
def test_whoever_is_named_behind_a_change_spoke_of_that_path(
    change: statements.Transition, stated: list[statements.Statement]
) -> None:
    verdict = statements.judge([change], stated, lambda _: 2).paths[0]
    spoke = {
        each.person for each in stated if any(step.path == change.path for step in each.transitions)
    }
    assert set(verdict.people) <= spoke
    assert not verdict.enough or len(verdict.people) >= 2


@given(CHANGE, st.lists(STATEMENTS, max_size=8))
def test_what_carried_a_change_once_does_not_carry_it_again(
    change: statements.Transition, stated: list[statements.Statement]
) -> None:
    used = statements.spent([change], [change], stated)

    again = statements.judge([change], stated, lambda _: 1, used).paths[0]

    assert again.have == 0


BEFORE = datetime(2026, 9, 1, tzinfo=UTC)


@given(
    CHANGE,
    st.lists(STATEMENTS, max_size=8),
    st.lists(STEPS, max_size=3),
    st.sets(st.integers(0, 7)),
)
def test_what_was_signed_before_a_change_was_undone_never_carries_it_again(
    change: statements.Transition,
    stated: list[statements.Statement],
    passed: list[statements.Transition],
    hidden: set[int],
) -> None:
    """Whichever of them the daemon was shown in time."""
    signed = [replace(each, source="detached", made=BEFORE) for each in stated]
    heard = [each for place, each in enumerate(signed) if place not in hidden]
    back = statements.Transition(change.path, change.new, change.old)
    turns: dict[tuple[str, statements.Blob], statements.Turn] = {}
    for hour, (step, more) in enumerate([(change, passed), (back, [])]):
        for path, left, reached in statements.turned([step], more):
            time = BEFORE + timedelta(hours=hour)
            old, new = ((path, left), (path, reached))
            turns[old] = replace(turns.get(old, statements.Turn()), left=time)
            turns[new] = replace(turns.get(new, statements.Turn()), reached=time)
    used = statements.spent([change], passed, heard) | statements.spent([back], [], heard)

    kept, _ = statements.fresh(signed, turns)

    assert statements.judge([change], kept, lambda _: 1, used).paths[0].have == 0


@given(CHANGE, st.lists(STATEMENTS, max_size=8), st.permutations(range(8)))
def test_the_order_of_statements_says_nothing(
    change: statements.Transition, stated: list[statements.Statement], order: list[int]
) -> None:
    shuffled = [stated[place] for place in order if place < len(stated)]

    assert statements.judge([change], stated, lambda _: 2) == statements.judge(
        [change], shuffled, lambda _: 2
    )
