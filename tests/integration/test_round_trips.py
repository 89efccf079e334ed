"""What leaves as CSV comes back: through the real import, into another store.

One district exports, another one imports what it gets, be it everything or one delta after the
other. Whatever the second one then exports is what the first one would.
"""

import functools
import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rosterd import access, configs, generations, loading, pictures, samples, scheduling, storage
from rosterd.exporting import bundles
from rosterd.generations import building, calling
from rosterd.oneroster import model
from rosterd.oneroster.csv import checking, writer
from tests import packages
from tests.integration import configs_in_git, test_deltas
from tests.property import nights, test_csv_deltas

SHARED = (
    "users.metadata.busRoute",
    "users.metadata.homeLanguage",
    "orgs.metadata.region",
    "classes.metadata.building",
    "users.password",
    "users.userProfiles",
)
ALL = f"access: full\nfields: {{share: [{', '.join(SHARED)}]}}\n"
SCHOOL = test_deltas.SCHOOL
MOMENT = datetime(2026, 3, 2, 5, 31, tzinfo=UTC)
SLOT = scheduling.Slot(MOMENT, MOMENT, "slot")


def config_of() -> configs.Config:
    """One application that gets all there is, profiles of its vendor included."""
    head = configs_in_git.HEAD
    files = {
        "rosterd.yaml": configs_in_git.REPOSITORY,
        "applications/app.yaml": f"{head}kind: Application\nname: app\ntitle: App\nlisting: app\n"
        "enabled: true\nrest: {versions: ['1.1', '1.2'], key: 1, overlap: 1d}\n",
        "catalog/app.yaml": f"{head}kind: Listing\nname: app\ntitle: App\ncompany: Galaxy\n"
        "vendorId: galaxy\n",
        "permissions/app.yaml": f"{head}kind: Permission\nname: app\napplication: app\n{ALL}",
    }
    config, problems = configs.check(
        loading.load({path: text.encode() for path, text in files.items()})
    )
    assert config is not None, problems
    return config


def district(folder: Path, version: str) -> Path:
    """The invented district, with rows of every file that a version has."""
    whole = samples.District(users=60, enrollments_per_user=3)
    packages_of = {name: list(whole.records(name)) for name in model.COLLECTIONS}
    resource = packages_of["resources"][0]["sourcedId"]
    for number, user in enumerate(packages_of["users"]):
        user["password"] = f"secret {number}"
        user["resources"] = [resource]
        user["userProfiles"] = [
            {
                "sourcedId": f"profile-{number}-{each}",
                "profileType": "sso",
                "vendorId": "galaxy",
                "credentials": [{"type": "login", "username": f"u{number}-{each}"}],
            }
            for each in range(2)
        ]
        user["userProfiles"][0]["credentials"].append({"type": "pin", "username": f"p{number}"})
        if "roles" in user:
            user["roles"][0]["userProfile"] = f"profile-{number}-0"
            again = {**user["roles"][0], "roleType": "secondary", "endDate": "2027-01-01"}
            user["roles"].append(again)  # the same role at the same org once more
    for name in ("classes", "courses"):
        packages_of[name][0]["resources"] = [resource]
    folder.mkdir()
    writer.write(version, lambda name: packages_of[name], lambda name: (folder / name).open("xb"))
    return folder


async def imported(delivery: Path, folder: Path) -> generations.Generation:
    """By the import subprocess, into an empty folder."""
    request = building.Request(
        number=1,
        folder=str(folder),
        former=None,
        source="sis",
        sources=("sis",),
        delivery=str(delivery),
        limit=64 * 2**20,
    )
    event = await calling.build(request)
    assert event["event"] == "built", event
    assert [each for each in event["report"]["problems"] if each["severity"] == "error"] == []
    return generations.open_generation(folder / event["name"])


def exported(generation: generations.Generation, version: str, folder: Path) -> Path:
    view = access.view(generation.roster, config_of().grant("app"), MOMENT.date())
    assert view.refusal is None
    target = test_csv_deltas.target_of(version, "bulk")
    picture = pictures.Picture(view, version)
    bundles.build(picture, target, SLOT, folder, stopped=lambda: False)
    return folder / "bundle.zip"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_what_is_exported_imported_and_exported_again_is_the_same_bytes(
    tmp_path: Path, version: str
) -> None:
    source = district(tmp_path / "source", version)
    first = await imported(source, tmp_path / "one")
    out = exported(first, version, tmp_path / "out")
    second = await imported(out, tmp_path / "two")
    again = exported(second, version, tmp_path / "again")

    names = set(zipfile.ZipFile(out).namelist())
    assert names == {path.name for path in source.iterdir()}
    assert {"users.csv", "resources.csv", "classResources.csv", "courseResources.csv"} <= names
    newer = {"roles.csv", "userProfiles.csv", "userResources.csv"}
    assert newer & names == (newer if version == "1.2" else set())
    assert b"metadata.busRoute" in zipfile.ZipFile(out).read("users.csv")
    assert out.read_bytes() == again.read_bytes()


