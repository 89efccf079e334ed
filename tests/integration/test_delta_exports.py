"""Deltas to a real sshd: what is new, and nothing when there is nothing."""

import dataclasses
import io
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rosterd import configs, errors, sftp, storage
from tests.integration import sshd, test_exporting, vendors
from tests.property import nights

T = TypeVar("T")
Records = dict[str, list[dict[str, Any]]]
NAMED = "fileName: '{mode}-{date}-{time}.zip'"
DELTA = {"more": f"mode: delta\n  {NAMED}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Server]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
async def house(server: sshd.Server, tmp_path: Path) -> AsyncIterator[test_exporting.House]:
    for path in server.folder.iterdir():
        path.unlink()
    config = test_exporting.config(server, DELTA)
    async with test_exporting.housing(server, tmp_path, config) as house:
        await house.serve(config)  # from here on it is known what is held
        await house.secret()
        yield house


def pages(number: int, records: Records, **gone: list[str]) -> nights.Pages:
    """A generation whose rows stay those of the first: as on disk, and not as vendors.Pages has it."""
    before = vendors.district()
    numbers = {
        name: [
            number if each != old or each["sourcedId"] in gone.get(name, ()) else 7
            for each, old in zip(rows, before[name], strict=True)
        ]
        for name, rows in records.items()
    }
    return nights.Pages(number, records, {name: set(ids) for name, ids in gone.items()}, numbers)


async def by_hand(house: test_exporting.House) -> storage.Run:
    house.clock.pass_by(hours=1)
    return await house.exports.run_now("math-sftp", "test")


def manifest(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        lines = bundle.read("manifest.csv").decode().split("\r\n")
    return dict(line.split(",") for line in lines if line.startswith("file."))


def statuses(content: bytes, name: str) -> dict[str, str]:
    return {row["sourcedId"]: row["status"] for row in test_exporting.rows(content, name)}


async def test_the_first_file_is_bulk_and_the_next_says_what_is_new(
    house: test_exporting.House,
) -> None:
    first = await by_hand(house)
    before = test_exporting.rows(house.server.files()[first.name], "roles.csv")
    records = vendors.district()
    records["users"][0]["givenName"] = "Newname"
    records["users"][1]["roles"][0]["role"] = "aide"
    await house.serve(pages=pages(8, records, enrollments=["k-math-s3", "k-math-s4"], users=["s4"]))
    second = await by_hand(house)
    content = house.server.files()[second.name]
    third = await by_hand(house)

    assert (first.state, first.mode, first.name) == ("delivered", "bulk", "bulk-20260907-0800.zip")
    assert (second.mode, second.name) == ("delta", "delta-20260907-0900.zip")
    modes = manifest(content)
    assert {name for name, mode in modes.items() if mode == "delta"} >= {"file.users", "file.roles"}
    assert set(modes.values()) == {"delta", "absent"}
    assert modes["file.demographics"] == "absent"
    assert statuses(content, "enrollments.csv") == {
        "k-math-s3": "tobedeleted",
        "k-math-s4": "tobedeleted",
    }
    left = [row for row in test_exporting.rows(content, "users.csv") if row["status"] != "active"]
    assert {row["sourcedId"] for row in left} == {"s3", "s4"}
    assert {(row["email"], row["grades"]) for row in left} == {("", "")}
    assert {row["username"] for row in left} == {"s3-login", "s4-login"}
    (gone, _) = left
    assert gone["dateLastModified"].endswith("Z")
    told = statuses(content, "roles.csv")
    old = {row["userSourcedId"]: row["sourcedId"] for row in before}
    assert told[old["s3"]] == told[old["s2"]] == "tobedeleted"
    assert list(told.values()).count("active") >= 1
    assert (third.state, third.mode, third.name) == ("unchanged", "delta", "")
    assert len(house.server.files()) == 2


async def test_the_next_delta_begins_where_a_crash_found_the_file(
    house: test_exporting.House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.looping():
        (run,) = await house.until("delivered")
    await test_exporting.forget_the_end(house)
    sent: list[str] = []
    deliver = sftp.deliver

    def counted(*arguments: Any, **more: Any) -> None:
        sent.append("again")
        deliver(*arguments, **more)

    monkeypatch.setattr(sftp, "deliver", counted)
    async with house.looping():
        (found,) = await house.until("delivered")
        assert (sent, found.mode) == ([], "bulk")
        records = vendors.district()
        records["users"][0]["givenName"] = "Newname"
        house.clock.pass_by(days=1)
        await house.serve(pages=pages(8, records))
        await house.until("delivered", 2)
    second = next(each for each in await house.runs() if each.slot != run.slot)

    assert second.mode == "delta"
    assert b"Newname" in test_exporting.zipped(house.server.files()[second.name])


async def test_a_delivery_whose_end_is_unknown_is_told_again_with_the_next(
    house: test_exporting.House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrived, was taken away by the vendor, and the connection broke before it was confirmed."""
    await by_hand(house)
    deliver = sftp.deliver

    def broken(*arguments: Any, **more: Any) -> None:
        deliver(*arguments, **more)
        raise errors.TemporaryError("the connection broke")

    records = vendors.district()
    records["users"][0]["roles"].append({"roleType": "secondary", "role": "aide", "org": "north"})
    await house.serve(pages=pages(8, records))
    with monkeypatch.context() as patched:
        patched.setattr(sftp, "deliver", broken)
        unknown = await by_hand(house)
    taken = test_exporting.rows(house.server.files()[unknown.name], "roles.csv")
    (aide,) = [row["sourcedId"] for row in taken if row["role"] == "aide"]
    (house.server.folder / unknown.name).unlink()
    await changed(house, 9, "Newname")  # and the role is gone again
    second = await by_hand(house)
    content = house.server.files()[second.name]

    assert (unknown.state, second.mode) == ("failed", "delta")
    assert b"Newname" in test_exporting.zipped(content)
    assert statuses(content, "roles.csv")[aide] == "tobedeleted"


async def changed(house: test_exporting.House, number: int, given: str) -> None:
    records = vendors.district()
    records["users"][0]["givenName"] = given
    await house.serve(pages=pages(number, records))


async def test_a_file_of_the_same_name_holds_everything(
    house: test_exporting.House, server: sshd.Server
) -> None:
    """It takes the place of a delta that nobody may have read."""
    more = "mode: delta\n  fileName: '{target}-{date}-{time}.zip'"
    await house.serve(test_exporting.config(server, {"more": more}))
    runs = [await by_hand(house)]
    await changed(house, 8, "One")
    runs.append(await by_hand(house))
    await changed(house, 9, "Two")
    house.clock.pass_by(seconds=1)
    runs.append(await house.exports.run_now("math-sftp", "test"))

    assert [run.mode for run in runs] == ["bulk", "delta", "bulk"]
    assert runs[1].name == runs[2].name


@pytest.mark.parametrize(
    "other",
    [
        {"template": "oneroster-1.1"},
        {"application": "everything"},
        {"more": "mode: delta\n  " + NAMED + "\ndirectory: ./other"},
    ],
    ids=["version", "application", "directory"],
)
async def test_another_place_or_form_begins_with_everything(
    house: test_exporting.House, server: sshd.Server, other: dict[str, str]
) -> None:
    (server.folder / "other").mkdir(exist_ok=True)
    await by_hand(house)
    await house.serve(test_exporting.config(server, {**DELTA, **other}))
    try:
        assert (await by_hand(house)).mode == "bulk"
        await changed(house, 8, "Newname")
        assert (await by_hand(house)).mode == "delta"
    finally:
        for path in (server.folder / "other").iterdir():
            path.unlink()
        (server.folder / "other").rmdir()


async def test_who_had_bulk_in_between_begins_anew(
    house: test_exporting.House, server: sshd.Server
) -> None:
    delta = test_exporting.config(server, DELTA)
    await by_hand(house)
    await house.serve(test_exporting.config(server, {"more": NAMED}))
    await by_hand(house)
    await house.serve(delta)
    assert (await by_hand(house)).mode == "bulk"


async def test_a_view_that_became_empty_is_no_delta(house: test_exporting.House) -> None:
    await by_hand(house)
    everybody = [each["sourcedId"] for each in vendors.district()["users"]]
    await house.serve(pages=pages(8, vendors.district(), users=everybody))
    run = await by_hand(house)
    assert (run.state, len(house.server.files())) == ("unchanged", 1)  # the change is held
    house.let_go(pages(8, vendors.district(), users=everybody))
    refused = await by_hand(house)
    assert (refused.state, len(house.server.files())) == ("refused", 1)
    assert "there is no user" in refused.problem


async def test_a_holding_that_began_later_is_no_base(
    house: test_exporting.House, server: sshd.Server
) -> None:
    """An application that was removed and came back: nobody knows what left meanwhile."""
    await by_hand(house)
    config = house.served.current.config
    assert config is not None
    await house.serve(without_math(config))
    await house.serve(test_exporting.config(server, DELTA))
    assert (await by_hand(house)).mode == "bulk"


def without_math(config: configs.Config) -> configs.Config:
    def others(found: Mapping[str, T]) -> dict[str, T]:
        return {name: each for name, each in found.items() if name != "math"}

    return dataclasses.replace(
        config,
        applications=others(config.applications),
        permissions=others(config.permissions),
        grants=others(config.grants),
        targets={},
    )


async def test_bases_are_kept_for_targets_of_deltas_only(
    house: test_exporting.House, server: sshd.Server
) -> None:
    await by_hand(house)
    assert len(await bases(house)) == 1
    await house.serve(test_exporting.config(server, {"more": NAMED}))
    async with house.looping():
        await house.passed()
    assert await bases(house) == []


async def bases(house: test_exporting.House) -> list[storage.Base]:
    return await house.state.run(lambda store: store.export_bases("math-sftp"))
