"""Walks: what ends them, and how much they may hold."""

import dataclasses
from datetime import date

from pyroaring import FrozenBitMap

from rosterd import listings, worlds
from rosterd.web.oneroster import walks


class Clock:
    """Seconds that pass when told."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def listing(*rows: int) -> listings.Listing:
    return listings.Listing("users", FrozenBitMap(rows))


def world(day: int = 1) -> worlds.World:
    """A world without any application: every grant in it is the same as in any other."""
    return worlds.World(today=date(2026, 1, day))


def test_a_walk_goes_on_until_a_quarter_of_an_hour_after_its_last_page() -> None:
    clock, here, rows = Clock(), world(), listing(1, 2)
    held = walks.Walks(clock)
    held.begin("app", "users", here, rows)
    for _ in range(3):
        clock.now += walks.PAUSE
        walk = held.following("app", "users")
        assert walk is not None
        assert (walk.world, walk.listing) == (here, rows)

    clock.now += walks.PAUSE + 1

    assert held.following("app", "users") is None
    assert len(held) == 0


def test_no_walk_lasts_longer_than_a_day() -> None:
    clock = Clock()
    held = walks.Walks(clock)
    held.begin("app", "users", world(), listing(1))
    pages = 0
    while held.following("app", "users") is not None:
        clock.now += walks.PAUSE - 1
        pages += 1

    assert walks.LONGEST / walks.PAUSE <= pages <= walks.LONGEST / (walks.PAUSE - 1) + 1


def test_what_nobody_goes_on_with_is_let_go() -> None:
    clock = Clock()
    held = walks.Walks(clock)
    held.begin("app", "users", world(), listing(1))
    clock.now += walks.PAUSE
    held.begin("app", "orgs", world(), listing(1))
    clock.now += 1

    held.tidy()

    assert len(held) == 1
    assert held.following("app", "orgs") is not None


def test_beginning_anew_replaces_the_walk() -> None:
    held = walks.Walks(Clock())
    first, second = listing(1), listing(2)
    held.begin("app", "users", world(), first)
    held.begin("app", "users", world(), second)
    held.begin("other", "users", world(), first)

    walk = held.following("app", "users")

    assert walk is not None
    assert walk.listing is second
    assert len(held) == 2
    held.end("app", "users")
    held.end("app", "never")
    assert held.following("app", "users") is None
    assert held.following("other", "users") is not None


def test_one_application_cannot_push_out_the_walks_of_another() -> None:
    held = walks.Walks(Clock())
    held.begin("quiet", "users", world(), listing(1))
    for number in range(walks.EACH + 5):
        held.begin("busy", number, world(), listing(1))
        assert held.following("busy", 0) is not None or number > walks.EACH

    assert len(held) == walks.EACH + 1
    assert held.following("quiet", "users") is not None
    assert held.following("busy", 0) is not None  # it went on all the time
    assert held.following("busy", 1) is None


def test_there_is_an_end_to_all_walks_together() -> None:
    held = walks.Walks(Clock())
    for number in range(walks.ALL + 10):
        held.begin(f"app-{number}", "users", world(), listing(1))

    assert len(held) == walks.ALL
    assert held.following("app-9", "users") is None
    assert held.following("app-10", "users") is not None


def test_few_worlds_are_held_however_many_land() -> None:
    held = walks.Walks(Clock())
    for day in range(1, walks.WORLDS + 4):
        begun = world(day)
        held.begin("app", day, begun, listing(1))
        held.begin("app", -day, begun, listing(1))
        held.turn(world(28))

    assert len(held) == 2 * walks.WORLDS
    assert held.following("app", 3) is None
    assert held.following("app", 4) is not None
    assert held.following("app", -4) is not None


def test_equal_grants_let_a_walk_go_on_and_other_ones_end_it() -> None:
    @dataclasses.dataclass(frozen=True, eq=False)
    class Granting(worlds.World):
        granted: str = ""

        def grant(self, application: str) -> object:  # type: ignore[override] # compared only
            return f"{self.granted} {application}" if application == "app" else None

    held = walks.Walks(Clock())
    old = Granting(granted="all")
    for name in ("app", "other"):
        held.begin(name, "users", old, listing(1))

    held.turn(Granting(granted="all"))
    assert len(held) == 2
    held.turn(Granting(granted="less"))
    assert held.following("app", "users") is None
    assert held.following("other", "users") is not None
