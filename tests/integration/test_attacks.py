"""Whoever may push, and holds one person's key at most: nothing more is shared, and nothing stops.

Each attack is made with real git on a real repository. Two things are asked of every one of them:
what is served stays what two people vouched for, and the loop goes on judging what comes after.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rosterd import reconciling
from rosterd.git import chunks
from tests.integration import besieged
from tests.integration import configs_in_git as texts
from tests.integration import git_repositories as repositories
from tests.integration.besieged import (
    BASIC,
    DISTRICT,
    NONE,
    REPOSITORY,
    SOURCE,
    TARGET,
    Besieged,
    Files,
    said,
)
from tests.integration.test_reconciling import MATH, WIDER


def picks(old: str, new: str) -> dict[str, str | bytes | None]:
    return {MATH: said(old, new)}


HIDDEN = "# a comment{}guardians: true\n"
"""A field that an editor shows as the end of a comment."""

ALONE: Mapping[str, Files] = {
    "an org under another id": picks("[east, west]", "[east, north]"),
    "no list of orgs any more": picks("ids: [east, west], ", ""),
    "all courses": picks("{where: \"title~'math' AND courseCode!='M1'\"}", "all"),
    "a clause less": picks(" AND courseCode!='M1'", ""),
    "another clause beside": picks(" AND courseCode", " OR courseCode"),
    "a value with another meaning": picks("title~'math'", "title~'m'"),
    "classes no more narrowed": picks("classes: {ids: [one, two], current: true}\n", ""),
    "classes of all times": picks("[one, two], current: true", "[one, two]"),
    "classes without any part": picks("{ids: [one, two], current: true}", "{current: false}")
    | {"permissions/off.yaml": texts.basic("off", "title~'a'") + "classes: {current: false}\n"}
    | {"applications/off.yaml": texts.application("off")},
    "people of all roles": picks("roles: [student, teacher], ", ""),
    "people of all times": picks("grades='05'\", current: true", "grades='05'\""),
    "named roles in place of staff": picks("unenrolledUsers: true", "unenrolledUsers: {roles: [student]}"),
    "demographics of everybody": picks("demographics: {roles: [student]}", "demographics: true"),
    "guardians": picks("demographics", "guardians: true\ndemographics"),
    "resources": picks("demographics", "resources: true\ndemographics"),
    "a field given back": picks("withhold: [users.phone], ", ""),
    "another field withheld instead": picks("[users.phone]", "[users.email]"),
    "a mask taken off": picks(", mask: {users.familyName: initial}", ""),
    "another mask": picks("initial", "constant"),
    "a hidden field": picks("mask:", "share: [users.metadata.bus], mask:"),
    "a later end": picks("2099-06-30", "2099-07-01"),
    "no end": picks("expires: 2099-06-30\n", ""),
    "another application's permission": {
        MATH: None,
        "permissions/none.yaml": texts.permission("none", "full").replace(
            "application: none", "application: math"
        ),
    },
    "the permission under another name": {
        MATH: None,
        "permissions/maths.yaml": said("name: math\n", "name: maths\n", texts.permission("math")),
    },
    "a full permission": {MATH: texts.permission("math", "full")},
    "the way back from none": {"permissions/none.yaml": said("access: none", "access: basic", NONE)},
    "idle picks under none": {"permissions/none.yaml": said("[east]", "all", NONE)},
    "idle fields under none": {
        "permissions/none.yaml": said("withhold: [users.phone]", "share: [users.password]", NONE)
    },
    "none with more to come back": {
        MATH: said("access: basic", "access: none", said("withhold: [users.phone], ", ""))
    },
    "an application switched on": {"applications/off.yaml": texts.application("off")},
    "an agreement that lasts": {"applications/math.yaml": texts.application("math")},
    "nobody excluded": {"rosterd.yaml": texts.REPOSITORY},
    "others excluded": {"rosterd.yaml": said("'Witness'", "'Nobody'", REPOSITORY)},
    "another day begins": {"rosterd.yaml": said("timezone: UTC", "timezone: Asia/Tokyo", REPOSITORY)},
    "another folder": {"sources/student-system.yaml": said("/srv/student-system", "/srv/other", SOURCE)},
    "no source": {"sources/student-system.yaml": None},
    "another host": {"sftp-targets/math.yaml": said("sftp.math.example", "sftp.evil.example", TARGET)},
    "another folder there": {"sftp-targets/math.yaml": said("/in", "/public", TARGET)},
    "a listing whose profiles are sent": {
        "catalog/math.yaml": texts.HEAD
        + "kind: Listing\nname: math\ntitle: Math\ncompany: Math\nvendorId: other\n"
    },
}  # fmt: skip
"""Changes that only one person vouches for, of which each could give somebody something."""

UNREADABLE: Mapping[str, Files] = {
    "no rosterd.yaml": {"rosterd.yaml": None},
    "a second permission": {"permissions/z.yaml": said("name: math\n", "name: z\n")},
    "a key twice": {MATH: BASIC + "access: full\n"},
    "a key twice in other words": {MATH: BASIC + '"\\x61ccess": full\n'},
    "an anchor": {MATH: said("access: basic", "access: &a basic")},
    "a tag": {MATH: said("access: basic", "access: !!str basic")},
    "a merge key": {MATH: BASIC + "<<: {guardians: true}\n"},
    "a second document": {MATH: BASIC + "---\naccess: full\n"},
    "a directive": {MATH: "%YAML 1.1\n---\n" + BASIC},
    "a NUL": {MATH: BASIC + "\0guardians: true\n"},
    "UTF-16": {MATH: BASIC.encode("utf-16")},
    "a name that looks alike": {"permissions/м.yaml": said("name: math\n", "name: м\n")},
    "an application that looks alike": picks("application: math", "application: mаth"),  # noqa: RUF001
    "a file in a folder below": {"permissions/more/math.yaml": texts.permission("math")},
    "a file with another ending": {"permissions/math.yml": texts.permission("math")},
    "a file in capitals": {"permissions/OFF.YAML": texts.permission("math")},
    "a file at the top": {"math.yaml": texts.permission("math")},
    "a kind in another's folder": {"applications/p.yaml": texts.permission("math")},
    "a path that differs in case": {"Permissions/x.txt": "x"},
    "a path that is too long": {"/".join(["deep"] * 201) + "/x": "x"},
    **{
        f"a line that ends at U+{ord(mark):04X}": {MATH: (BASIC + HIDDEN.format(mark)).encode()}
        for mark in "\r\x85\u2028\u2029"
    },
    "a line in another order": {MATH: BASIC + "# \u202eeurt :snaidraug\n"},
}


def statement(*, signature: str = "x", **said: Any) -> bytes:
    """What stands in a statement's blob, with a payload of these members over good ones."""
    payload = {
        "v": 2,
        "repository": "forge",
        "branch": "main",
        "made": "2026-01-01T00:00:00.000000Z",
        "notAfter": "2099-01-01T00:00:00Z",
        "nonce": "x",
        "transitions": [
            {"path": MATH, "old": None, "new": "a" * 40, "old_sha256": None, "new_sha256": "a" * 64}
        ],
    } | said
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return json.dumps({"payload": text, "signature": signature}).encode()


