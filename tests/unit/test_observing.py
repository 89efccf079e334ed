"""What is wrong now, from what the loops say: one test for each kind, its beginning and its end.

The store, the worlds and the statuses are real ones; of the loops there is only what they say.
"""

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rosterd import configs, loading, notifying, observing, storage, worlds
from rosterd.importing import watches
from rosterd.notifying import telling
from rosterd.reconciling import conditions
from tests.integration import configs_in_git as texts
from tests.integration import vendors

NOW = datetime(2026, 10, 5, 12, tzinfo=UTC)
COMMIT = "c" * 40
TARGET = f"""\
{texts.HEAD}kind: SftpTarget
name: math
application: math
enabled: true
host: sftp.example
username: u
directory: in
authentication: {{password: math-password}}
hostKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnw9vcU9RRucOxcnx1Vll3mTMX8BAUvxpNZss3ekreF"]
export: {{template: oneroster-1.2, days: [monday], time: "05:00"}}
"""


def config(application: str = "", target: str = TARGET, repository: str = "") -> configs.Config:
    files = {
        "rosterd.yaml": texts.REPOSITORY + repository,
        "applications/math.yaml": texts.application("math", more=application),
        "permissions/math.yaml": texts.permission("math"),
        "sftp-targets/math.yaml": target,
    }
    made, problems = configs.check(loading.load({p: t.encode() for p, t in files.items()}))
    assert made is not None, [str(each) for each in problems]
    return made


def applied() -> conditions.Status:
    status = dataclasses.replace(
        conditions.beginning(NOW), reason="Applied", candidate=COMMIT, accepted=COMMIT
    )
    return conditions.judged(status, [], None, NOW, roster=True)


def stopped(step: str, reason: str, message: str, since: datetime = NOW) -> conditions.Status:
    status = dataclasses.replace(
        conditions.beginning(NOW), reason=reason, message=message, since=since, candidate=COMMIT
    )
    before = conditions.STEPS[: conditions.STEPS.index(step)]
    return conditions.judged(status, before, step, NOW, roster=True)


@dataclasses.dataclass
class Scene:
    """What the loops say; a test moves it."""

    watch: observing.Observing
    store: storage.Storage
    served: worlds.Worlds
    status: SimpleNamespace
    sources: dict[str, watches.Status]
    moment: list[datetime]

    async def seen(self) -> dict[str, notifying.Incident]:
        return {each.key: each for each in (await self.watch.look()).incidents}

    async def unknown(self) -> frozenset[str]:
        return (await self.watch.look()).unknown

    async def run(self, state: str, problem: str = "", minutes: int = 0) -> None:
        started = NOW + timedelta(minutes=minutes)
        run = storage.Run(
            "math", f"slot-{minutes}", cast("Any", state), 1, started, application="math",
            name="math.zip", problem=problem,
        )  # fmt: skip
        await self.store.run(lambda store: store.save_run(run))

    async def imported(self, state: str, errors: int | None = 0, problem: str = "") -> None:
        report = None if errors is None else {"files": {"users.csv": {"errors": errors}}}
        made = storage.Import(
            "sis", f"{errors}", cast("Any", state), NOW, NOW, report=report, problem=problem
        )
        await self.store.run(lambda store: store.record_import(made))

    async def propose(self, made: configs.Config) -> None:
        async def record(_old: worlds.World, _new: worlds.World) -> None:
            pass

        await self.served.propose_config(made, "d" * 40, record)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    moment = [NOW]
    async with storage.open_sqlite(tmp_path / "state.db") as store:
        world = worlds.World(
            config=config(),
            commit=COMMIT,
            generation=vendors.Pages(vendors.district()),
            published={1: NOW},
            today=NOW.date(),
        )
        served = worlds.Worlds(world, lambda: moment[0])
        said = SimpleNamespace(status=applied())
        sources: dict[str, watches.Status] = {}
        watch = observing.Observing(
            served=served,
            store=store,
            reconciling=cast("Any", said),
            importing=cast("Any", SimpleNamespace(statuses=lambda: sources)),
            exporting=cast("Any", None),
            clock=lambda: moment[0],
        )
        yield Scene(watch, store, served, said, sources, moment)


async def test_when_all_is_well_nobody_is_told_anything(scene: Scene) -> None:
    await scene.run("delivered")
    scene.sources["sis"] = watches.Status("current")
    await scene.imported("imported")

    assert await scene.watch.look() == notifying.Seen()


# ---------------------------------------------------------------- exports


