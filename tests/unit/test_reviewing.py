"""What is proven, claimed and missing, over small worlds of people and contents."""

from rosterd import statements

PATH = "permissions/math.yaml"


def said(person: str, *steps: tuple[str, str], path: str = PATH) -> statements.Statement:
    changes = tuple(statements.Transition(path, *step) for step in steps)
    return statements.Statement(
        person, f"SHA256:{person}", "commit", f"{person}{steps}", "", changes
    )


def row_of(*stated: statements.Statement, needed: int = 2) -> statements.Row:
    changed = [statements.Transition(PATH, "a", "c")]
    verdict = statements.judge(changed, stated, lambda _: needed)
    (row,) = statements.rows(
        changed, verdict, stated, ["alice", "bob", "carol"], {PATH: ["Reviewed-by: x"]}
    )
    return row


def test_every_statement_on_the_way_is_shown_and_no_other() -> None:
    steps = said("alice", ("a", "b"), ("b", "c"))
    former = said("alice", ("z", "a"))
    other = said("bob", ("a", "c"), path="other.yaml")

    row = row_of(steps, former, other)

    assert [voucher.name for voucher in row.proven] == [steps.name]
    assert (row.have, row.missing, row.could) == (1, 1, ("bob", "carol"))
    assert row.claimed == ("Reviewed-by: x",)


def test_nobody_is_named_where_nothing_is_missing() -> None:
    row = row_of(said("alice", ("a", "c")), said("bob", ("a", "c")))

    assert row.as_json()["could"] == []
    assert row.missing == 0


def test_a_review_is_complete_when_no_path_misses_anybody() -> None:
    rows = (row_of(said("alice", ("a", "c"))), row_of(said("alice", ("a", "c")), needed=1))

    assert not statements.Review("a", "b", rows, "", "").complete
    assert statements.Review("a", "b", rows[1:], "", "").complete
