"""One cell: every form that real exports write, and what no reader may guess."""

import pytest

from rosterd.oneroster.csv import cells, files


def converted(format_: files.Format, cell: str) -> tuple[object, str]:
    return cells.converter(files.Column("column", format_, "member"), "1.2")(cell)


def word(vocabulary: str, cell: str, version: str = "1.2") -> tuple[object, str]:
    column = files.Column("column", files.Format.WORD, "member", vocabulary=vocabulary)
    return cells.converter(column, version)(cell)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("abc-1./@_Z", "abc-1./@_Z", ""),
        ("a" * 255, "a" * 255, ""),
        (" abc ", "abc", "spaces"),
        ("sis:17", "sis:17", "id-form"),
        ("Room 9", "Room 9", "id-form"),
        ("a" * 256, None, "bad-id"),
        ("ab!", None, "bad-id"),
        ("ä", None, "bad-id"),
        ("a,b", None, "bad-id"),
        ("a\x00", None, "bad-id"),
    ],
)
def test_an_id_has_the_standards_letters_or_those_that_clients_know(
    cell: str, value: object, code: str
) -> None:
    assert converted(files.Format.REF, cell) == (value, code)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("2026-08-01", "2026-08-01", ""),
        ("2026-8-1", "2026-08-01", "date-form"),
        ("8/1/2026", "2026-08-01", "date-form"),
        ("08/01/2026", "2026-08-01", "date-form"),
        ("2026/08/01", "2026-08-01", "date-form"),
        ("2026-08-01 00:00:00", "2026-08-01", "date-form"),
        ("2026-08-01T00:00:00.000Z", "2026-08-01", "date-form"),
        ("8/1/2026 12:00:00 AM", "2026-08-01", "date-form"),
        ("2024-02-29", "2024-02-29", ""),
        ("2026-02-29", None, "bad-date"),
        ("13/1/2026", None, "bad-date"),
        ("01.08.2026", None, "bad-date"),
        ("20260801", None, "bad-date"),
        ("0000-01-01", None, "bad-date"),
        ("\uff12026-08-01", None, "bad-date"),
    ],
)
def test_a_date_is_read_in_the_forms_that_leave_no_doubt(
    cell: str, value: object, code: str
) -> None:
    assert converted(files.Format.DATE, cell) == (value, code)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("true", "true", ""),
        ("TRUE", "true", "case"),
        ("False", "false", "case"),
        ("1", "true", "case"),
        ("0", "false", "case"),
        ("no", "false", "case"),
        ("maybe", None, "bad-flag"),
    ],
)
def test_a_flag_is_true_or_false_in_any_spelling(cell: str, value: object, code: str) -> None:
    assert converted(files.Format.FLAG, cell) == (value, code)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("2027", "2027", ""),
        ("2026-2027", "2027", "year-form"),
        ("2026/27", "2027", "year-form"),
        ("1999-00", "2000", "year-form"),
        ("2026-2028", None, "bad-year"),
        ("27", None, "bad-year"),
    ],
)
def test_a_school_year_is_the_year_in_which_it_ends(cell: str, value: object, code: str) -> None:
    assert converted(files.Format.YEAR, cell) == (value, code)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("2026-07-01T06:00:00.000Z", "2026-07-01T06:00:00.000Z", ""),
        ("2026-07-01T06:00:00Z", "2026-07-01T06:00:00.000Z", ""),
        ("2026-07-01T06:00:00.123456Z", "2026-07-01T06:00:00.123Z", ""),
        ("2026-07-01T06:00:00+02:00", "2026-07-01T04:00:00.000Z", ""),
        ("2026-07-01 06:00", "2026-07-01T06:00:00.000Z", ""),
        ("2026-07-01", "2026-07-01T00:00:00.000Z", ""),
        ("2026-07-01T25:00:00Z", None, "bad-instant"),
        ("0001-01-01T00:00:00+14:00", None, "bad-instant"),
        ("yesterday", None, "bad-instant"),
    ],
)
def test_an_instant_is_turned_to_utc(cell: str, value: object, code: str) -> None:
    assert converted(files.Format.INSTANT, cell) == (value, code)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("09,10", ["09", "10"], ""),
        ("9", ["09"], "grade-form"),
        ("KG, 1", ["KG", "01"], "grade-form"),
        ("01,", ["01"], "list-form"),
        ("Year 7", ["Year 7"], ""),
    ],
)
def test_a_grade_gets_its_zero_back(cell: str, value: object, code: str) -> None:
    assert converted(files.Format.GRADES, cell) == (value, code)