# ---------------------------------------------------------------- deltas


def tables() -> packages.Tables:
    """The small district with rows of every link file."""
    made = packages.district()
    made["classResources"].append(
        {"sourcedId": "link-4", "classSourcedId": "class-1", "resourceSourcedId": "book-2"}
    )
    made["resources"].append({"sourcedId": "book-2", "vendorResourceId": "b2", "title": "Second"})
    made["courseResources"] = [
        {"sourcedId": "link-2", "courseSourcedId": "course-1", "resourceSourcedId": "book-1"}
    ]
    made["userResources"] = [
        {"sourcedId": "link-3", "userSourcedId": "teacher-1", "resourceSourcedId": "book-1"},
        {"sourcedId": "link-5", "userSourcedId": "parent-1", "resourceSourcedId": "book-1"},
    ]
    return made


def nightly() -> list[packages.Tables]:
    """What the first district's source says, night after night."""
    begun = tables()
    renamed = packages.changed(begun, "users", "student-1", givenName="Nova", grades="10")
    moved = packages.changed(renamed, "roles", "role-2", orgSourcedId="school-1")
    moved = packages.changed(moved, "enrollments", "enrollment-2", classSourcedId="class-1")
    twice = packages.changed(moved, "users", "teacher-1", middleName="M")
    twice["roles"].append(packages.role("role-9", "teacher-1", "school-2", "aide"))
    unlinked = packages.without(twice, userResources="link-3", classResources="link-1")
    gone = packages.without(unlinked, users="student-2", enrollments="enrollment-2")
    gone = packages.without(gone, roles="role-2")
    fewer = packages.without(gone, roles="role-9", courses="course-2", classes="class-2")
    return [begun, renamed, moved, twice, unlinked, gone, fewer, begun]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_who_imports_one_delta_after_the_other_has_the_same_roster(
    tmp_path: Path, version: str
) -> None:
    clock, there = nights.Clock(MOMENT), tmp_path / "there"
    for each in ("here", "there"):
        (tmp_path / each).mkdir()
    post = test_csv_deltas.Post(version, tmp_path / "post")
    modes = set()
    async with (
        test_deltas.running(tmp_path / "here", test_deltas.FULL, clock) as one,
        test_deltas.running(there, test_deltas.FULL, clock) as other,
    ):
        steps: list[tuple[packages.Tables | None, str | None]] = [(e, None) for e in nightly()]
        steps[3:3] = [(None, SCHOOL), (None, test_deltas.FULL)]
        for delivered, rules in steps:
            if delivered is not None:
                await one.deliver(delivered)
            if rules is not None:
                await one.commit(rules)
            clock.now += timedelta(hours=1)
            post.deliver(one.served.current, "delivered")
            assert post.sent is not None
            modes.add(await taken(post.sent, other))
            whole = post.whole(one.served.current)
            found = has(other, version, tmp_path / "has")
            assert list(test_csv_deltas.differing(found, whole)) == []
    assert modes == {"bulk", "delta"}
    assert post.tombstones > 3


async def taken(package: bytes, daemon: test_deltas.Daemon) -> str:
    """Import it; gives the mode of its files."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        written = {name: archive.read(name) for name in archive.namelist()}
    openers = {name: functools.partial(io.BytesIO, data) for name, data in written.items()}
    assert checking.check(openers).errors == 0, "our own validator refuses it"
    packages.write(daemon.folder / "incoming", written)
    run: storage.Import = await daemon.loop.import_now("sis")
    assert run.state == "imported", run
    assert run.report is not None
    return "delta" if b",delta" in written["manifest.csv"] else "bulk"


def has(daemon: test_deltas.Daemon, version: str, folder: Path) -> test_csv_deltas.Rows:
    """All of its roster, whoever may see it."""
    generation = daemon.served.current.generation
    assert isinstance(generation, generations.Generation)
    return test_csv_deltas.undated(exported(generation, version, folder))
