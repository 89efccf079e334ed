"""What a daemon remembers of its requests has bounds: it may run for years.

The real daemon answers pages, sorts, filters, singles, relations, signed requests and what is wrong
with them, drawn anew each time but alike all the way. By a fifth of them every cache is as full as it
gets; from then on its memory must stay where it is.
"""

import contextlib
import http.client
import random
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import signing
from tests.integration import processes

ENOUGH, ALL = 20_000, 100_000
LEAK = 100
"""Bytes for each request: at ten requests a second, 30 GB a year. Less is noise in so short a time."""
NAMES = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")
SORTS = ("familyName", "givenName", "username", "dateLastModified", "sourcedId")


def resident(process: int) -> int:
    """Bytes of memory that nobody else could hold."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


class Asking:
    """Requests of one application on one connection, drawn from a seed."""

    def __init__(self, vendor: processes.Vendor, dice: random.Random) -> None:
        self._vendor = vendor
        self._dice = dice
        parts = urllib.parse.urlsplit(vendor.base)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(
            parts.hostname, parts.port, timeout=processes.PATIENCE
        )
        self._ids = [record["sourcedId"] for record in vendor.walk(f"{processes.ROSTERING}/users")]
        self._classes = [
            record["sourcedId"] for record in vendor.walk(f"{processes.ROSTERING}/classes")
        ]
        self._kinds: tuple[Callable[[], tuple[str, dict[str, str]]], ...] = (
            self._page, self._page, self._page, self._packed, self._sorted, self._filtered,
            self._single, self._related, self._wrong,
        )  # fmt: skip
        self.statuses: set[int] = set()

    def ask(self, number: int) -> None:
        if number % 100 == 0:
            path, headers = self._signed(number)
        else:
            path, headers = self._dice.choice(self._kinds)()
            headers["Authorization"] = f"Bearer {self._vendor.token}"
        self._connection.request("HEAD" if number % 50 == 1 else "GET", path, headers=headers)
        response = self._connection.getresponse()
        response.read()
        self.statuses.add(response.status)

    def _base(self) -> str:
        return self._dice.choice((processes.ROSTERING, processes.OLDER))

    def _page(self) -> tuple[str, dict[str, str]]:
        name, offset = self._dice.choice(NAMES), self._dice.randrange(3000)
        return f"{self._base()}/{name}?limit={self._dice.randint(1, 100)}&offset={offset}", {}

    def _packed(self) -> tuple[str, dict[str, str]]:
        return self._page()[0], {"Accept-Encoding": "gzip", "If-None-Match": '"what-was-held"'}

    def _sorted(self) -> tuple[str, dict[str, str]]:
        sort, order = self._dice.choice(SORTS), self._dice.choice(("asc", "desc"))
        return f"{self._base()}/users?limit=20&sort={sort}&orderBy={order}", {}

    def _filtered(self) -> tuple[str, dict[str, str]]:
        said = urllib.parse.quote(f"givenName~'{self._dice.randrange(10_000)}' OR grades='05'")
        return f"{self._base()}/users?limit=20&filter={said}&fields=sourcedId,givenName", {}

    def _single(self) -> tuple[str, dict[str, str]]:
        return f"{self._base()}/users/{urllib.parse.quote(self._dice.choice(self._ids), '')}", {}

    def _related(self) -> tuple[str, dict[str, str]]:
        of_class = urllib.parse.quote(self._dice.choice(self._classes), "")
        return f"{self._base()}/classes/{of_class}/students?limit=10", {}

    def _wrong(self) -> tuple[str, dict[str, str]]:
        nobody = self._dice.randrange(10**9)
        path = self._dice.choice(
            (f"users/nobody-{nobody}", f"users?filter=email~{nobody}", f"users?limit=-{nobody}")
        )
        return f"{self._base()}/{path}", {}

    def _signed(self, number: int) -> tuple[str, dict[str, str]]:
        path = f"{processes.OLDER}/users"
        header = signing.header(
            "GET", self._vendor.base + path, [("limit", "10")],
            key=self._vendor.key, secret=self._vendor.secret,
            timestamp=int(time.time()), nonce=f"memory-{number}",
        )  # fmt: skip
        return f"{path}?limit=10", {"Authorization": header}

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[processes.Demo]:
    with processes.demo(tmp_path / "demo") as running:
        yield running


@pytest.mark.soak
def test_memory_does_not_grow_with_requests(demo: processes.Demo) -> None:
    process = demo.process.popen.pid
    everything = demo.application("everything")
    with contextlib.closing(Asking(everything, random.Random(5))) as asking:
        for number in range(ENOUGH):
            asking.ask(number)
        before = resident(process)
        for number in range(ENOUGH, ALL):
            asking.ask(number)
        after = resident(process)

    assert asking.statuses == {200, 400, 404}
    grown = f"{before / 2**20:.1f} MiB after {ENOUGH:,}, {after / 2**20:.1f} MiB after {ALL:,}"
    assert after - before <= LEAK * (ALL - ENOUGH), grown
