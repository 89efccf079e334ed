"""Holds over nights and commits: who is held gets the very same bytes, and nobody else notices.

Two daemons live through the same commits, imports and days. One guards tightly, the other lets
everything go that is not emptied.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rosterd import configs, documents, errors, guards, listings, plans, storage, worlds
from rosterd.oneroster import model, rendering
from rosterd.plans import guarding
from rosterd.worlds import deciding
from tests.property import nights
from tests.property import rosters_strategies as made
from tests.unit import districts

APPLICATIONS = ("one", "two", "three")
NOTHING = documents.Limit(count=0, percent=0)
EVERYTHING = documents.Limit(count=10**9, percent=100)
TIGHT = documents.Limits(gained=NOTHING, lost=NOTHING)
LOOSE = documents.Limits(gained=EVERYTHING, lost=EVERYTHING)

Grants = Mapping[str, configs.Grant]


def config_of(grants: Grants, limits: documents.Limits, **repository: Any) -> configs.Config:
    said = nights.REPOSITORY.model_copy(update={"limits": limits, **repository})
    grants = {name: _named(grant, name) for name, grant in grants.items()}
    return configs.Config(
        applications={name: grant.application for name, grant in grants.items()},
        permissions={},
        targets={},
        listings={},
        sources={"sis": nights.SOURCE},
        repository=said,
        grants=grants,
    )


def _named(grant: configs.Grant, name: str) -> configs.Grant:
    application = grant.application.model_copy(update={"name": name})
    return dataclasses.replace(grant, application=application)


def answers(world: worlds.World, application: str) -> list[bytes]:
    """Every byte that this application can get in one walk, or why it gets nothing."""
    grant = world.grant(application)
    assert grant is not None
    if (refusal := grant.refusal(world.today)) is not None:
        return [refusal.encode()]
    found = [world.revision(application).encode()]
    for version in model.VERSIONS:
        for name in model.LISTINGS:
            listing = listings.make(world.picture(application, version), name)
            rows = listing.page(0, max(1, listing.total))
            collection = model.LISTINGS[name].collection
            records = world.page(application, version, collection, rows)
            body = records.between.join(records.parts)
            found.append(body.replace(rendering.NEXT_BYTE, records.following))
    return found


class Twins:
    """The same life under two limits."""

    def __init__(self, grants: Grants, pages: nights.Pages, clock: nights.Clock) -> None:
        self.grants = grants
        self.clock = clock
        self.releases: tuple[documents.Release, ...] = ()
        self.tight, self.loose = (
            worlds.Worlds(
                worlds.World(config_of(grants, limits), "c", pages, {1: clock()}, clock().date()),
                clock,
            )
            for limits in (TIGHT, LOOSE)
        )

    async def commit(self, grants: Grants) -> None:
        self.grants = grants
        for each, limits in ((self.tight, TIGHT), (self.loose, LOOSE)):
            config = config_of(grants, limits, release=self.releases)
            await each.propose_config(config, "c", _nothing)

    async def deliver(self, pages: nights.Pages) -> None:
        for each in (self.tight, self.loose):
            await each.propose_generation(pages, _nothing)

    async def day(self) -> None:
        for each in (self.tight, self.loose):
            await each.turn_day(_nothing)


async def _nothing(old: worlds.World, new: worlds.World) -> None:
    return None


@st.composite
def lives(
    draw: st.DrawFn,
) -> tuple[nights.District, dict[str, list[configs.Grant]], Random]:
    district = draw(made.any_district())
    grants = {
        name: [made.grant_of(draw(made.any_rules(district))) for _ in range(3)]
        for name in APPLICATIONS
    }
    dice = draw(made.DICE)
    return nights.District(district.records, district.inactive, dice), grants, dice


SETTINGS = settings(
    max_examples=10, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
)


@SETTINGS
@given(lives())
def test_who_is_held_gets_the_same_bytes_and_the_others_what_they_would_get_anyway(
    case: tuple[nights.District, dict[str, list[configs.Grant]], Random],
) -> None:
    district, grants, dice = case

    async def test() -> None:
        clock = nights.Clock()
        first = {name: each[0] for name, each in grants.items()}
        twins = Twins(first, district.pages(), clock)
        await twins.commit(first)
        clock.now = nights.next_night(clock.now)
        await twins.day()
        touched: set[str] = set(twins.tight.current.holds) | set(twins.loose.current.holds)
        for _ in range(25):
            before = {name: answers(twins.tight.current, name) for name in APPLICATIONS}
            held = set(twins.tight.current.holds)
            act = dice.choice(("import", "import", "commit", "day"))
            if act == "import":
                await twins.deliver(district.night())
            elif act == "day":
                clock.now = nights.next_night(clock.now)
                await twins.day()
            else:
                name = dice.choice(APPLICATIONS)
                await twins.commit({**twins.grants, name: dice.choice(grants[name])})
            tight, loose = twins.tight.current, twins.loose.current
            touched |= set(tight.holds) | set(loose.holds)
            for name, hold in tight.holds.items():
                same = name not in held or act != "commit"
                if same and not hold.stopped:
                    assert answers(tight, name) == before[name], name
            for name in set(APPLICATIONS) - touched:
                assert answers(tight, name) == answers(loose, name), name
            nights.later(clock, dice)

    nights.run(test())


@SETTINGS
@given(made.any_district(), st.data())
def test_a_structural_narrowing_is_never_held(district: made.District, data: st.DataObject) -> None:
    rules = data.draw(made.basic_rules(district))
    old, new = made.grant_of(rules), made.grant_of(data.draw(made.narrower(rules)))
    assert old.permission is not None
    assert new.permission is not None
    pages = nights.District(district.records, district.inactive, Random(1)).pages()

    async def test() -> None:
        clock = nights.Clock()
        twins = Twins(dict.fromkeys(APPLICATIONS, old), pages, clock)
        await twins.commit({**twins.grants, "one": new})
        hold = twins.tight.current.holds.get("one")
        if plans.narrowing.narrowing(old.permission, new.permission):
            # stopped, when it would be served nothing: but never served what was just taken away
            assert hold is None or hold.stopped
        assert twins.tight.current.holds.keys() <= {"one"}

    nights.run(test())


async def narrow() -> tuple[nights.Clock, Twins, Grants]:
    """Three applications that see one school of two."""
    east = districts.grant(districts.basic(orgs=["east"]))
    grants = dict.fromkeys(APPLICATIONS, east)
    records = {name: list(each) for name, each in districts.records().items()}
    pages = nights.District(records, {}, Random(1)).pages()
    clock = nights.Clock()
    twins = Twins(grants, pages, clock)
    await twins.commit(grants)
    return clock, twins, grants


async def test_a_release_of_that_very_change_lets_it_go_and_no_other_does() -> None:
    clock, twins, grants = await narrow()
    wider = districts.grant(districts.basic())
    before = answers(twins.tight.current, "one")
    await twins.commit({**grants, "one": wider})
    held = twins.tight.current
    assert set(held.holds) == {"one"}
    assert answers(held, "one") == before
    waiting = worlds.waiting(held, "one")
    assert waiting.cause == "documents"
    right = waiting.release

    wrong: dict[str, dict[str, Any]] = {
        "another change": {"change": f"sha256:{'0' * 64}"},
        "a lower ceiling": {"gain": 0},
        "a day too late": {"until": clock.now.date().replace(year=2025)},
    }
    for update in wrong.values():
        twins.releases = (right.model_copy(update=update),)
        await twins.commit(twins.grants)
        assert set(twins.tight.current.holds) == {"one"}
        assert answers(twins.tight.current, "one") == before

    twins.releases = (right,)
    await twins.commit(twins.grants)
    assert not twins.tight.current.holds
    view = twins.tight.current.view("one")
    assert view.rows["users"] == twins.loose.current.view("one").rows["users"]
    assert answers(twins.tight.current, "one") != before


async def test_a_commit_that_takes_it_back_ends_the_hold_and_nothing_was_ever_served() -> None:
    _, twins, grants = await narrow()
    before = answers(twins.tight.current, "one")
    await twins.commit({**grants, "one": districts.grant(districts.basic())})
    assert set(twins.tight.current.holds) == {"one"}

    await twins.commit(grants)

    assert not twins.tight.current.holds
    assert answers(twins.tight.current, "one") == before


async def test_what_a_held_document_narrows_later_stops_the_application() -> None:
    _, twins, grants = await narrow()
    wider = districts.basic()
    await twins.commit({**grants, "one": districts.grant(wider)})
    less = {**wider, "fields": {"withhold": ["users.phone"]}}
    await twins.commit({**grants, "one": districts.grant(less)})

    (hold,) = twins.tight.current.holds.values()
    assert hold.stopped
    assert twins.tight.current.view("one").refusal == hold.stopped
    assert twins.tight.current.view("two").refusal is None


async def test_a_refusal_by_documents_ends_a_hold_at_once() -> None:
    _, twins, grants = await narrow()
    await twins.commit({**grants, "one": districts.grant(districts.basic())})

    await twins.commit({**grants, "one": districts.grant({"access": "none"})})

    assert not twins.tight.current.holds
    assert twins.tight.current.view("one").refusal == "its permission says access: none"


@pytest.mark.parametrize("days", [6, 7])
async def test_after_hold_days_a_held_application_is_refused(days: int) -> None:
    clock, twins, grants = await narrow()
    await twins.commit({**grants, "one": districts.grant(districts.basic())})
    for _ in range(days):
        clock.now = nights.next_night(clock.now)
        await twins.day()
    clock.now = clock.now.replace(hour=nights.START.hour, minute=30)
    await twins.day()

    world = twins.tight.current
    assert (world.view("one").refusal is None) is (days < 7)
    assert world.view("two").refusal is None


async def test_a_block_stops_one_application_and_unblocking_gives_back_what_it_had() -> None:
    clock, twins, _ = await narrow()
    block = worlds.Block("broken into", "ada", clock.now)
    other = answers(twins.tight.current, "two")
    seen = twins.tight.current.view("one")

    await twins.tight.block("one", block, _nothing)

    blocked = twins.tight.current
    assert blocked.view("one").refusal == worlds.BLOCKED
    grant = blocked.grant("one")
    assert grant is not None
    assert grant.refusal(blocked.today) == worlds.BLOCKED
    assert answers(blocked, "two") == other

    await twins.commit(twins.grants)
    assert twins.tight.current.view("one").refusal == worlds.BLOCKED, "a commit unblocks nobody"

    await twins.tight.block("one", None, _nothing)
    assert twins.tight.current.view("one").rows == seen.rows


async def test_a_held_application_can_be_blocked_and_is_held_afterwards_still() -> None:
    clock, twins, grants = await narrow()
    await twins.commit({**grants, "one": districts.grant(districts.basic())})
    rows = twins.tight.current.view("one").rows
    await twins.tight.block("one", worlds.Block("r", "ada", clock.now), _nothing)
    assert twins.tight.current.view("one").refusal == worlds.BLOCKED

    await twins.tight.block("one", None, _nothing)

    assert set(twins.tight.current.holds) == {"one"}
    assert twins.tight.current.view("one").rows == rows


async def test_a_renamed_application_keeps_what_it_holds_and_whether_it_is_held() -> None:
    _, twins, grants = await narrow()
    await twins.commit({**grants, "one": districts.grant(districts.basic())})
    before = twins.tight.current
    renamed = before.of("one").newest("one").rows
    wider = districts.grant(districts.basic())
    uno = dataclasses.replace(
        wider,
        application=wider.application.model_copy(update={"name": "uno", "previously": "one"}),
    )
    others = {name: grant for name, grant in grants.items() if name != "one"}

    await twins.commit({**others, "uno": uno})

    world = twins.tight.current
    assert set(world.holds) == {"uno"}
    assert world.holds["uno"].former == "one"
    assert world.view("uno").rows == renamed
    assert world.held["uno"] is before.held["one"]
    assert "one" not in world.held
    assert guarding.change(
        guarding.about(world.of("uno").config, "uno"), guarding.about(world.config, "uno")
    )


async def test_what_is_taken_away_beside_something_else_is_not_served_on_either() -> None:
    _, twins, grants = await narrow()
    wider = districts.basic()
    await twins.commit({**grants, "one": districts.grant(wider)})
    mixed = {**wider, "fields": {"withhold": ["users.phone"]}, "resources": True}

    await twins.commit({**grants, "one": districts.grant(mixed)})

    assert twins.tight.current.holds["one"].stopped
    assert twins.tight.current.view("two").refusal is None


async def test_people_whom_a_later_commit_leaves_out_are_not_served_on_from_a_hold() -> None:
    _, twins, grants = await narrow()
    seen = twins.tight.current.view("one").rows["users"]
    await twins.commit({**grants, "one": districts.grant(districts.basic())})
    assert set(twins.tight.current.holds) == {"one"}
    west = {**districts.basic(orgs=["west"]), "resources": True}

    await twins.commit({**grants, "one": districts.grant(west)})

    world = twins.tight.current
    lost = seen - world.newest("one").rows["users"]
    assert lost
    assert world.view("one").refusal is not None or not lost & world.view("one").rows["users"]


async def test_a_day_that_cannot_be_kept_ends_grants_all_the_same() -> None:
    clock, twins, grants = await narrow()
    ending = districts.grant({**districts.basic(orgs=["east"]), "expires": clock().date()})
    await twins.commit({**grants, "one": ending})
    before = answers(twins.tight.current, "two")
    clock.now = nights.next_night(clock.now)

    async def full(old: worlds.World, new: worlds.World) -> None:
        raise errors.TemporaryError("cannot write: the disk is full")

    for _ in range(2):
        with pytest.raises(errors.TemporaryError):
            await twins.tight.turn_day(full)
        world = twins.tight.current
        assert world.view("one").refusal == "its permission expired on 2026-03-01"
        assert answers(world, "two") == before

    assert await twins.tight.turn_day(_nothing)
    assert twins.tight.current.today == clock().date()
    assert twins.tight.current.view("one").refusal == "its permission expired on 2026-03-01"


@pytest.mark.parametrize("half", [True, False])
async def test_half_a_roster_in_the_place_of_a_lost_one_is_served_to_nobody_unasked(
    half: bool,
) -> None:
    clock, twins, grants = await narrow()
    before = twins.tight.current
    lost = worlds.Worlds(before.derived(generation=None, _views={}), clock)
    records = {name: list(each) for name, each in districts.records().items()}
    if half:
        records["enrollments"] = records["enrollments"][:1]
    pages = nights.District(records, {}, Random(1)).pages()
    pages.number = 2

    world = await lost.propose_generation(pages, _nothing)

    assert set(world.holds) == (set(APPLICATIONS) if half else set())
    assert (world.view("one").refusal is None) is not half
    if half:
        right = worlds.waiting(world, "one").release
        config = config_of(grants, TIGHT, release=(right,))
        await lost.propose_config(config, "c", _nothing)
        assert set(lost.current.holds) == {"two", "three"}
        assert lost.current.view("one").refusal is None
        assert answers(lost.current, "one")


async def test_a_lost_roster_that_is_there_again_is_compared_with_nothing(tmp_path: Path) -> None:
    _, twins, _ = await narrow()
    world = twins.tight.current
    assert world.generation is not None
    kept = (world.generation.number, world.today, nights.START)
    row = storage.Hold("one", "one", "c", *kept, deciding.LOST)
    async with storage.open_sqlite(tmp_path / "state.db") as store:
        rows = storage.Guards(world.today, (row,), ())
        await store.run(lambda state: state.keep_holdings({}, guards=rows))

        restored = await guards.restored(store, tmp_path, world)

    assert restored.holds["one"].lost == world.generation.number
    assert restored.view("one").refusal == deciding.LOST
    assert restored.view("two").refusal is None