HALF = "\ud800"
MALFORMED: Mapping[str, bytes] = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "no payload": b'{"payload": NaN, "signature": 1}',
    "a long number": b'{"payload": ' + b"9" * 5000 + b"}",
    "half a character for a branch": statement(branch=HALF),
    "half a character for a path": statement(transitions=[{"path": HALF, "old": None, "new": "a" * 40, "old_sha256": None, "new_sha256": "a" * 64}]),
    "half a character for a signature": statement(signature=HALF),
    "no object for a transition": statement(transitions=[1]),
    "a version of another kind": statement(v=[]),
    "the former version": statement(v=1),
    "a date without a day": statement(made="2026-01"),
    "a date to come": statement(made="2098-01-01T00:00:00.000000Z"),
    "an early date": statement(notAfter="0001-01-01T00:00:00Z"),
    "a cut signature": statement(signature="-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ////8=\n-----END SSH SIGNATURE-----"),
    "an empty signature": statement(signature="-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----"),
}  # fmt: skip


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Besieged]:
    async with besieged.standing(tmp_path) as place:
        yield place


async def test_one_person_gives_nobody_anything_in_whichever_words(place: Besieged) -> None:
    ended = {name: await place.attacked(files) for name, files in ALONE.items()}

    assert {
        name: (status.reason, status.problems)
        for name, status in ended.items()
        if status.reason != "NotVouched" or status.accepted != place.first
    } == {}
    await place.goes_on()


