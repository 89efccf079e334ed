"""What leaves is recorded before it leaves, and an auditor is told of it whatever happened since."""

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import aiohttp
import pytest
from pyroaring import BitMap

from rosterd import (
    configs,
    credentials,
    disclosures,
    errors,
    generations,
    holdings,
    replays,
    rosters,
    storage,
    vault,
    worlds,
)
from rosterd.disclosures import journal
from rosterd.oneroster import model
from rosterd.web import app
from tests.integration import processes, vendors

CHEST = vault.Vault([bytes(32)])
USERS = "/ims/oneroster/rostering/v1p2/users"
MATH = {"math": vendors.Vendor(vendors.MATH), "everything": vendors.Vendor()}


class Pages(vendors.Pages):
    """A generation of which some rows are there no more."""

    def __init__(
        self,
        records: Mapping[str, Sequence[vendors.Record]],
        number: int,
        gone: Mapping[str, Collection[str]] = {},
    ) -> None:
        super().__init__(records, number)
        self.roster = rosters.from_records(records, gone)


@dataclass
class House:
    """A daemon's worlds, with what watches over them."""

    folder: Path
    store: storage.Storage
    served: worlds.Worlds
    watch: disclosures.Watch
    leaving: disclosures.Disclosures
    named: disclosures.Pseudonyms
    clock: vendors.Clock

    async def record(self, old: worlds.World, new: worlds.World) -> None:
        async with disclosures.noticed(self.watch, old, new) as seen:
            writes = holdings.writes(old.held, new.held)
            await self.store.run(lambda kept: kept.keep_holdings(writes, seen=seen))

    async def config(self, config: configs.Config, commit: str) -> None:
        await self.served.propose_config(config, commit * 40, self.record)
        self.clock.pass_by(days=1)

    async def roster(self, pages: vendors.Pages) -> None:
        await self.served.propose_generation(pages, self.record)
        self.clock.pass_by(days=1)

    def leave(self, application: str, collection: str, *ids: str, **more: Any) -> None:
        world = self.served.current
        assert world.generation is not None
        rows = [world.generation.roster.row(collection, each) for each in ids]
        found = [row for row in rows if row is not None]
        picked = more.get("picked")
        self.leaving.page(world, application, "1.2", collection, found, picked=picked)

    async def student(self, sourced_id: str, **more: Any) -> dict[str, Any]:
        path, folder = self.folder / "state.db", self.folder / "disclosures"
        asking = disclosures.Inquiries(self.store, path, folder, self.named, clock=self.clock)
        return await asking.student(sourced_id, "test", **more)

    async def view(self, application: str) -> dict[str, Any]:
        path, folder = self.folder / "state.db", self.folder / "disclosures"
        asking = disclosures.Inquiries(self.store, path, folder, self.named, clock=self.clock)
        return await asking.view(application, self.clock.now)


@contextlib.asynccontextmanager
async def house(folder: Path, clock: vendors.Clock | None = None) -> AsyncIterator[House]:
    """What `building` makes of it; entered again, it goes on with what is in the folder."""
    clock = clock or vendors.Clock()
    async with storage.open_sqlite(folder / "state.db") as store:
        held = holdings.restored(await store.run(lambda kept: kept.holdings()))
        served = worlds.Worlds(worlds.World(held=held), clock)
        named = await store.run(lambda kept: disclosures.prepare(kept, CHEST))
        watch = disclosures.Watch(named, clock)
        await watch.load(store, held)
        leaving = disclosures.Disclosures(
            folder / "disclosures", served, store, lambda: watch.line, clock.seconds
        )
        try:
            yield House(folder, store, served, watch, leaving, named, clock)
        finally:
            leaving.close()


def _spans(answer: Mapping[str, Any], application: str, records: str) -> list[dict[str, Any]]:
    return [
        span
        for each in answer["applications"]
        if each["application"] == application
        for span in each["could_see"]
        if span["records"] == records
    ]


def _received(answer: Mapping[str, Any], application: str) -> list[dict[str, Any]]:
    return [
        entry
        for each in answer["applications"]
        if each["application"] == application
        for entry in each["did_receive"]
    ]


# ------------------------------------------------------------ could see