@pytest.mark.parametrize("state, word", [("failed", "failed"), ("refused", "is refused")])
async def test_a_failed_export_until_one_is_delivered(scene: Scene, state: str, word: str) -> None:
    await scene.run(state, "cannot reach sftp.example")
    told = (await scene.seen())["export:math"]
    assert (told.about, told.subject, told.level) == ("exports", "math", state)
    assert told.title == f"delivery to math {word}"
    assert told.text == "math.zip: cannot reach sftp.example"

    await scene.run("running", minutes=1)
    assert await scene.seen() == {}
    assert await scene.unknown() == {"export:math"}, "another attempt: not over yet"

    await scene.run("delivered", minutes=1)
    assert await scene.watch.look() == notifying.Seen()


async def test_a_target_that_never_ran_and_one_that_is_disabled(scene: Scene) -> None:
    assert await scene.unknown() == {"export:math"}
    await scene.run("failed", "x")
    await scene.propose(config(target=TARGET.replace("enabled: true", "enabled: false")))

    assert await scene.watch.look() == notifying.Seen()


# ---------------------------------------------------------------- commits


async def test_a_refused_commit_until_the_newest_is_served(scene: Scene) -> None:
    scene.status.status = stopped("Valid", "Invalid", "permissions/math.yaml:3:1: no such field")
    told = (await scene.seen())["commit"]
    assert (told.about, told.level) == ("commits", "Invalid")
    assert told.title == f"commit {COMMIT[:12]} is not applied"
    assert "no such field" in told.text

    scene.status.status = applied()
    assert "commit" not in await scene.seen()
    assert "commit" not in await scene.unknown()


@pytest.mark.parametrize("reason, step", [("NotVouched", "Vouched"), ("Temporary", "Fetched")])
async def test_what_is_usual_for_a_while_is_told_after_a_quarter_of_an_hour(
    scene: Scene, reason: str, step: str
) -> None:
    scene.status.status = stopped(step, reason, "one person is missing")
    scene.moment[0] = NOW + timedelta(minutes=14)
    assert "commit" not in await scene.seen()
    assert "commit" in await scene.unknown(), "nor is what was told before over"

    scene.moment[0] = NOW + timedelta(minutes=15)
    assert (await scene.seen())["commit"].level == reason


async def test_a_restart_is_no_recovery(scene: Scene) -> None:
    """The daemon knows nothing of the branch yet, and nothing of its sources."""
    scene.status.status = conditions.beginning(NOW)
    scene.sources["sis"] = watches.Status("waiting", "nothing was seen yet")

    assert await scene.seen() == {}
    assert {"commit", "plan", "import:sis"} <= await scene.unknown()


# ---------------------------------------------------------------- holds


async def test_a_held_commit_is_a_hold_and_no_refusal(scene: Scene) -> None:
    scene.status.status = stopped("Guarded", "Held", "math would lose 812 users")
    seen = await scene.seen()
    assert seen.keys() == {"plan"}
    assert (seen["plan"].about, seen["plan"].text) == ("holds", "math would lose 812 users")
    assert "commit" in await scene.unknown()

    scene.status.status = stopped("Fetched", "Temporary", "the repository is away")
    assert "plan" in await scene.unknown(), "nobody has let it go"
    scene.status.status = applied()
    assert "plan" not in await scene.unknown()


async def test_an_application_that_is_held_until_it_is_let_go(scene: Scene) -> None:
    former = scene.served.current
    hold = worlds.Hold(kept=former.alone("math"), since=NOW, former="math")
    fewer = vendors.Pages({**vendors.district(), "enrollments": []}, number=2)
    world = former.derived(generation=fewer, holds={"math": hold}, _views={})
    scene.served = worlds.Worlds(world, lambda: NOW)
    scene.watch = dataclasses.replace(scene.watch, served=scene.served)

    told = (await scene.seen())["hold:math"]
    assert (told.about, told.title, told.subject) == ("holds", "math is held", "math")
    assert "enrollments" in told.text
    assert "rosterd status" in told.text
    assert "north" not in told.text, "counts and names of documents only"

    stopped_ = dataclasses.replace(hold, stopped="too long")
    world = world.derived(holds={"math": stopped_})
    scene.watch = dataclasses.replace(scene.watch, served=worlds.Worlds(world, lambda: NOW))
    told = (await scene.seen())["hold:math"]
    assert (told.title, told.level) == ("math is refused: held too long", "too long")


async def test_a_suspension_that_may_be_forgotten(scene: Scene) -> None:
    suspended = "suspended: {{since: {}, reason: rollover}}\n"
    await scene.propose(config(repository=suspended.format("2026-10-01")))
    assert "suspended" not in await scene.seen()
    await scene.propose(config(repository=suspended.format("2026-09-01")))
    assert "rollover" in (await scene.seen())["suspended"].text


