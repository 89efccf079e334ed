"""Custom files over districts and permissions that nobody would think of.

A template that asks for all there is, and the shipped ones: nothing outside the view is in their
files or changes them, and no row of a shipped package refers to a row that is not in it.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rosterd import access, documents, pictures, tabulating, templates
from rosterd.oneroster import model
from tests.golden import test_example_repository as example
from tests.golden import test_templates as shipped
from tests.property import rosters_strategies as made
from tests.unit import districts

_VERSION = "1.2"
FOLDER = Path(__file__).parents[2] / "example-repo" / "templates"


def _paths(collection: str, deep: int) -> Iterator[str]:
    for name in model.names(collection, _VERSION):
        if not name.endswith(".sourcedId") and name not in (
            "status",
            "dateLastModified",
            "children",
        ):
            yield name
    for step, target in templates.STEPS[collection].items() if deep else ():
        yield from (f"{step}.{below}" for below in _paths(target, deep - 1))


def _columns(grain: templates.Grain) -> Iterator[dict[str, Any]]:
    starts = {"": grain.name} if grain.name in model.COLLECTIONS else dict(grain.steps)
    named = [*grain.own]
    for step, collection in starts.items():
        named += [f"{step}.{each}" if step else each for each in _paths(collection, 1)]
    for name in named:
        try:
            templates.resolve(grain.name, name)
        except templates.PathError:
            continue
        yield {"header": name, "field": name}
        if name not in grain.own:
            yield {"header": f"all {name}", "field": name, "join": "comma"}
    for over in templates.LISTS.get(grain.name, {}):
        repeat = {"over": over, "first": 1, "last": 3}
        yield {"header": f"{over} {{n}}", "field": "sourcedId", "repeat": repeat}


def nosy() -> documents.ExportTemplate:
    """A template with every path of two steps from every grain."""
    files = []
    for grain in templates.GRAINS.values():
        columns = list(_columns(grain))
        for number in range(0, len(columns), 150):
            name = f"{grain.name}-{number}.csv"
            files.append(
                {"name": name, "rows": grain.name, "columns": columns[number : number + 150]}
            )
    return documents.ExportTemplate.model_validate_json(
        orjson.dumps({"name": "nosy", "title": "Nosy", "files": files})
    )


NOSY = nosy()
SHIPPED = {path.stem: example.CONFIG.templates[path.stem] for path in sorted(FOLDER.glob("*.yaml"))}


def filled(template: documents.ExportTemplate, view: access.View) -> dict[str, bytes]:
    found: dict[str, bytes] = {}

    class File(io.BytesIO):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.called = name

        def close(self) -> None:
            if not self.closed:
                found[self.called] = self.getvalue()
            super().close()

    tabulating.write(template, pictures.Picture(view, _VERSION), File)
    return found


def sent(view: access.View) -> dict[str, set[str]]:
    return {collection: districts.ids(view, collection) for collection in model.COLLECTIONS}


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_is_outside_a_view_changes_no_byte_of_its_files(data: st.DataObject) -> None:
    district = data.draw(made.any_district())
    rules = {**data.draw(made.basic_rules(district)), **data.draw(made.field_rules())}
    grant = made.grant_of(rules, data.draw(made.EXCLUDES))
    view = district.view(grant)
    assume(view.rows["users"])
    other = data.draw(made.elsewhere(district, view)).view(grant)
    assume(sent(other) == sent(view))

    for template in (NOSY, *SHIPPED.values()):
        assert filled(template, view) == filled(template, other)


@settings(max_examples=30)
@given(st.data())
def test_no_id_of_an_unshared_record_is_in_any_file(data: st.DataObject) -> None:
    district = data.draw(made.any_district())
    grant = made.grant_of(data.draw(made.any_rules(district)))
    view = district.view(grant)
    shown = set().union(*sent(view).values())
    every = {each["sourcedId"] for held in district.records.values() for each in held}

    text = b"\n".join(filled(NOSY, view).values()).decode()

    assert not [each for each in every - shown if each in text]


@pytest.mark.parametrize("template", SHIPPED)
@settings(max_examples=20)
@given(data=st.data())
def test_a_shipped_package_is_closed_and_names_each_record_once(
    template: str, data: st.DataObject
) -> None:
    district = data.draw(made.any_district())
    view = district.view(made.grant_of(data.draw(made.any_rules(district))))

    found = shipped.tables(filled(SHIPPED[template], view), template)

    shipped.closed(found, template)
    for name, key in KEYS[template]:
        keys = [tuple(row[each] for each in key) for row in found[name]]
        assert len(keys) == len(set(keys)), name


KEYS: Mapping[str, list[tuple[str, tuple[str, ...]]]] = {
    "apple-school-manager": [
        ("locations.csv", ("location_id",)),
        ("students.csv", ("person_id",)),
        ("staff.csv", ("person_id",)),
        ("courses.csv", ("course_id",)),
        ("classes.csv", ("class_id",)),
        ("rosters.csv", ("roster_id",)),
    ],
    "clever": [
        ("schools.csv", ("School_id",)),
        ("students.csv", ("School_id", "Student_id")),
        ("teachers.csv", ("School_id", "Teacher_id")),
        ("sections.csv", ("Section_id",)),
    ],
    "microsoft-sds": [
        ("orgs.csv", ("sourcedId",)),
        ("users.csv", ("sourcedId",)),
        ("roles.csv", ("userSourcedId", "orgSourcedId", "role")),
        ("academicSessions.csv", ("sourcedId",)),
        ("courses.csv", ("sourcedId",)),
        ("classes.csv", ("sourcedId",)),
        ("demographics.csv", ("userSourcedId",)),
        ("relationships.csv", ("userSourcedId", "relationshipUserSourcedId")),
    ],
}
