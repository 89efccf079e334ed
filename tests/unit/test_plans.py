from collections.abc import Mapping
from random import Random
from typing import Any

import orjson
import pytest

from rosterd import access, configs, documents, loading, plans, previewing, worlds
from rosterd.plans import rendering
from rosterd.plans.rendering import markdown
from tests.integration import configs_in_git as texts
from tests.property import nights
from tests.unit import districts

Files = dict[str, str]


def config(**changes: str | None) -> configs.Config:
    """The small district, with files replaced (None: removed); "__" stands for "/"."""
    files = texts.district()
    for name, text in changes.items():
        path = f"{name.replace('__', '/').replace('_', '-')}.yaml"
        if text is None:
            files.pop(path, None)
        else:
            files[path] = text
    given = {path: text.encode() for path, text in files.items() if isinstance(text, str)}
    made, problems = configs.check(loading.load(given))
    assert made is not None, problems
    return made


def views(made: configs.Config) -> dict[str, access.View]:
    roster = districts.roster()
    return {name: access.view(roster, made.grant(name), districts.TODAY) for name in made.grants}


TARGET = texts.HEAD + (
    "kind: SftpTarget\nname: math\napplication: math\nenabled: true\nhost: sftp.example.com\n"
    "username: us\nauthentication: {password: math-password}\n"
    "hostKeys: ['ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl']\n"
    "export: {template: oneroster-1.2, when: after-import}\n"
)


# ---------------------------------------------------------------- changes


def test_equal_configs_have_an_empty_plan() -> None:
    plan = plans.make(config(), config(), views(config()), views(config()))

    assert (plan.changes, plan.exposure) == ((), ())


def test_changes_name_document_field_old_and_new() -> None:
    new = config(
        applications__math=texts.application("math", enabled=False), sftp_targets__math=TARGET
    )

    first, second = plans.diff(config(), new)

    assert (first.kind, first.name, first.action, first.path) == (
        *("Application", "math", "changed"),
        "applications/math.yaml",
    )
    assert first.fields == (plans.FieldChange("enabled", "true", "false"),)
    assert (second.kind, second.action, second.narrowing) == ("SftpTarget", "added", False)


def test_what_a_condition_compares_with_is_not_told() -> None:
    new = config(permissions__math=texts.basic("math", "title='Pat Example'"))

    plan = plans.make(config(), new)

    assert plan.changes[0].fields == (plans.FieldChange("courses.where", "…", "…"),)
    assert "Pat Example" not in rendering.text(plan) + repr(plans.as_json(plan))


TEMPLATE = texts.HEAD + (
    "kind: ExportTemplate\nname: list\ntitle: List\nfiles:\n  - name: a.csv\n    rows: users\n"
    "    where: \"givenName='Pat Example'\"\n    columns: [{header: a, field: sourcedId}]\n"
)


def test_conditions_inside_of_lists_are_not_told_either() -> None:
    old = config(templates__list=TEMPLATE)
    new = config(templates__list=TEMPLATE.replace("Pat", "Kim"))

    plan = plans.make(old, new)

    assert [each.field for each in plan.changes[0].fields] == ["files"]
    told = rendering.text(plan) + repr(plans.as_json(plan, exact=True)) + markdown.page(plan)
    assert "Example" not in told


# ---------------------------------------------------------------- exposure


def exposure(old: configs.Config, new: configs.Config) -> plans.Exposure:
    plan = plans.make(old, new, views(old), views(new))
    assert plan.exposure is not None
    (only,) = plan.exposure
    return only


def test_exposure_counts_what_is_gained_and_lost() -> None:
    old = config(
        permissions__math=texts.permission("math", "basic", "orgs: [east]\ncourses: all\n")
    )
    new = config(
        permissions__math=texts.permission("math", "basic", "orgs: [west]\ncourses: all\n")
    )

    math = exposure(old, new)

    assert (math.collections["classes"].lost, math.collections["classes"].gained) == (3, 1)
    assert math.gains
    assert math.loses


def test_exposure_tells_fields_too() -> None:
    old = config(
        permissions__math=texts.permission(
            "math", "full", "fields: {withhold: [users.phone], share: [users.metadata.bus]}\n"
        )
    )
    new = config(
        permissions__math=texts.permission("math", "full", "fields: {withhold: [users.sms]}\n")
    )

    math = exposure(old, new)

    assert math.fields_gained == ("users.phone",)
    assert math.fields_lost == ("users.metadata.bus", "users.sms")


def test_an_application_that_ends_loses_everything_and_says_why() -> None:
    math = exposure(
        config(permissions__math=texts.permission("math")),
        config(permissions__math=texts.permission("math", "none")),
    )

    assert (math.refused_before, math.refused_after) == (None, "its permission says access: none")
    assert math.collections["orgs"].lost == 3
    assert math.levels_after["orgs"] == ("NO ACCESS", 0)