async def test_what_could_be_read_in_two_ways_is_not_read(place: Besieged) -> None:
    ended = {name: await place.attacked(files) for name, files in UNREADABLE.items()}

    assert {
        name: status.reason for name, status in ended.items() if status.reason != "Invalid"
    } == {}
    assert place.loop.status.accepted == place.first
    await place.goes_on()


async def test_words_in_a_commit_are_nobodys_signature(place: Besieged) -> None:
    trailers = (
        "Share\n\nReviewed-by: bob <bob@district.example>\nSigned-off-by: bob\nApproved: yes\n"
    )
    wider: Files = {MATH: texts.permission("math", "full")}

    ended = [
        await place.attacked(wider, message=trailers),
        await place.attacked(wider, signed=False, by=place.bob),
        await place.attacked(wider, GIT_AUTHOR_DATE="2001-01-01T00:00:00Z", GIT_COMMITTER_DATE="2001-01-01T00:00:00Z"),
    ]  # fmt: skip

    assert [status.reason for status in ended] == ["NotVouched"] * 3
    assert all("bob" not in status.missing[0].people for status in ended)


async def test_whoever_merges_the_branch_into_her_work_vouches_for_nothing_that_waits_there(
    place: Besieged,
) -> None:
    place.site.git("checkout", "-q", "-b", "work")
    place.site.commit({"README.md": "# Bob's\n"}, by=place.bob)
    place.site.git("checkout", "-q", "main")
    place.site.commit(WIDER, by=place.alice)
    place.site.push()
    assert (await place.look()).reason == "NotVouched"
    place.site.git("checkout", "-q", "work")
    sign = repositories.signing(place.bob)
    place.site.git(*sign, "merge", "-q", "--no-edit", "--no-ff", "-S", "main", by=place.bob)
    place.push_ref(merge := place.site.head(), f"refs/rosterd/commits/{merge}")

    status = await place.look()

    assert (status.reason, status.accepted) == ("NotVouched", place.first), status.proven