async def test_a_person_is_told_of_by_spans_under_the_commits_that_decided(tmp_path: Path) -> None:
    district = vendors.district()
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(district, 1))
        await it.config(vendors.config({**MATH, "math": vendors.Vendor("access: none")}), "b")
        await it.config(vendors.config({**MATH, "math": vendors.Vendor()}), "c")
        answer = await it.student("s1")

    first, second = _spans(answer, "math", "users")
    assert [first["from"][:10], first["to"][:10]] == ["2026-10-06", "2026-10-07"]
    assert [first["commits"], second["commits"]] == [["a" * 40], ["c" * 40]]
    assert second["to"] is None
    assert "phone" not in first["fields"]["1.2"]["sent"]
    assert first["fields"]["1.2"]["masked"] == {"familyName": "initial"}
    assert "phone" in second["fields"]["1.2"]["sent"]
    assert _spans(answer, "math", "enrollments")
    assert [span["to"] for span in _spans(answer, "everything", "users")] == [None]


async def test_field_rules_that_change_cut_a_span(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.roster(Pages(vendors.district(), 1))
        await it.config(vendors.config(MATH), "a")
        rules = vendors.MATH.replace("users.phone", "users.email")
        await it.config(vendors.config({"math": vendors.Vendor(rules)}), "b")
        told = _spans(await it.student("s1"), "math", "users")

    assert [span["commits"] for span in told] == [["a" * 40], ["b" * 40]]
    assert told[0]["to"] == told[1]["from"]
    assert "email" in told[0]["fields"]["1.2"]["sent"]
    assert "email" not in told[1]["fields"]["1.2"]["sent"]


async def test_a_record_that_is_purged_is_still_answered_for(tmp_path: Path) -> None:
    district = vendors.district()
    clock = vendors.Clock()
    async with house(tmp_path, clock) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(district, 1))
        it.leave("math", "users", "s1", "s2")
        await it.roster(Pages(district, 2, {"users": ["s1"]}))
        await it.leaving.keep(0)
    # the folder of generations is lost: another one is built from nothing, in which rows are others
    left = {
        name: [each for each in rows if "s1" not in str(each)] for name, rows in district.items()
    }
    left = {name: list(reversed(rows)) for name, rows in left.items()}
    async with house(tmp_path, clock) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(left, 3))
        it.leave("math", "users", "s2")
        gone, stays = await it.student("s1"), await it.student("s2")
        line = it.watch.line

    assert line == 2
    (span,) = _spans(gone, "math", "users")
    assert span["to"] is not None
    (entry,) = _received(gone, "math")
    assert (entry["records"], entry["by"], entry["rosters"]) == ("users", "rest", 1)
    assert entry["commits"] == ["a" * 40]
    assert [span["to"] for span in _spans(stays, "math", "users")][-1] is None
    assert sum(each["rosters"] for each in _received(stays, "math")) == 2


async def test_an_enrollment_is_told_of_its_own_student_only(tmp_path: Path) -> None:
    district = vendors.district()
    moved = [dict(each) for each in district["enrollments"]]
    row = next(each for each in moved if each["user"] == "s1")
    row["user"] = "s2"
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages({**district, "enrollments": moved}, 1))
        it.leave("everything", "enrollments", row["sourcedId"])
        await it.roster(Pages(district, 2))  # now it is that of s1
        await it.leaving.keep(0)
        it.leave("math", "enrollments", row["sourcedId"])
        first, second = await it.student("s1"), await it.student("s2")

    entries = {name: _received(first, name) for name in ("math", "everything")}
    assert [len(entries["math"]), len(entries["everything"])] == [1, 0]
    entries = {name: _received(second, name) for name in ("math", "everything")}
    assert [len(entries["math"]), len(entries["everything"])] == [0, 1]