def test_a_removed_application_loses_everything() -> None:
    math = exposure(
        config(permissions__math=texts.permission("math")),
        config(permissions__math=None, applications__math=None),
    )

    assert math.refused_after == "there is no such application"
    assert math.collections["users"].lost == 11


def test_small_counts_of_people_are_only_told_when_asked_exactly() -> None:
    old, new = config(), config(permissions__math=texts.permission("math"))
    plan = plans.make(old, new, views(old), views(new))

    (told,) = plans.as_json(plan)["exposure"]
    (exact,) = plans.as_json(plan, exact=True)["exposure"]

    assert told["collections"]["enrollments"] == {"gained": "<10", "lost": 0}
    assert told["collections"]["users"] == {"gained": 11, "lost": 0, "before": 0, "after": 11}
    assert told["collections"]["classes"]["gained"] == 4
    assert exact["collections"]["enrollments"]["gained"] == 8
    assert "+<10" in rendering.text(plan)
    assert "+<10" not in rendering.text(plan, exact=True)


def test_a_digest_names_the_plan_and_nothing_else() -> None:
    old, new = config(), config(permissions__math=texts.permission("math"))

    first = plans.make(old, new, views(old), views(new))
    again = plans.make(config(), new, views(old), views(new))

    assert first.digest == again.digest
    assert first.digest not in {plans.make(old, old).digest, plans.make(new, old).digest}
    assert first.digest != plans.make(old, new).digest


def test_a_digest_does_not_tell_what_the_plan_does_not() -> None:
    """It is shown beside the plan, and nine guesses are none too many."""

    def plan(people: int) -> plans.Plan:
        gone = plans.Delta(before=500, after=500 - people, gained=0, lost=people)
        levels = {"orgs": ("NO ACCESS", 0), "courses": ("NO ACCESS", 0)}
        each = plans.Exposure("math", None, None, {"users": gone}, levels, levels, (), ())
        return plans.Plan((), (each,))

    assert plan(3).digest == plan(4).digest
    assert plan(30).digest != plan(40).digest


def test_the_text_says_who_begins_and_with_what() -> None:
    old, new = config(), config(permissions__none=texts.permission("none"))

    text = rendering.text(plans.make(old, new, views(old), views(new)))

    assert "  ~ Permission none\n      access  none  →  full\n" in text
    assert "  none: begins (until now: its permission says access: none)\n" in text
    assert "      orgs: NO ACCESS (0) → FULL ACCESS (3)\n" in text


# ---------------------------------------------------------------- how many people


def test_no_name_in_the_text_moves_the_cursor_or_turns_the_line() -> None:
    """Nor does it begin another one: behind `# ` that would be a command in a reviewer's shell."""
    lines = list(rendering.table([("changed", "permissions/a\x1b[1A\x1b[2K\u202eb\nrm c.yaml")]))

    assert lines == ["  changed  permissions/a\ufffd[1A\ufffd[2K\ufffdb\ufffdrm c.yaml"]


async def test_the_record_of_a_try_does_not_tell_what_a_condition_compares_with() -> None:
    noted: list[Mapping[str, str]] = []

    async def note(who: str, commit: str, details: Mapping[str, str]) -> None:
        noted.append(details)

    records = {name: list(each) for name, each in districts.records().items()}
    pages = nights.District(records, {}, Random(1)).pages()
    world = worlds.World(config(), "c", pages, {1: nights.START}, districts.TODAY)
    previews = previewing.Previews(worlds.Worlds(world, nights.Clock()), note, 2)
    for rules in ("givenName='Ada'", "givenName='Bo'", "username='x'"):
        text = texts.basic("math", "title~'m'", f'people: {{where: "{rules}"}}\n')
        await previews.share(text.encode(), "grace")
    other = texts.basic("math", "title~'m'", "resources: true\n")
    await previews.share(other.encode(), "grace")

    assert len({each["plan"] for each in noted[:3]}) == 1
    assert noted[3] != noted[0]


def needed(old: configs.Config, new: configs.Config, people: int, path: str) -> int:
    return plans.needed(plans.make(old, new, views(old), views(new)), plans.Rule(people))(path)


@pytest.mark.parametrize(
    "people, widening, narrowing", [(0, 0, 0), (1, 1, 1), (2, 2, 1), (3, 3, 2)]
)
def test_a_narrowing_needs_one_fewer_but_one(people: int, widening: int, narrowing: int) -> None:
    wider = config(permissions__none=texts.permission("none"))
    narrower = config(permissions__math=None)

    assert needed(config(), wider, people, "permissions/none.yaml") == widening
    assert needed(config(), narrower, people, "permissions/math.yaml") == narrowing
    assert needed(config(), narrower, people, "README.md") == widening