async def test_what_somebody_decided_in_a_merge_is_her_word(place: Besieged) -> None:
    place.site.git("checkout", "-q", "-b", "work")
    place.site.commit({"README.md": "# Bob's\n"}, by=place.bob)
    place.site.git("checkout", "-q", "main")
    place.site.commit({"README.md": "# Alice's\n"}, by=place.alice)
    place.site.git("merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "work", by=place.bob)
    place.site.commit({"README.md": "# Both\n"}, by=place.bob)
    place.site.push()

    status = await place.look()

    assert status.missing[0].have == 1, "alice vouches for the way to the merge, bob for its own"


async def test_a_commit_signed_for_another_repository_counts_nothing(place: Besieged) -> None:
    lab = repositories.Site(place.folder / "lab")
    lab.commit({**DISTRICT, "README.md": "# To try things\n"}, by=place.bob)
    tried = lab.commit(WIDER, by=place.bob)
    place.site.git("fetch", "-q", str(lab.clone), "main")
    place.push_ref(tried, f"refs/rosterd/commits/{tried}")
    place.site.commit(WIDER, by=place.alice)
    place.site.push()

    assert (await place.look()).reason == "NotVouched"

    merge = ("merge", "-q", "--no-ff", "--no-edit", "--allow-unrelated-histories", "-s", "ours")
    place.site.git(*merge, tried, by=place.alice)
    place.site.push()

    assert (await place.look()).reason == "NotVouched"


async def test_malformed_statements_are_passed_over(place: Besieged) -> None:
    for content in MALFORMED.values():
        place.push_ref(
            place.write_blob(content), f"refs/rosterd/statements/{sha256(content).hexdigest()}"
        )
    place.site.commit(WIDER, by=place.alice)
    place.site.push()

    status = await place.look()

    assert status.reason == "NotVouched", status.message
    assert len(status.ignored) == len(MALFORMED)
    place.site.git("reset", "-q", "--hard", place.first)
    await place.goes_on()


async def test_statements_beyond_what_a_program_may_answer_are_read_in_parts(
    place: Besieged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "_CHUNK_BYTES", 3_000)
    monkeypatch.setattr(chunks, "_OBJECT_BYTES", 2_000)
    for number in range(9):
        place.push_ref(
            place.write_blob(b"%d" % number * 1_000), f"refs/rosterd/statements/{number}"
        )
    place.push_ref(place.write_blob(b"x" * 2_500), "refs/rosterd/statements/x")

    await place.goes_on()


async def test_refs_in_each_others_way_or_of_another_kind_do_not_stop_the_loop(
    place: Besieged,
) -> None:
    blob, tree = place.write_blob(b"x"), place.site.git("rev-parse", "HEAD^{tree}")
    place.site.git("tag", "-a", "-m", "x", "odd", blob, by=place.alice)
    for ref in ("statements", "commits"):
        place.push_ref(blob, f"refs/rosterd/{ref}/a")
        place.push_ref(tree, f"refs/rosterd/{ref}/tree")
        place.push_ref("refs/tags/odd", f"refs/rosterd/{ref}/tag")
        place.push_ref(blob, f"refs/rosterd/{ref}/HEAD")
        place.push_ref(blob, f"refs/rosterd/{ref}/é")
    await place.look()
    for ref in ("statements", "commits"):
        place.site.git("push", "-q", "origin", f":refs/rosterd/{ref}/a")
        place.push_ref(blob, f"refs/rosterd/{ref}/a/b")

    await place.goes_on()


async def test_odd_trees_are_refused_without_holding_up_anybody(place: Besieged) -> None:
    line = b"M 100644 inline %s\ndata 1\nx\n"
    folders = b"abcdefgh/" * 1_900
    deep = b"".join(line % (folders + b"%d" % number) for number in range(100))
    attacks = {
        "deep": [deep],
        "many": [b"".join(line % (b"f%d/x%d" % (n % 100, n)) for n in range(30_000))],
        "no UTF-8": [line % b"permissions/\xff.yaml"],
        "a line break": [line % b'"permissions/a\\n:x.yaml"'],
        "deep and gone": [deep, b"D abcdefgh\n" + line % b"x"],
        "no UTF-8 and gone": [line % b"x\xff", b"D x\xff\n" + line % b"x"],
    }
    ended: dict[str, str] = {}
    held_up: dict[str, float] = {}
    for name, changes in attacks.items():
        place.import_commits(*changes)
        status, worst = await _watched(place.look)
        ended[name] = status.reason
        held_up[name] = worst
        place.site.git("update-ref", "refs/heads/main", place.first)
        place.site.push("--force")

    assert ended == {name: "NotVouched" if name.endswith("gone") else "Invalid" for name in attacks}
    assert {name: worst for name, worst in held_up.items() if worst > 1.0} == {}
    await place.goes_on()


async def _watched(look: Callable[[], Any]) -> tuple[reconciling.Status, float]:
    """What the pass says, and the longest time for which nothing else could run."""
    worst = 0.0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal worst
        while not done.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            worst = max(worst, time.perf_counter() - before)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    status = await look()
    done.set()
    await watching
    return status, worst