async def test_nobody_knows_a_person_whom_nobody_could_see(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.config(vendors.config({"none": vendors.Vendor("access: none")}), "a")
        await it.roster(Pages(vendors.district(), 1))
        with pytest.raises(errors.InputError, match="no application could ever see such a person"):
            await it.student("s1")
        asked = await it.store.run(lambda kept: kept.last_record("inquiry"))

    assert asked is not None
    assert b"s1" not in asked.entry.replace(asked.head.encode(), b"")
    assert asked.read()["subject"].startswith("person:")


async def test_a_view_is_told_with_its_counts_and_refusals(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(vendors.district(), 1))
        world = it.served.current
        told = await it.view("math")
        await it.config(vendors.config({**MATH, "math": vendors.Vendor("access: none")}), "b")
        refused = await it.view("math")
        with pytest.raises(errors.InputError, match="cannot tell what nobody could see"):
            await it.view("nobody")

    assert told["records"] == {name: len(rows) for name, rows in world.view("math").rows.items()}
    assert (told["commit"], told["generation"], told["refusal"]) == ("a" * 40, 1, None)
    assert told["levels"]["orgs"][0] == "LIMITED ACCESS"
    assert (refused["refusal"], refused["commit"]) == ("its permission says access: none", "b" * 40)
    assert refused["records"] == dict.fromkeys(model.COLLECTIONS, 0)


async def test_who_asks_for_the_moment_at_which_something_began_gets_it(tmp_path: Path) -> None:
    """Moments are told as exactly as they are kept: a second cut off would tell what was before."""
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(vendors.district(), 1))
        it.clock.pass_by(days=1, milliseconds=400)
        await it.config(vendors.config({**MATH, "math": vendors.Vendor("access: none")}), "b")
        told = await it.view("math")
        it.clock.now = datetime.fromisoformat(told["since"])
        again = await it.view("math")

    assert again["commit"] == told["commit"] == "b" * 40


async def test_an_application_that_is_held_is_told_under_the_commit_it_is_served_from(
    tmp_path: Path,
) -> None:
    wider = vendors.config({**MATH, "math": vendors.Vendor()})
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(vendors.district(), 1))
        old = it.served.current
        hold = worlds.Hold(kept=old.alone("math"), since=it.clock.now, former="math")
        new = old.derived(
            config=wider,
            commit="b" * 40,
            generation=Pages(vendors.district(), 2),
            holds={"math": hold},
            _views={},
        )
        await it.record(old, new)
        it.clock.pass_by(days=1)
        for name in MATH:
            it.leaving.page(new, name, "1.2", "users", [2], picked=None)
        sourced_id = vendors.district()["users"][2]["sourcedId"]
        answer, view = await it.student(sourced_id), await it.view("math")

    (held,), (free,) = _received(answer, "math"), _received(answer, "everything")
    assert (held["commits"], free["commits"]) == (["a" * 40], ["b" * 40])
    assert "phone" not in held["fields"]["sent"]
    (span,) = _spans(answer, "math", "users")
    assert span["commits"] == ["a" * 40]
    assert (view["commit"], view["generation"]) == ("a" * 40, 1)
    assert _spans(answer, "everything", "users")[-1]["commits"] == ["a" * 40, "b" * 40]


async def test_an_answer_is_of_the_time_that_was_asked_for(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(vendors.district(), 1))
        it.leave("math", "users", "s1")
        await it.config(vendors.config({**MATH, "math": vendors.Vendor("access: none")}), "b")
        ended = it.clock.now
        it.clock.pass_by(days=5)
        await it.leaving.keep(0)
        before = await it.student("s1", until=ended)
        after = await it.student("s1", since=ended)

    names = [each["application"] for each in before["applications"]]
    assert names == ["everything", "math"]
    assert _received(before, "math")
    assert [each["application"] for each in after["applications"]] == ["everything"]


async def test_a_restart_tells_nothing_twice(tmp_path: Path) -> None:
    clock, district = vendors.Clock(), vendors.district()
    async with house(tmp_path, clock) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(district, 1))
        before = len(await it.store.run(lambda kept: kept.sights()))
    async with house(tmp_path, clock) as it:
        world = worlds.World(
            vendors.config(MATH), "a" * 40, Pages(district, 1), held=it.served.current.held
        )
        async with disclosures.noticed(it.watch, world, world) as seen:
            assert seen == ()
        assert len(await it.store.run(lambda kept: kept.sights())) == before


# ------------------------------------------------------------ did receive


