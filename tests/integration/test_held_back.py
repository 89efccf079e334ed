"""What was held back, replayed or signed for something else: an approval counts for what it was made.

Beside it what a reviewer cannot see at all: a lost store, a forge that is gone, lists that are not
there.
"""

import dataclasses
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rosterd import statements
from rosterd.git import clones
from tests.integration import besieged
from tests.integration import configs_in_git as texts
from tests.integration.besieged import (
    NONE,
    Besieged,
    Files,
    said,
)
from tests.integration.test_reconciling import MATH, WIDER


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Besieged]:
    async with besieged.standing(tmp_path) as place:
        yield place


async def test_an_approval_that_was_held_back_does_not_outlive_the_revert(place: Besieged) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    await place.approve(commit, place.bob)
    held, ref = place.site.git("ls-remote", "origin", "refs/rosterd/statements/*").split()
    place.site.git("push", "-q", "origin", f":{ref}")
    assert (await place.look()).reason == "NotVouched"
    await place.approve(commit, place.bob)
    assert (await place.look()).reason == "Applied"
    revert = await place.revert()

    place.push_ref(held, ref)
    again = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", revert)
    assert "made and undone since it was signed" in status.ignored[0]
    await place.approve(again, place.bob)
    assert (await place.look()).accepted == again, "a new approval counts as ever"


async def test_a_signed_commit_that_was_held_back_does_not_outlive_the_revert(
    place: Besieged,
) -> None:
    place.site.git("checkout", "-q", "-b", "topic")
    held = place.site.commit(WIDER, by=place.bob, message="held back")
    place.site.git("checkout", "-q", "main")
    revert = await place.undone()

    place.push_ref(held, f"refs/rosterd/commits/{held}")
    place.site.commit(WIDER, by=place.alice)
    place.site.push()
    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", revert), status.proven
    assert status.missing[0].people == (place.alice.email,)


