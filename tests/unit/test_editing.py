"""Rules copied from one permission into another: nothing else of the file moves."""

import pytest

from rosterd import editing, errors

RULES = ("access", "orgs", "courses", "people", "fields", "guardians")

HELD = """\
# yaml-language-server: $schema=../schemas/permission.schema.json
# Robotics only.

apiVersion:   rosterd/v1
kind: Permission
name: code-camp      # as the application
application: "code-camp"

access: basic
# the whole district
orgs: {under: [district-1]}   # all of it
courses:
    where: >-
        title~'computer'
# nobody but these
people: {roles: [student, teacher]}
fields:
  withhold:
    - users.phone
    # not yet
    # - users.sms
expires: 2027-06-30   # the last day

# the end
"""
GIVEN = """\
apiVersion: rosterd/v1
kind: Permission
name: math
application: math
expires: 2029-01-01
access: basic
orgs: {under: [district-1]}
# mathematics
courses: {where: "subjects~'math'"}
# families too
guardians: true
fields:
  # as the contract says
  mask: {users.familyName: initial}
"""
COPIED = """\
# yaml-language-server: $schema=../schemas/permission.schema.json
# Robotics only.

apiVersion:   rosterd/v1
kind: Permission
name: code-camp      # as the application
application: "code-camp"

access: basic
# the whole district
orgs: {under: [district-1]}   # all of it
courses: {where: "subjects~'math'"}
# families too
guardians: true
# nobody but these
fields:
  # as the contract says
  mask: {users.familyName: initial}
expires: 2027-06-30   # the last day

# the end
"""


def test_only_the_lines_of_changed_rules_are_others() -> None:
    assert (
        editing.copied(HELD, GIVEN, RULES, {"courses", "people", "fields", "guardians"}) == COPIED
    )


def test_nothing_changes_when_nothing_is_copied() -> None:
    assert editing.copied(HELD, GIVEN, (), ()) == HELD


def test_the_line_ends_of_the_file_stay() -> None:
    windows = HELD.replace("\n", "\r\n")

    copied = editing.copied(windows, GIVEN, RULES, {"courses", "people", "fields", "guardians"})

    assert copied == COPIED.replace("\n", "\r\n")


def test_a_file_without_a_last_line_end_gets_one() -> None:
    assert editing.copied("access: none", GIVEN, ("access",), {"access"}) == "access: basic\n"


@pytest.mark.parametrize(
    "text",
    [
        "{access: none}\n",
        "[a, b]\n",
        "",
        "just a text\n",
        "  access: none\n  orgs: all\n",
        "a: [\n",
    ],
)
def test_a_file_that_cannot_be_edited_line_by_line_is_refused(text: str) -> None:
    with pytest.raises(errors.InputError, match="cannot edit"):
        editing.copied(text, GIVEN, RULES, RULES)


def test_a_new_permission_takes_the_rules_with_their_comments_and_nothing_else() -> None:
    source = """\
# Only for the pilot of one school.
apiVersion: rosterd/v1
kind: Permission
name: pilot
application: pilot
access: basic
# Agreed with the mathematics office.
courses: {where: "subjects~'math'"}  # not the clubs
orgs: all
expires: 2028-06-30
fields:
  # Never the phone.
  withhold: [users.phone]
"""
    made = editing.permission("galaxy", "permissions/pilot.yaml", source)

    assert made.startswith("# yaml-language-server: $schema=../schemas/permission.schema.json\n")
    assert "name: galaxy\napplication: galaxy\naccess: basic\n# Agreed with" in made
    assert "# not the clubs\n" in made
    assert "  # Never the phone.\n" in made
    assert "pilot" not in made
    assert "expires" not in made


def test_what_is_no_permission_gives_no_rules() -> None:
    with pytest.raises(errors.InputError, match="no permission"):
        editing.permission("galaxy", "permissions/a.yaml", "a: b\n")