@contextlib.asynccontextmanager
async def listening(it: House, config: configs.Config) -> AsyncIterator[vendors.Service]:
    """The vendors' listener over a house, recording what leaves."""
    known = credentials.Credentials(it.store, CHEST, it.clock.seconds)
    await known.load()
    await known.ensure(config)
    served = app.vendors(
        it.served,
        known,
        vendors.settings_of(),
        answered=replays.Replays(clock=it.clock.seconds),
        leave=it.leaving.page,
        clock=it.clock.seconds,
    )
    async with vendors.listening(served) as address, aiohttp.ClientSession(address) as client:
        yield vendors.Service(it.served, known, it.store, it.clock, client, [])


async def test_pages_singles_and_relations_are_received_and_nothing_else_is(tmp_path: Path) -> None:
    config = vendors.config(MATH)
    async with house(tmp_path) as it:
        await it.config(config, "a")
        await it.roster(Pages(vendors.district(), 1))
        async with listening(it, config) as vendor:
            token = await vendor.token("math")
            _, headers, _ = await vendor.ask(f"{USERS}/s3", token, "HEAD")
            again = {"If-None-Match": headers["ETag"]}
            status, _, _ = await vendor.ask(f"{USERS}/s3", token, headers=again)
            assert status == 304
            missing, _, _ = await vendor.ask(f"{USERS}/s7", token)  # of no mathematics
            assert missing == 404
            assert journal.read(tmp_path / "disclosures") == {}

            await vendor.ask(f"{USERS}/s1?fields=sourcedId,givenName", token)
            await vendor.ask(f"{USERS}?limit=2", token)
            await vendor.ask(f"{USERS}?limit=2", token)
        answer = await it.student("s1")
        found = journal.read(tmp_path / "disclosures")

    picked, whole = _received(answer, "math")
    if "email" in picked["fields"]["sent"]:
        picked, whole = whole, picked
    assert picked["fields"]["sent"] == ["sourcedId", "givenName"]
    assert whole["fields"]["masked"] == {"familyName": "initial"}
    assert "phone" not in whole["fields"]["sent"]
    assert sorted(len(each.rows) for each in found.values()) == [1, 2]


async def test_a_tombstone_is_received_as_one(tmp_path: Path) -> None:
    district = vendors.district()
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(district, 1))
        await it.roster(Pages(district, 2, {"users": ["s1"]}))
        it.leave("everything", "users", "s1", "s2")
        answer = await it.student("s1")

    (entry,) = _received(answer, "everything")
    assert entry["fields"]["departed"] is True
    assert "email" not in entry["fields"]["sent"]


async def test_what_cannot_be_recorded_does_not_leave(tmp_path: Path) -> None:
    config = vendors.config(MATH)
    async with house(tmp_path) as it:
        await it.config(config, "a")
        await it.roster(Pages(vendors.district(), 1))
        async with listening(it, config) as vendor:
            token = await vendor.token("math")
            it.leaving.close()
            status, headers, body = await vendor.ask(f"{USERS}/s1", token)

    assert (status, headers["Retry-After"]) == (503, "5")
    assert b"s1" not in body


async def test_a_delivery_is_on_the_disk_before_it_leaves(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(vendors.district(), 1))
        world = it.served.current
        rows = world.view("math").rows
        await it.leaving.bundle(
            world, "math", target="sftp", version="1.1", rows=rows, gone={"users": BitMap()}
        )
        answer = await it.student("s2")

    (entry,) = [each for each in _received(answer, "math") if each["records"] == "users"]
    assert (entry["by"], entry["version"]) == ("csv sftp", "1.1")


async def test_what_is_kept_leaves_the_journal_and_stays_in_the_answer(tmp_path: Path) -> None:
    async with house(tmp_path) as it:
        await it.config(vendors.config(MATH), "a")
        await it.roster(Pages(vendors.district(), 1))
        it.leave("math", "users", "s1", "s2")
        walked = it.served.current
        before = await it.student("s1")
        assert await it.leaving.keep(0) == 0  # it is what is served now
        await it.roster(Pages(vendors.district(), 2))
        assert await it.leaving.keep() == 1
        assert journal.read(tmp_path / "disclosures") == {}
        after = await it.student("s1")
        assert walked.generation is not None
        row = walked.generation.roster.row("users", "s4")
        it.leaving.page(walked, "math", "1.2", "users", [row or 0], picked=None)  # ends a walk
        assert await it.leaving.keep() == 0  # the walk may go on
        it.clock.pass_by(hours=1)
        assert await it.leaving.keep() == 1
        assert journal.read(tmp_path / "disclosures") == {}
        late = await it.student("s4")

    assert _received(before, "math") == _received(after, "math") != []
    assert _received(late, "math") != []


