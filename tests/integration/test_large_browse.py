"""A hundred thousand records in the console: every page is one page's work, wherever it lies."""

import contextlib
import re
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rosterd import storage, worlds
from rosterd.generations import building, mapped, reading
from rosterd.operating import looking
from rosterd.web import console, desk, operators
from tests import packages
from tests.integration import operators_desk, test_console, test_control, vendors

NUMBER, EVERY, PAGE = 100_000, 100, 50
ACTIVE = [f"r{row:06}" for row in range(NUMBER) if row % EVERY]
GONE = [f"r{row:06}" for row in range(0, NUMBER, EVERY)]
NOW = datetime(2026, 10, 5, 12, tzinfo=UTC)


def _resource(name: str, **more: str) -> dict[str, str]:
    return {
        "sourcedId": name,
        "vendorResourceId": f"v-{name}",
        "title": f"Book {int(name[1:])}",
        **more,
    }


def _built(folder: Path, number: int, former: str | None, delivery: Path) -> str:
    request = building.Request(
        number=number, folder=str(folder / "generations"), former=former, source="sis",
        sources=("sis",), delivery=str(delivery), limit=2**34,
    )  # fmt: skip
    event = building.build(request, lambda _: None)
    assert event["event"] == "built", event
    return str(event["name"])


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> reading.Generation:
    """All of them, of which one in a hundred has left since."""
    folder = tmp_path_factory.mktemp("large")
    tables = {"resources": [_resource(f"r{row:06}") for row in range(NUMBER)]}
    first = _built(folder, 1, None, packages.write(folder / "first", packages.contents(tables)))
    left = packages.delta({"resources": [_resource(name, status="tobedeleted") for name in GONE]})
    second = _built(
        folder, 2, first, packages.write(folder / "second", packages.contents(left, mode="delta"))
    )
    return reading.open_generation(folder / "generations" / second)


class Desk(operators_desk.Desk):
    """The daemon's own way to look at records."""

    def __init__(self, looks: looking.Looking) -> None:
        super().__init__()
        self.looks = looks

    async def browse(self, collection: str, who: str, **more: Any) -> desk.Page:
        return await self.looks.browse(collection, who, **more)


class Browser:
    """Somebody at the console who presses its buttons."""

    def __init__(self, session: aiohttp.ClientSession, word: str) -> None:
        self.session, self.word = session, word
        self.text = ""

    async def ask(self, **form: str) -> list[str]:
        """The ids on the page that comes."""
        sent = {"word": self.word, **form}
        async with self.session.post("/roster/resources", data=sent) as response:
            self.text = await response.text()
            assert response.status == 200, self.text
        return re.findall(r"<td><code>(r\d{6})</code></td>", self.text)

    def button(self, label: str) -> str | None:
        """The offset that a button asks for; None when it cannot be pressed."""
        found = re.search(rf'name="offset" value="(\d+)"([^>]*)>{label}<', self.text)
        assert found is not None
        return None if "disabled" in found[2] else found[1]


@pytest.fixture
async def browser(generation: reading.Generation, tmp_path: Path) -> AsyncIterator[Browser]:
    world = worlds.World(
        config=None, commit=None, generation=generation,
        published={generation.number: NOW}, today=NOW.date(),
    )  # fmt: skip
    served = worlds.Worlds(world, lambda: NOW)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(storage.open_sqlite(tmp_path / "state.db"))
        nothing: Any = None  # plans are not asked for here
        looks = looking.Looking(served=served, store=store, previews=nothing, clock=lambda: NOW)
        people = operators.Operators(test_control.write_tokens(tmp_path / "tokens"))
        page = console.Console(Desk(looks), people).application()
        address = await stack.enter_async_context(vendors.listening(page))
        jar = aiohttp.CookieJar(unsafe=True)
        session = await stack.enter_async_context(aiohttp.ClientSession(address, cookie_jar=jar))
        yield Browser(session, await test_console.signed_in(session, test_control.VIEWER))


async def test_buttons_lead_through_a_large_collection_and_stop_at_its_ends(
    browser: Browser,
) -> None:
    assert await browser.ask() == ACTIVE[:PAGE]
    assert (browser.button("Previous"), browser.button("Next")) == (None, "50")
    assert await browser.ask(offset="50") == ACTIVE[50:100]
    assert (browser.button("Previous"), browser.button("Next")) == ("0", "100")
    offset = len(ACTIVE) - 3 * PAGE
    met = []
    while True:
        met += await browser.ask(offset=str(offset))
        following = browser.button("Next")
        if following is None:
            break
        offset = int(following)
    assert met == ACTIVE[-3 * PAGE :]


async def test_who_is_behind_the_end_is_shown_the_last_page(browser: Browser) -> None:
    """An import took records away while somebody looked, or somebody wrote a number."""
    for offset in (len(ACTIVE), 10**8, 999_999_999):
        assert await browser.ask(offset=str(offset)) == ACTIVE[-PAGE:]
        assert browser.button("Next") is None


async def test_status_and_words_narrow_it(browser: Browser) -> None:
    assert await browser.ask(status="departed") == GONE[:PAGE]
    assert await browser.ask(status="departed", offset="950") == GONE[950:]
    # those that are active first: the page where one ends and the other begins
    both = await browser.ask(status="all", offset=str(len(ACTIVE) - 20))
    assert both == ACTIVE[-20:] + GONE[:30]
    assert await browser.ask(search="BOOK 9999") == [each for each in ACTIVE if "9999" in each]
    assert await browser.ask(search="book 9999", status="departed") == []
    assert await browser.ask(search="r0999", status="departed") == ["r099900"]
    assert await browser.ask(search="nobody has this") == []


async def test_a_page_reads_its_own_records_and_no_others_wherever_it_lies(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    loaded: Callable[[mapped.Table, int], Any] = mapped.Table.loaded

    def counted(table: mapped.Table, row: int) -> Any:
        read.append(row)
        return loaded(table, row)

    monkeypatch.setattr(mapped.Table, "loaded", counted)
    await browser.ask(search="book 7")  # what is remembered is made before memory is counted
    for form in (
        {}, {"offset": "49950"}, {"offset": "98950"}, {"status": "departed"},
        {"status": "all", "offset": "99950"}, {"search": "book 7", "offset": "10000"},
    ):  # fmt: skip
        read.clear()
        tracemalloc.start()
        found = await browser.ask(**form)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(found) == PAGE, form
        assert len(read) <= PAGE, form
        assert peak < 4 * 2**20, form
        assert len(browser.text) < 100_000, form