LISTING = texts.HEAD + "kind: Listing\nname: math\ntitle: Math\ncompany: Math\n"
RULE = plans.Rule(2, {"SftpTarget": 3, "Listing": 1}, {"narrowing": 2, "files": 1, "gaining": 4})


@pytest.mark.parametrize(
    "rule, path, number",
    [
        (RULE, "permissions/none.yaml", 2),
        (RULE, "permissions/math.yaml", 2),
        (RULE, "sftp-targets/math.yaml", 3),
        (RULE, "catalog/math.yaml", 1),
        (RULE, "README.md", 1),
        (plans.Rule(1), "README.md", 1),
        (plans.Rule(2, {"Permission": 1}), "permissions/none.yaml", 1),
        (plans.Rule(2, {"Permission": 1}), "permissions/math.yaml", 1),
        (plans.Rule(2, {"Permission": 4}), "permissions/math.yaml", 3),
        (plans.Rule(2, {}, {"narrowing": 1}), "permissions/math.yaml", 1),
        (plans.Rule(3, {"Permission": 4}, {"narrowing": 1}), "permissions/math.yaml", 3),
        (plans.Rule(2, {}, {"widening": 3}), "permissions/none.yaml", 3),
        (plans.Rule(2, {"Permission": 4}, {"widening": 3}), "permissions/none.yaml", 4),
    ],
)
def test_numbers_may_be_set_by_kind_and_by_effect(rule: plans.Rule, path: str, number: int) -> None:
    new = config(
        sftp_targets__math=TARGET,
        catalog__math=LISTING,
        permissions__none=texts.permission("none"),
        permissions__math=None,
    )

    assert plans.needed(plans.make(config(), new), rule)(path) == number


def test_what_somebody_gains_today_raises_and_never_lowers() -> None:
    new = config(permissions__none=texts.permission("none"))
    plan = plans.make(config(), new, views(config()), views(new))

    def number(rule: plans.Rule) -> int:
        return plans.needed(plan, rule)("permissions/none.yaml")

    assert number(RULE) == 4
    assert number(plans.Rule(2, {}, {"gaining": 1})) == 2
    assert RULE.most == 4


def test_what_nobody_can_read_needs_as_many_as_what_it_could_be() -> None:
    number = plans.strictest(RULE)

    assert number("permissions/any.yaml") == 4
    assert number("rosterd.yaml") == 4
    assert plans.strictest(plans.Rule(2, {"SftpTarget": 3}))("sftp-targets/any.yaml") == 3
    assert plans.strictest(plans.Rule(2, {}, {"files": 1}))("README.md") == 1


def test_a_rule_is_told_in_one_line() -> None:
    assert str(plans.Rule()) == "two people vouch for a change"
    assert str(plans.Rule(1)) == "one person alone vouches for a change"
    assert str(plans.Rule(0)) == "nobody has to vouch for a change"
    assert str(plans.Rule(2, {"SftpTarget": 3}, {"narrowing": 1})) == (
        "two people vouch for a change (SftpTarget: 3, narrowing: 1)"
    )


def test_a_gain_raises_what_is_needed_for_the_documents_about_it() -> None:
    old = config(sftp_targets__math=TARGET)
    new = config(
        sftp_targets__math=TARGET.replace("enabled: true", "enabled: false"),
        permissions__math=texts.permission("math"),
        applications__none=texts.application("none", enabled=False),
    )

    assert needed(old, new, 2, "sftp-targets/math.yaml") == 2
    assert needed(old, new, 2, "applications/none.yaml") == 1


def test_a_gain_that_no_document_states_raises_everything() -> None:
    plan = plans.make(config(), config(permissions__math=None))
    gaining = exposure(config(), config(permissions__none=texts.permission("none")))

    raised = plans.needed(plans.Plan(plan.changes, (gaining,)), plans.Rule())

    assert raised("permissions/math.yaml") == 2


# ---------------------------------------------------------------- narrowing


def permission(rules: dict[str, Any]) -> documents.Permission:
    given = {"name": "math", "application": "math", **rules}
    return documents.Permission.model_validate_json(orjson.dumps(given))


BASIC = districts.basic