# ---------------------------------------------------------------- imports


@pytest.mark.parametrize(
    "state, title",
    [
        ("held", "the import of sis is held"),
        ("refused", "the import of sis was refused"),
        ("failed", "the import of sis failed"),
    ],
)
async def test_an_import_that_did_not_work_until_one_does(
    scene: Scene, state: str, title: str
) -> None:
    scene.sources["sis"] = watches.Status(cast("Any", state), "why it is so")
    told = (await scene.seen())["import:sis"]
    assert (told.about, told.title, told.text) == ("imports", title, "why it is so")
    assert (told.level, told.subject) == (state, "sis")

    for quiet in ("waiting", "importing"):
        scene.sources["sis"] = watches.Status(cast("Any", quiet), "blackout")
        assert await scene.seen() == {}
        assert "import:sis" in await scene.unknown(), "it is not over yet"
    scene.sources["sis"] = watches.Status("current")
    assert "import:sis" not in await scene.unknown()


async def test_rows_with_errors_are_told_until_an_import_without_any_is_served(
    scene: Scene,
) -> None:
    scene.sources["sis"] = watches.Status("current")
    await scene.imported("imported", errors=3)
    told = (await scene.seen())["rows:sis"]
    assert told.title == "the last import of sis left out <10 rows with errors"

    for state, errors in (("unchanged", None), ("refused", None), ("held", 0), ("failed", None)):
        await scene.imported(state, errors)
        assert "rows:sis" in await scene.seen(), f"{state}: they are left out still"
    scene.watch = dataclasses.replace(scene.watch, _known={})
    assert "rows:sis" in await scene.seen(), "also after a restart"

    await scene.imported("imported", errors=0)
    assert "rows:sis" not in await scene.seen()


# ---------------------------------------------------------------- endings


async def test_an_agreement_that_ends_soon_then_urgently_then_is_over(scene: Scene) -> None:
    agreement = "agreement: {reference: '2026/7', expires: 2026-10-20}\n"
    await scene.propose(config(application=agreement))
    (told,) = (await scene.seen()).values()
    assert (told.about, told.level, told.reminds) == ("endings", "soon", False)
    assert told.title == "the agreement of math ends on 2026-10-20"

    urgent = agreement.replace("20}", "09}")
    await scene.propose(config(application=urgent))
    (told,) = (await scene.seen()).values()
    assert told.level == "urgent"

    await scene.propose(config(application=agreement.replace("2026-10", "2027-10")))
    assert await scene.seen() == {}


# ---------------------------------------------------------------- what becomes of it


async def test_each_is_told_once_when_it_begins_and_once_when_it_is_over(scene: Scene) -> None:
    """Through what decides who is told: six kinds, a restart in the middle, and no word too many."""
    agreement = "agreement: {reference: '2026/7', expires: 2026-10-20}\n"
    await scene.propose(config(application=agreement))
    await scene.run("failed", "away")
    await scene.imported("imported", errors=12)
    scene.sources["sis"] = watches.Status("held", "half of it is missing")
    scene.status.status = stopped("Valid", "Invalid", "no such field")
    notices: list[storage.Notice] = []
    heard: list[tuple[str, str]] = []

    async def passes(times: int = 2) -> None:
        nonlocal notices
        for _ in range(times):
            scene.moment[0] += timedelta(minutes=2)
            seen, now = await scene.watch.look(), scene.moment[0]
            notices = telling.advanced("it", notices, seen.incidents, seen.unknown, now)
            lines = telling.due(notices, now)
            heard.extend((line.what, line.notice.key) for line in lines)
            notices = telling.told(telling.tried(notices, lines), lines, now)

    keys = ["commit", "ending:math:agreement:2026-10-20", "export:math", "import:sis", "rows:sis"]
    await passes()
    assert sorted(heard) == [("begun", key) for key in keys]
    broken, status = dict(scene.sources), scene.status.status
    scene.sources["sis"] = watches.Status("waiting", "nothing was seen yet")
    scene.status.status = conditions.beginning(NOW)
    scene.watch = dataclasses.replace(scene.watch, _known={})
    await passes()
    scene.sources.update(broken)
    scene.status.status = status
    await passes()
    assert len(heard) == len(keys), "a restart begins nothing and ends nothing"

    await scene.propose(config())
    await scene.run("delivered", minutes=1)
    await scene.imported("imported", errors=0)
    scene.sources["sis"] = watches.Status("current")
    scene.status.status = applied()
    await passes(3)
    assert sorted(heard[len(keys) :]) == [("over", key) for key in keys]