async def test_a_commit_that_was_held_back_is_no_better_when_it_is_merged(place: Besieged) -> None:
    place.site.git("checkout", "-q", "-b", "topic")
    place.site.commit(WIDER, by=place.bob, message="held back")
    place.site.git("checkout", "-q", "main")
    revert = await place.undone()

    place.site.git("merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "topic", by=place.alice)
    place.site.commit(WIDER, by=place.alice)
    place.site.push()
    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", revert), status.proven


async def test_an_approval_in_advance_of_a_later_step_counts_when_that_step_comes(
    place: Besieged,
) -> None:
    """Two requests that touch one file, both approved; the first is merged and applied before."""
    first = place.site.commit(WIDER, by=place.alice)
    second = place.site.commit({MATH: texts.permission("math")}, by=place.alice)
    await place.approve(f"{place.first}..{first}", place.bob)
    await place.approve(f"{first}..{second}", place.bob)
    place.site.git("push", "-q", "origin", f"{first}:refs/heads/main")
    assert (await place.look()).accepted == first

    place.site.push()

    assert (await place.look()).accepted == second


async def test_a_statement_from_the_time_to_come_counts_nothing(place: Besieged) -> None:
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    place.time = datetime.now(UTC) - timedelta(minutes=6)
    await place.approve(commit, place.bob)

    status = await place.look()

    assert status.reason == "NotVouched"
    assert "which is still to come" in status.ignored[0]
    place.time = None
    assert (await place.look()).accepted == commit


async def test_a_lost_store_brings_no_approval_back(place: Besieged) -> None:
    revert = await place.undone()
    for store in place.stores:
        await store.close()
    place.stores = []
    for path in place.folder.glob("state/state.db*"):
        path.unlink()
    place.pin.unlink()
    await place.again()

    status = await place.look()
    assert (status.reason, place.served.current.config) == ("NotPinned", None), "no first-use trust"

    place.pin.write_text(f"{revert}\n")
    assert (await place.look()).accepted == revert
    place.site.commit(WIDER, by=place.alice)
    place.site.push()
    status = await place.look()
    assert (status.reason, status.accepted) == ("NotVouched", revert)


async def test_a_forge_that_is_gone_is_told_by_the_time_of_the_last_look(place: Besieged) -> None:
    seen = place.loop.status.fetched
    place.site.bare.rename(place.folder / "gone.git")

    status = await place.look()

    assert (status.reason, status.fetched, status.accepted) == ("Temporary", seen, place.first)
    (place.folder / "gone.git").rename(place.site.bare)
    assert (await place.look()).fetched != seen


async def test_an_octopus_merge_brings_what_was_approved_and_nothing_else(place: Besieged) -> None:
    none = "permissions/none.yaml"
    wider = said("[east]", "[east, west]", NONE)
    tips = []
    for name, files in (("one", WIDER), ("two", {none: wider})):
        place.site.git("checkout", "-q", "-b", name, place.first)
        tips.append(place.site.commit(files, by=place.alice))
        await place.approve(name, place.bob)
    place.site.git("checkout", "-q", "main")
    place.site.git("merge", "-q", "--no-ff", "--no-edit", *tips, by=place.alice)
    merge = place.site.head()
    assert len(place.site.git("log", "-1", "--format=%P").split()) == 3
    smuggled = place.site.git(
        *("-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-m", "octopus"),
        *(word for parent in (place.first, *tips) for word in ("-p", parent)),
        place.tree_with({"permissions/off.yaml": texts.permission("off", "full") + "# more\n", none: wider, MATH: WIDER[MATH]}),
    )  # fmt: skip
    place.site.git("push", "-q", "origin", f"{smuggled}:refs/heads/main")
    status = await place.look()
    assert [missing.path for missing in status.missing] == ["permissions/off.yaml"]

    place.site.git("push", "-q", "-f", "origin", f"{merge}:refs/heads/main")
    status = await place.look()
    assert (status.reason, status.accepted) == ("Applied", merge), status.message


async def test_a_bots_key_for_commits_approves_nothing(place: Besieged) -> None:
    bot = place.site.person("bot", listed=False)
    place.site.allow(bot, 'namespaces="git"')
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()

    await place.approve(commit, bot)
    status = await place.look()

    assert (status.reason, status.missing[0].people) == ("NotVouched", (place.alice.email,))
    assert "its key is not listed" in status.ignored[0]


async def test_a_commit_changes_nothing_about_who_has_to_agree(place: Besieged) -> None:
    mallory = place.site.person("mallory", listed=False)
    policy: Files = {
        ".github/CODEOWNERS": "* @mallory\n",
        "CODEOWNERS": "* @mallory\n",
        "allowed_signers": f"mallory@district.example {mallory.public}\n",
        "revoked_keys": "",
        "rosterd.toml": "[review]\npeople = 0\n",
        MATH: texts.permission("math", "full"),
    }

    ended = await place.attacked(policy, by=mallory)

    assert {missing.path for missing in ended.missing} == policy.keys()
    assert {(missing.needed, missing.have) for missing in ended.missing} == {(2, 0)}


async def test_contents_of_another_sha256_than_was_signed_count_nothing(place: Besieged) -> None:
    """As if somebody had found two contents of one object id."""
    commit = place.site.commit(WIDER, by=place.alice)
    place.site.push()
    clone = clones.Clone(place.site.clone)
    change = await clone.change(f"{place.first}..{commit}", None)
    now = datetime.now(UTC)
    for member in ("old_sha256", "new_sha256"):
        other = tuple(
            dataclasses.replace(each, **{member: "0" * 64}) for each in change.transitions
        )
        claim = statements.Claim("forge", "main", other, now, now + timedelta(days=1), member)
        signed = statements.payload(claim)
        blob = statements.sealed(signed, await clone.sign(signed, str(place.bob.key)))
        ref, _ = await clone.keep(blob, commit)
        place.site.git("push", "-q", "origin", f"{ref}:{ref}")

    status = await place.look()

    assert (status.reason, status.missing[0].people) == ("NotVouched", (place.alice.email,))


async def test_lists_of_keys_that_are_not_there_are_told_before_anything_waits(
    place: Besieged, caplog: pytest.LogCaptureFixture
) -> None:
    place.site.revoked.unlink()
    loop = await place.again()
    with caplog.at_level(logging.WARNING):
        await place.look()

    assert str(place.site.revoked) in loop.keyless
    assert "nobody's key counts" in caplog.text
    place.site.revoked.write_text("")
    place.site.allowed.rename(place.folder / "elsewhere")
    await place.look()
    assert str(place.site.allowed) in loop.keyless
    (place.folder / "elsewhere").rename(place.site.allowed)
    await place.look()
    assert loop.keyless == ""