@pytest.mark.parametrize(
    "old, new",
    [
        ({"access": "full"}, {"access": "none"}),
        ({"access": "full"}, BASIC(orgs=["a"], guardians=True, demographics=True)),
        (BASIC(), {"access": "none"}),
        (BASIC(), BASIC(expires="2027-01-01")),
        (BASIC(expires="2027-01-02"), BASIC(expires="2027-01-01")),
        (BASIC(), BASIC(orgs=["a"])),
        (BASIC(orgs=["a", "b"]), BASIC(orgs=["b"])),
        (BASIC(orgs=["a", "b"]), BASIC(orgs={"ids": ["b"], "where": "type='school'"})),
        (BASIC(orgs={"under": ["a", "b"]}), BASIC(orgs={"under": ["a"]})),
        (BASIC(courses={"where": "title='x'"}),
         BASIC(courses={"where": "courseCode='1' AND title='x'"})),
        (BASIC(courses={"where": "title='x' OR title='y'"}),
         BASIC(courses={"where": "(title='y' OR title='x') AND courseCode='1'"})),
        (BASIC(), BASIC(classes=["k"])),
        (BASIC(), BASIC(classes={"current": True})),
        (BASIC(), BASIC(people={"roles": ["teacher"]})),
        (BASIC(people={"roles": ["teacher", "student"]}), BASIC(people={"roles": ["teacher"]})),
        (BASIC(unenrolledUsers=True), BASIC()),
        (BASIC(demographics={"roles": ["student", "teacher"]}), BASIC(demographics={"roles": ["teacher"]})),
        (BASIC(guardians=True, resources=True), BASIC()),
        (BASIC(), BASIC(fields={"withhold": ["users.phone"]})),
        (BASIC(fields={"share": ["users.metadata.bus"]}), BASIC()),
        (BASIC(fields={"mask": {"users.phone": "constant"}}), BASIC(fields={"withhold": ["users.phone"]})),
    ],
)  # fmt: skip
def test_what_is_on_the_list_narrows_and_its_reverse_does_not(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert plans.narrowing.narrowing(permission(old), permission(new))
    assert not plans.narrowing.narrowing(permission(new), permission(old))


@pytest.mark.parametrize(
    "old, new",
    [
        (BASIC(unenrolledUsers=True), BASIC(unenrolledUsers={"roles": ["student"]})),
        (BASIC(), BASIC(fields={"mask": {"users.familyName": "initial"}})),
        (BASIC(orgs=["a"]), BASIC(orgs={"where": "type='school'"})),
        (BASIC(courses={"where": "title='x'"}), BASIC(courses={"where": "title='x' OR title='y'"})),
        (BASIC(courses={"where": "title='x'"}), BASIC(courses={"where": "title~'x'"})),
        (BASIC(orgs=["a", "b"]), BASIC(orgs=["a"], guardians=True)),
        ({"access": "full"}, BASIC(fields={"share": ["users.password"]})),
        ({"access": "full"}, {"access": "none", "application": "other"}),
    ],
)
def test_what_is_not_on_the_list_is_a_widening(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert not plans.narrowing.narrowing(permission(old), permission(new))


def document(kind: str, **rules: Any) -> documents.AnyDocument:
    return documents.KINDS[kind].model_validate_json(orjson.dumps({"name": "math", **rules}))


def test_other_kinds_narrow_when_they_are_switched_off_or_removed() -> None:
    def application(**rules: Any) -> documents.AnyDocument:
        return document("Application", title="Math", **rules)

    on, off = application(enabled=True), application(enabled=False)
    agreed = {"reference": "a", "expires": "2027-02-01"}
    sooner = {"reference": "a", "expires": "2027-01-01"}
    other = {"reference": "b", "expires": "2027-01-01"}

    assert plans.narrowing.narrowing(on, off)
    assert not plans.narrowing.narrowing(off, on)
    assert plans.narrowing.narrowing(on, None)
    assert not plans.narrowing.narrowing(None, off)
    assert plans.narrowing.narrowing(application(agreement=agreed), application(agreement=sooner))
    assert not plans.narrowing.narrowing(
        application(agreement=agreed), application(agreement=other)
    )
    assert not plans.narrowing.narrowing(application(agreement=agreed), application())
    assert plans.narrowing.narrowing(
        application(rest={"versions": ["1.1", "1.2"]}), application(rest={"versions": ["1.2"]})
    )
    assert not plans.narrowing.narrowing(
        application(), application(owner={"name": "x", "email": "x@y.example"})
    )


def test_sources_and_the_repository_never_narrow() -> None:
    district = {"name": "rosterd", "title": "D", "timezone": "UTC"}
    repository = document("Repository", **district)
    excluding = document("Repository", **district, exclude={"where": "givenName='x'"})
    source = document("RosterSource", type="directory", directory="/in")

    assert not plans.narrowing.narrowing(excluding, repository)
    assert not plans.narrowing.narrowing(repository, None)
    assert not plans.narrowing.narrowing(source, None)
