"""Whole candidates that wait although enough people vouch for them: real repositories, real keys."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration import configs_in_git as texts
from tests.integration import test_reconciling as reconciling_tests

NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight")


class Place(reconciling_tests.Place):
    """Everything that is pushed here is vouched for by both people."""

    async def push(self, files: dict[str, str | bytes | None]) -> str:
        commit = self.site.commit(files, by=self.alice)
        await self.vouched()
        return commit

    async def vouched(self) -> None:
        self.site.push()
        await self.approve("HEAD", self.bob)
        self.site.push()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Place(tmp_path).looked() as place:
        yield place


async def test_a_freeze_lets_through_only_what_takes_away(place: Place) -> None:
    today = datetime.now(UTC).date()
    window = f"freeze:\n  - {{name: exams, from: {today}, to: {today + timedelta(days=1)}}}\n"
    await place.push({"rosterd.yaml": texts.REPOSITORY + window})
    assert (await place.look()).reason == "Applied"

    wider = await place.push({"permissions/math.yaml": texts.basic("math", "title~'m'")})
    status = await place.look()
    assert (status.reason, status.condition("Guarded").fine) == ("Frozen", False)
    assert "'exams'" in status.message

    await place.push({"permissions/math.yaml": texts.permission("math", "none")})
    assert (await place.look()).reason == "Applied", "what takes away waits for nothing"

    await place.push({"permissions/math.yaml": texts.basic("math", "title~'m'")})
    assert (await place.look()).reason == "Frozen"
    place.time = datetime.now(UTC) + timedelta(days=3)
    assert (await place.look()).reason == "Applied"
    assert wider != place.served.current.commit


async def test_a_commit_cannot_lift_the_freeze_that_it_meets(place: Place) -> None:
    today = datetime.now(UTC).date()
    window = f"freeze:\n  - {{name: exams, from: {today}, to: {today + timedelta(days=1)}}}\n"
    await place.push({"rosterd.yaml": texts.REPOSITORY + window})
    assert (await place.look()).reason == "Applied"

    await place.push({"rosterd.yaml": texts.REPOSITORY})

    assert (await place.look()).reason == "Frozen"


async def test_suspended_is_lifted_by_a_commit_and_by_nothing_else(place: Place) -> None:
    said = "suspended: {reason: it moves, since: 2026-08-01}\n"
    await place.push({"rosterd.yaml": texts.REPOSITORY + said})
    assert (await place.look()).reason == "Applied"
    await place.push({"permissions/math.yaml": texts.basic("math", "title~'m'")})
    assert (await place.look()).reason == "Suspended"

    await place.push({"rosterd.yaml": texts.REPOSITORY})

    assert (await place.look()).reason == "Applied"
    assert place.title() == "title~'m'"


PROTECTED = texts.application("math", more="protected: true\n")


@pytest.mark.parametrize("gone", ["applications/math.yaml", "permissions/math.yaml"])
async def test_what_is_protected_goes_in_two_commits_and_not_in_one(
    place: Place, gone: str
) -> None:
    await place.push({"applications/math.yaml": PROTECTED})
    assert (await place.look()).reason == "Applied"
    removal: dict[str, str | bytes | None] = {gone: None}
    if gone.startswith("applications"):
        removal["permissions/math.yaml"] = None

    await place.push(removal)
    status = await place.look()
    assert (status.reason, status.condition("Guarded").fine) == ("Protected", False)
    assert "applications/math.yaml" in status.message

    back: dict[str, str | bytes | None] = {
        "applications/math.yaml": texts.application("math"),
        "permissions/math.yaml": texts.basic("math", "title~'math'"),
    }
    await place.push(back)  # unpushed it stays in history, but lifts in one commit
    await place.push(removal)  # and removes in a later one of the same range
    assert (await place.look()).reason == "Applied"
    config = place.served.current.config
    assert config is not None
    assert "math" not in config.permissions


async def test_access_none_of_what_is_protected_applies_at_once(place: Place) -> None:
    await place.push({"applications/math.yaml": PROTECTED})
    assert (await place.look()).reason == "Applied"

    await place.push({"permissions/math.yaml": texts.permission("math", "none")})

    assert (await place.look()).reason == "Applied"


async def test_a_removal_of_many_waits_and_its_release_may_come_in_the_same_branch(
    place: Place,
) -> None:
    await place.push({f"applications/{name}.yaml": texts.application(name) for name in NAMES})
    assert (await place.look()).reason == "Applied"
    await place.push({f"applications/{name}.yaml": None for name in NAMES[:4]})

    status = await place.look()

    assert status.reason == "Held"
    assert "4 of 10 applications" in status.message
    release = status.message[status.message.index("release:\n") :]
    await place.push({"rosterd.yaml": texts.REPOSITORY + release, "README.md": "other\n"})
    assert (await place.look()).reason == "Applied"


async def test_the_release_of_another_removal_lets_nothing_go(place: Place) -> None:
    await place.push({f"applications/{name}.yaml": texts.application(name) for name in NAMES})
    assert (await place.look()).reason == "Applied"
    await place.push({f"applications/{name}.yaml": None for name in NAMES[:4]})
    message = (await place.look()).message
    release = message[message.index("release:\n") :]

    await place.push(
        {"rosterd.yaml": texts.REPOSITORY + release, f"applications/{NAMES[4]}.yaml": None}
    )

    assert (await place.look()).reason == "Held"
