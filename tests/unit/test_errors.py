"""Errors: a place that editors understand, and all problems in one text."""

from rosterd import errors


def test_a_problem_is_written_as_path_line_column() -> None:
    problem = errors.Problem(
        "permissions/a.yaml", 3, 7, "unknown field 'acess'; did you mean 'access'?"
    )

    assert str(problem) == "permissions/a.yaml:3:7: unknown field 'acess'; did you mean 'access'?"


def test_a_problem_of_a_whole_file_has_no_line() -> None:
    assert str(errors.Problem("orgs.csv", 0, 0, "is missing")) == "orgs.csv: is missing"


def test_a_warning_says_that_it_is_one() -> None:
    problem = errors.Problem("orgs.csv", 2, 0, "extra column", severity="warning")

    assert str(problem) == "orgs.csv:2: warning: extra column"


def test_an_input_error_tells_every_problem_in_order_of_place() -> None:
    later = errors.Problem("b.yaml", 1, 1, "later")
    earlier = errors.Problem("a.yaml", 9, 1, "earlier")

    error = errors.InputError("cannot use the config", [later, earlier])

    assert str(error) == "cannot use the config\n  a.yaml:9:1: earlier\n  b.yaml:1:1: later"