def test_a_list_of_references_has_each_once() -> None:
    assert converted(files.Format.REFS, "a, b,a") == (["a", "b"], "")
    assert converted(files.Format.REFS, "a,b!") == (None, "bad-id")


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("{LDAP:a1}", [("LDAP", "a1")], ""),
        ("{LDAP:a1},{Fed:b:2}", [("LDAP", "a1"), ("Fed", "b:2")], ""),
        ("{LDAP:uid=a,ou=b}", [("LDAP", "uid=a,ou=b")], ""),
        ("LDAP:a1,Fed:b2", [("LDAP", "a1"), ("Fed", "b2")], ""),
        ("{LDAP:a1},junk", [("LDAP", "a1")], "user-id-form"),
        ("{:a1}", [], "user-id-form"),
        ("a1", [], "user-id-form"),
    ],
)
def test_user_ids_are_pairs_and_what_is_none_is_left_out(
    cell: str, value: list[tuple[str, str]], code: str
) -> None:
    pairs = [{"type": kind, "identifier": identifier} for kind, identifier in value]
    assert converted(files.Format.USER_IDS, cell) == (pairs, code)


@pytest.mark.parametrize(
    "cell,value,code",
    [
        ("plain", "plain", ""),
        (" kept as it is ", " kept as it is ", ""),
        ("=1+1", "=1+1", ""),
        ("no\u00a0break", "no\u00a0break", ""),
        ("\u2028", "\u2028", ""),
        ("a\x7fb\x00c", "abc", "control-characters"),
        ("a\tb", "a b", "control-characters"),
        ("\x01", "", "control-characters"),
    ],
)
def test_text_is_exact_but_for_control_characters(cell: str, value: str, code: str) -> None:
    assert converted(files.Format.TEXT, cell) == (value, code)


@pytest.mark.parametrize(
    "vocabulary,version,cell,value,code",
    [
        ("orgType", "1.2", "school", "school", ""),
        ("orgType", "1.2", "School", "school", "case"),
        ("orgType", "1.2", "ext:campus", "ext:campus", ""),
        ("orgType", "1.1", "ext:campus", "ext:campus", "newer-word"),
        ("orgType", "1.2", "campus", None, "bad-choice"),
        ("classType", "1.2", "Scheduled", "scheduled", "case"),
        ("sessionType", "1.2", "Grading Period", "gradingPeriod", "case"),
        ("sessionType", "1.2", "school_year", "schoolYear", "case"),
        ("sex", "1.1", "other", "other", "newer-word"),
        ("sex", "1.2", "F", None, "bad-choice"),
        ("role", "1.1", "administrator", "administrator", ""),
        ("role", "1.2", "administrator", "administrator", "older-word"),
        ("role", "1.1", "counselor", "counselor", "newer-word"),
        ("role", "1.2", "Teacher", "teacher", "case"),
        ("enrollmentRole", "1.1", "aide", "ext:aide", ""),
        ("enrollmentRole", "1.2", "aide", "ext:aide", "older-word"),
        ("enrollmentRole", "1.2", "student", "student", ""),
        ("importance", "1.2", "ext:some", None, "bad-choice"),
    ],
)
def test_a_word_is_one_of_its_list_in_any_spelling(
    vocabulary: str, version: str, cell: str, value: object, code: str
) -> None:
    assert word(vocabulary, cell, version) == (value, code)
