"""Custom files from a world to a real sshd: whole, in order, told what is not in them, or not at all."""

import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from rosterd import tabulating
from rosterd.exporting import customs
from tests.integration import sshd, vendors
from tests.integration.test_exporting import House, config, housing

FOLDER = Path(__file__).parents[2] / "example-repo" / "templates"
GRADED = b"""\
apiVersion: rosterd/v1
kind: ExportTemplate
name: graded
title: Students who have a grade
files:
  - name: students.csv
    rows: users
    where: "roles.role='student'"
    columns:
      - {header: Id, field: sourcedId}
      - {header: Grade, field: grades, required: true}
  - name: classes.csv
    rows: classes
    columns:
      - {header: Id, field: sourcedId}
"""
TEMPLATES = {
    **{f"templates/{path.name}": path.read_bytes() for path in FOLDER.glob("*.yaml")},
    "templates/graded.yaml": GRADED,
}
LOOSE = {"template": "graded", "more": "packaging: files"}
ZIPPED = {"template": "apple-school-manager", "more": "fileName: apple.zip"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
async def house(server: sshd.Server, tmp_path: Path) -> AsyncIterator[House]:
    for path in server.folder.iterdir():
        path.unlink()
    targets = [
        {"name": "loose", "application": "everything", **LOOSE},
        {"name": "zipped", "application": "everything", **ZIPPED},
    ]
    made = config(server, *targets, templates=TEMPLATES)
    async with housing(server, tmp_path, made) as house:
        await house.secret("loose-key", "zipped-key")
        yield house


def expected(house: House, template: str, folder: Path) -> dict[str, tabulating.Written]:
    current = house.served.current
    assert current.config is not None
    folder.mkdir()
    picture = current.picture("everything", "1.2")
    return customs.write(picture, current.config.templates[template], folder)


async def test_files_side_by_side_are_those_of_the_picture_and_what_they_leave_out_is_told(
    house: House, tmp_path: Path
) -> None:
    run = await house.exports.run_now("loose", "test")

    written = expected(house, "graded", tmp_path / "here")
    assert run.state == "delivered", run.problem
    assert house.server.files() == {
        path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()
    }
    assert run.rows == {name.removesuffix(".csv"): each.rows for name, each in written.items()}
    assert run.problem == "students.csv leaves out <10 rows (Grade: no value)"


async def test_a_zip_has_every_file_and_the_same_bytes_again(house: House, tmp_path: Path) -> None:
    run = await house.exports.run_now("zipped", "test")
    house.clock.now += timedelta(hours=1)
    again = await house.exports.run_now("zipped", "test")

    expected(house, "apple-school-manager", tmp_path / "here")
    with zipfile.ZipFile(BytesIO(house.server.files()["apple.zip"])) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert run.sha256 == again.sha256 != ""


async def test_a_file_that_would_lose_everybody_leaves_the_last_one_where_it_is(
    house: House,
) -> None:
    first = await house.exports.run_now("loose", "test")
    before = house.server.files()
    hidden = vendors.FULL + "\nfields: {withhold: [users.grades]}\n"
    targets = [{"name": "loose", "application": "everything", **LOOSE}]
    await house.serve(config(house.server, *targets, templates=TEMPLATES, everything=hidden))
    house.clock.now += timedelta(hours=1)

    run = await house.exports.run_now("loose", "test")

    assert (first.state, run.state) == ("delivered", "refused")
    assert (
        "cannot fill students.csv of graded: every row is left out (Grade: no value)" in run.problem
    )
    assert house.server.files() == before
