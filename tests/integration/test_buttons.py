"""What two people vouched for is accepted from each forge's buttons, and nothing else from any."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration import configs_in_git as texts
from tests.integration import forge_buttons as buttons
from tests.integration.test_reconciling import MATH, Place

STEPS: tuple[dict[str, str | bytes | None], ...] = (
    {MATH: texts.basic("math", "title~'m'")},
    {MATH: texts.permission("math"), "README.md": "# More\n"},
)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with Place(tmp_path).looked() as place:
        yield place


def request_of(place: Place, *, signed: bool = True) -> buttons.Request:
    """A branch with two commits of alice, pushed as a forge keeps it."""
    place.site.git("checkout", "-q", "-B", "topic", place.first)
    commits = tuple(place.site.commit(step, by=place.alice, signed=signed) for step in STEPS)
    place.site.push(branch="topic")
    place.site.git("checkout", "-q", "main")
    return buttons.Request(place.site, place.first, commits[-1], commits)


def press(place: Place, button: str, request: buttons.Request) -> str:
    commit = buttons.BUTTONS[button](request)
    place.site.git("push", "-q", "origin", f"{commit}:refs/heads/main")
    return commit


@pytest.mark.parametrize("button", buttons.BUTTONS)
async def test_what_two_people_vouched_for_is_accepted_from_the_button(
    place: Place, button: str
) -> None:
    request = request_of(place)
    await place.approve("topic", place.bob)

    commit = press(place, button, request)
    status = await place.look()

    assert (status.reason, status.accepted) == ("Applied", commit), status.message
    assert status.people == (place.alice.email, place.bob.email)


@pytest.mark.parametrize("button", ["github_merge", "gitlab_squash_with_a_merge_commit"])
async def test_a_button_alone_vouches_for_nobody(place: Place, button: str) -> None:
    request = request_of(place, signed=False)

    press(place, button, request)
    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", place.first)
    assert [missing.people for missing in status.missing] == [(), ()]


async def test_an_approval_that_comes_after_the_button_accepts_what_waits(place: Place) -> None:
    request = request_of(place)
    commit = press(place, "github_squash", request)
    assert (await place.look()).reason == "NotVouched"

    await place.approve(commit, place.bob)
    status = await place.look()
    assert status.reason == "NotVouched", "alice's signatures went with the squash"

    await place.approve("topic", place.alice)
    assert (await place.look()).accepted == commit


async def test_what_the_presser_adds_to_a_squash_waits(place: Place) -> None:
    request_of(place)
    await place.approve("topic", place.bob)
    place.site.git("checkout", "-q", "topic")
    more = place.site.commit({"README.md": "# Even more\n"}, signed=False)

    press(place, "github_squash", buttons.Request(place.site, place.first, more, (more,)))
    status = await place.look()

    assert status.reason == "NotVouched"
    assert [missing.path for missing in status.missing] == ["README.md"]
