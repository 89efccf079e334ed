"""CSV as other exporters write it, through the whole daemon: what is delivered is what is served.

`rosterd demo --once` reads the roster, delivers and ends; a second start of the same folder, without
it, serves what the first one delivered.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from rosterd import samples
from rosterd.samples import variants
from tests import packages
from tests.integration import comparing, processes

_HERE = [
    ("classic", "1.2", "folder"),
    ("spreadsheet", "1.1", "zip"),
    ("database", "1.2", "zip"),
    ("bare", "1.1", "folder"),
]
_MORE = [
    each
    for style in variants.STYLES
    for version in ("1.1", "1.2")
    for packaging in ("folder", "zip")
    if (each := (style, version, packaging)) not in _HERE
]
USERS = 60
ENROLLMENTS = 3


def written(folder: Path, style: str, version: str, packaging: str) -> Path:
    """A small district in the style of an exporter."""
    folder.mkdir()
    variants.write_variant(
        style,
        lambda name: (folder / name).open("wb"),
        USERS,
        version=version,
        enrollments_per_user=ENROLLMENTS,
    )
    if packaging == "folder":
        return folder
    contents = {file.name: file.read_bytes() for file in folder.iterdir()}
    return packages.zipped(folder.with_suffix(".zip"), contents)


@pytest.mark.parametrize(
    "style, version, packaging",
    [*_HERE, *(pytest.param(*each, marks=pytest.mark.soak) for each in _MORE)],
)
def test_what_is_delivered_is_what_is_served(
    tmp_path: Path,
    plain: Callable[[str], comparing.Records],
    style: str,
    version: str,
    packaging: str,
) -> None:
    roster = written(tmp_path / "exported", style, version, packaging)

    once = processes.demo_once(tmp_path / "demo", "--roster", roster)
    assert once.status == 0, once.words
    (package,) = (tmp_path / "demo" / "deliveries").glob("*.zip")
    delivered = comparing.delivered(package)
    with processes.demo(tmp_path / "demo") as demo:
        served = comparing.served(demo.application("everything").everything())
        imports = demo.imports()

    assert comparing.differences(delivered, served) == []
    lost = (
        []
        if not variants.STYLES[style].dangling
        else [
            # an org may have no parent: it is kept without; what needs what is not there is dropped
            f"orgs {each}: only in the one"
            for each in served["orgs"]
            if each.startswith("lost-")
        ]
    )
    assert bool(lost) == variants.STYLES[style].dangling
    assert bool(imports[-1]["errors"]) == variants.STYLES[style].dangling
    assert comparing.differences(served, plain(version)) == lost


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], comparing.Records]:
    """What is delivered of the same district when it comes as the standard would have it."""

    @functools.cache
    def delivered(version: str) -> comparing.Records:
        folder = tmp_path_factory.mktemp("plain")
        roster = folder / "exported"
        roster.mkdir()
        samples.write_district(
            lambda name: (roster / name).open("wb"),
            USERS,
            version=version,
            enrollments_per_user=ENROLLMENTS,
        )
        once = processes.demo_once(folder / "demo", "--roster", roster)
        assert once.status == 0, once.words
        (package,) = (folder / "demo" / "deliveries").glob("*.zip")
        return comparing.delivered(package)

    return delivered
