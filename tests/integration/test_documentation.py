"""What docs/ tells vendors, held against what vendors meet: tables, codes, and the programs there."""

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rosterd import settings
from rosterd.web import problems, tokens
from rosterd.web.oneroster import parameters, routes
from tests.integration import vendors

DOCS = Path(__file__).resolve().parents[2] / "docs"
VENDORS = (DOCS / "vendors.md").read_text()
ONEROSTER = (DOCS / "oneroster.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", VENDORS, re.MULTILINE | re.DOTALL)


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table."""
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


# ---------------------------------------------------------------- tables


def test_the_tables_of_endpoints_are_the_table_of_routes() -> None:
    told = {
        (version, cells[0].strip("`"), cells[1].strip("`"))
        for cells in rows(ONEROSTER)
        if cells[0].startswith("`/")
        for version, word in zip(("1.1", "1.2"), cells[2:4], strict=True)
        if word == "yes"
    }

    assert told == {
        (
            route.version,
            re.sub(r"\{\w+\}", "{id}", route.path),
            route.listing.single if route.single else route.listing.key,
        )
        for route in routes.ROUTES
    }


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_the_numbers_of_operations_are_those_that_are_told(version: str) -> None:
    beyond = {"getUsersForClass", "getUsersForSchool"}
    counts = [
        sum(
            (route.version, route.service) == (version, service) and route.operation not in beyond
            for route in routes.ROUTES
        )
        for service in ("rostering", "resources")
    ]
    column = {"1.1": 1, "1.2": 2}[version]
    told = {cells[0]: cells[column] for cells in rows(ONEROSTER) if len(cells) > column}

    for name, count in zip(("Rostering, REST", "Resources, REST"), counts, strict=True):
        assert re.search(rf"\b{count} ", told[name])


def test_every_base_path_is_named() -> None:
    for text in (VENDORS, ONEROSTER):
        assert all(f"`{base}`" in text for base in routes.BASES.values())


def test_every_error_code_is_in_the_table_of_errors() -> None:
    told = {tuple(cells[1:3]) for cells in rows(VENDORS) if cells[0].isdigit()}
    older = {code for row in told for code in re.findall(r"`([^`]+)`", row[0])}
    newer = {code for row in told for code in re.findall(r"`([^`]+)`", row[1])}
    codes = problems.minor_codes
    warnings = {"invalid_selection_field", "invalid_sort_field"}

    assert older | warnings == {code for _, code in problems._CODES.values()}
    assert newer == {code for name in ("rostering", "resources") for code in codes(name)}
    assert all(f"`{code}`" in VENDORS for code in warnings)


def test_the_limits_are_those_that_are_told() -> None:
    for number in (
        parameters.MAXIMUM_LIMIT,
        parameters.LONGEST_QUERY,
        tokens.FAILURES_PER_MINUTE,
        settings.Listen.model_fields["requests_per_minute"].default,
    ):
        assert re.search(rf"(?<![\d,]){number:,}(?![\d,])", VENDORS), number
    assert f"default {parameters.DEFAULT_LIMIT}," in VENDORS


# ---------------------------------------------------------------- the programs


class Proxy:
    """A port of loopback in front of one that is known later; it hands on every byte."""

    def __init__(self) -> None:
        self.port = 0
        self.target = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, ahead = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self._pump(reader, ahead), self._pump(behind, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def proxied() -> AsyncIterator[Proxy]:
    made = Proxy()
    server = await asyncio.start_server(made.connected, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


async def printed(tmp_path: Path, program: str) -> list[str]:
    """What a program of the page prints when it is the application `everything`."""
    async with proxied() as proxy:
        public = f"http://127.0.0.1:{proxy.port}"
        listen = vendors.settings_of(public_url=public)
        async with vendors.service(tmp_path, listen=listen) as service:
            service.clock.now = datetime.now(UTC)
            address = service.client._base_url
            assert address is not None
            assert address.port is not None
            proxy.target = address.port
            pair = await service.pair("everything")
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                program,
                env={
                    **os.environ,
                    "ROSTER_URL": public,
                    "ROSTER_KEY": pair.key,
                    "ROSTER_SECRET": pair.secret,
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
            assert process.returncode == 0, err.decode()
            return out.decode().splitlines()


async def test_the_program_with_a_token_prints_what_it_counts(tmp_path: Path) -> None:
    district = vendors.district()

    lines = await printed(tmp_path, PROGRAMS[0].replace("limit=1000", "limit=3"))

    assert lines == [
        f"{name} {len(district[name])}" for name in ("orgs", "classes", "users", "enrollments")
    ]


async def test_the_program_that_signs_is_answered(tmp_path: Path) -> None:
    students = [user for user in vendors.district()["users"] if "student" in str(user["roles"])]

    assert len(PROGRAMS) == 2
    assert await printed(tmp_path, PROGRAMS[1]) == [f"students {len(students)} 5"]
