"""What the example repository gives every application of a small invented district.

A change of a rule, a column or a word shows here as a difference that a person reads before it is
accepted. Records are shown as samples; all of them count in a digest.
"""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rosterd import access, configs, loading, pictures, plans, rosters, samples
from rosterd.oneroster import model, rendering
from rosterd.oneroster.csv import writer
from rosterd.plans import rendering as plan_rendering
from rosterd.plans.rendering import markdown
from tests.golden.conftest import Golden

TODAY = date(2026, 10, 5)
EXAMPLE = Path(__file__).parents[2] / "example-repo"
DISTRICT = samples.District(users=120, seed=7, enrollments_per_user=4)


def documents() -> dict[str, bytes]:
    return {
        path.relative_to(EXAMPLE).as_posix(): path.read_bytes()
        for path in EXAMPLE.rglob("*.yaml")
        if ".github" not in path.parts
    }


def config_of(files: Mapping[str, bytes]) -> configs.Config:
    config, problems = configs.check(loading.load(files))
    assert config is not None, problems
    return config


CONFIG = config_of(documents())
ROSTER = rosters.from_records(
    {collection: list(DISTRICT.records(collection)) for collection in model.COLLECTIONS}
)
APPLICATIONS = sorted(CONFIG.applications)


def view_of(config: configs.Config, application: str) -> access.View:
    return access.view(ROSTER, config.grant(application), TODAY)


def records_of(picture: pictures.Picture, collection: str) -> Iterator[dict[str, Any]]:
    return (picture.record(collection, row) for row in picture.view.rows[collection])


def summary(application: str, version: str) -> dict[str, Any]:
    view = view_of(CONFIG, application)
    picture = pictures.Picture(view, version)
    collections = {}
    for collection in model.COLLECTIONS:
        rendered = [
            rendering.render(collection, record, version)
            for record in records_of(picture, collection)
        ]
        whole = json.dumps(rendered, sort_keys=True).encode()
        collections[collection] = {
            "count": len(rendered),
            "sha256": sha256(whole).hexdigest(),
            "samples": rendered[:1] + rendered[-1:] if len(rendered) > 1 else rendered,
        }
    levels = {name: f"{level} {count}" for name, (level, count) in access.levels(view).items()}
    return {"refusal": view.refusal, "levels": levels, "collections": collections}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("application", APPLICATIONS)
def test_each_application_sees_what_was_reviewed(
    application: str, version: str, golden: Golden
) -> None:
    shown = json.dumps(summary(application, version), indent=1, ensure_ascii=False)

    golden.check(f"views/{application}-{version}.json", shown.replace("\x7f", "BASE") + "\n")


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize("application", ["math-galaxy", "everything"])
def test_csv_has_the_same_bytes_as_were_reviewed(
    application: str, version: str, golden: Golden
) -> None:
    picture = pictures.Picture(view_of(CONFIG, application), version)
    written: dict[str, io.BytesIO] = {}

    class Kept(io.BytesIO):
        def close(self) -> None:
            """Stay readable: the writer closes what it opened."""

    def open_file(name: str) -> io.BytesIO:
        written[name] = Kept()
        return written[name]

    writer.write(version, lambda collection: records_of(picture, collection), open_file)

    text = []
    for name, out in sorted(written.items()):
        lines = out.getvalue().decode().split("\r\n")
        text += [
            f"== {name}: {len(lines) - 2} rows, sha256 {sha256(out.getvalue()).hexdigest()}",
            *(lines if name == "manifest.csv" else lines[:3]),
        ]
    golden.check(f"csv/{application}-{version}.txt", "\n".join(text) + "\n")


CHANGES: dict[str, dict[str, tuple[str, str] | None]] = {
    "a-widening-and-a-narrowing": {
        "permissions/nothing.yaml": ("access: none", "access: full"),
        "permissions/everything.yaml": ("access: full", "access: none"),
    },
    "other-hosts-contacts-and-sources": {
        "sftp-targets/lunch-line.yaml": ("host: drop", "host: elsewhere"),
        "sftp-targets/exam-tower.yaml": ("04:30", "23:59"),
        "sources/student-system.yaml": ("/srv/rosterd/rosters", "/srv/rosterd/others"),
        "applications/math-galaxy.yaml": (
            "email: mathematics@lakeside.example.org",
            "email: somebody@elsewhere.example",
        ),
        "permissions/math-galaxy.yaml": ("resources: true", "demographics: true"),
        "sftp-targets/reading-river.yaml": None,
    },
    "people-taken-away": {
        "permissions/math-galaxy.yaml": (
            "access: basic",
            "access: basic\npeople: {roles: [teacher]}",
        ),
        "applications/code-camp.yaml": None,
        "permissions/code-camp.yaml": None,
    },
}


def changed(what: str) -> configs.Config:
    files = dict(documents())
    for name, change in CHANGES[what].items():
        if change is None:
            del files[name]
            continue
        old, new = (text.encode() for text in change)
        assert old in files[name], name
        files[name] = files[name].replace(old, new, 1)
    return config_of(files)


def plan_of(before: configs.Config | None, after: configs.Config) -> plans.Plan:
    old = {name: view_of(before, name) for name in before.applications} if before else {}
    new = {name: view_of(after, name) for name in after.applications}
    return plans.make(before, after, old, new)


def shown(plan: plans.Plan) -> dict[str, str]:
    values = {"digest": plan.digest, **plans.as_json(plan)}
    return {
        "txt": plan_rendering.text(plan),
        "md": markdown.page(plan),
        "json": json.dumps(values, indent=1, ensure_ascii=False) + "\n",
    }


def test_the_plan_of_the_whole_repository_reads_as_reviewed(golden: Golden) -> None:
    plan = plan_of(None, CONFIG)

    golden.check("plans/from-nothing.txt", plan_rendering.text(plan))


@pytest.mark.parametrize("form", ["txt", "md", "json"])
@pytest.mark.parametrize("what", CHANGES)
def test_the_plan_of_a_change_reads_as_reviewed(what: str, form: str, golden: Golden) -> None:
    golden.check(f"plans/{what}.{form}", shown(plan_of(CONFIG, changed(what)))[form])


@pytest.mark.parametrize("form", ["txt", "md", "json"])
def test_a_plan_without_a_roster_reads_as_reviewed(form: str, golden: Golden) -> None:
    plan = plans.make(CONFIG, changed("other-hosts-contacts-and-sources"))

    golden.check(f"plans/without-a-roster.{form}", shown(plan)[form])


def test_the_picture_of_a_view_does_not_depend_on_when_it_is_made() -> None:
    first = summary("math-galaxy", "1.2")

    assert summary("math-galaxy", "1.2") == first
    assert replace(view_of(CONFIG, "math-galaxy")).rows == view_of(CONFIG, "math-galaxy").rows