# ------------------------------------------------------------ kill -9

_MEMBERS = (
    "username",
    "givenName",
    "familyName",
    "email",
    "grades",
    "roles",
    "identifier",
    "userIds",
)
ROUNDS = [10, pytest.param(200, marks=pytest.mark.soak)]


class Client(Thread):
    """Pulls pages, and remembers every person in a page that arrived whole."""

    def __init__(self, vendor: processes.Vendor, fields: str, dice: Random, many: int) -> None:
        super().__init__()
        self._vendor, self._fields, self._dice, self._many = vendor, fields, dice, many
        self.arrived: set[str] = set()
        self.enough = Event()

    def run(self) -> None:
        pages = 0
        with contextlib.suppress(OSError, ValueError, EOFError):
            while True:
                offset = self._dice.randrange(60)
                answer = self._vendor.get(
                    f"{processes.ROSTERING}/users?limit=3&offset={offset}&fields={self._fields}"
                )
                if answer.status == 200:
                    self.arrived |= {each["sourcedId"] for each in answer.json()["users"]}
                    pages += 1
                if pages >= self._many:
                    self.enough.set()
        self.enough.set()


@pytest.mark.parametrize("rounds", ROUNDS)
def test_every_page_that_arrived_is_on_record_after_kill_9(rounds: int, tmp_path: Path) -> None:
    dice = Random(11)
    made = processes.demo_once(
        tmp_path / "demo", "--roster", processes.district(tmp_path / "roster", users=60)
    )
    assert made.status == 0, made.words
    folder = tmp_path / "demo"
    told = json.loads((folder / "demo.json").read_text())
    pair = told["applications"]["everything"]
    arrived: dict[str, set[str]] = {}
    for number in range(rounds):
        chosen = [name for bit, name in enumerate(_MEMBERS) if number + 1 >> bit & 1]
        fields = ",".join(["sourcedId", *chosen])  # new in each round, so that there is to write
        _holds(folder, arrived)  # while nobody puts its files together
        with processes.serve(folder / "rosterd.toml", folder / "control.sock") as daemon:
            vendor = processes.Vendor(told["api"], pair["key"], pair["secret"])
            assert vendor.sign_in().status == 200
            client = Client(vendor, fields, dice, dice.randint(1, 30))
            client.start()
            assert client.enough.wait(processes.PATIENCE)
            daemon.process.kill()
            client.join()
        arrived[fields] = client.arrived
        assert client.arrived
    _holds(folder, arrived)
    person = min(next(iter(arrived.values())))
    asked = processes.command(
        "audit", "student", "-", "--json", "--settings", folder / "rosterd.toml", given=person
    )
    assert asked.status == 0, asked.words
    received = _received(json.loads(asked.out), "everything")
    told_of = {",".join(sorted(each["fields"]["sent"])) for each in received}
    for fields, persons in arrived.items():
        if person in persons:
            assert ",".join(sorted(fields.split(","))) in told_of


def _holds(folder: Path, arrived: Mapping[str, set[str]]) -> None:
    """Everything that arrived is in the record."""
    (path,) = (folder / "state" / "generations").glob("generation-*")
    roster = generations.open_generation(path).roster
    recorded: dict[frozenset[str], set[str]] = {}
    for key, outflow in journal.read(folder / "state" / "disclosures").items():
        if (key.application, key.collection, key.form) == ("everything", "users", "rest"):
            sent = frozenset(json.loads(key.fields)["sent"])
            ids = {roster.sourced_id("users", row) for row in outflow.rows}
            recorded.setdefault(sent, set()).update(ids)
    for fields, persons in arrived.items():
        assert persons <= recorded.get(frozenset(fields.split(",")), set())
