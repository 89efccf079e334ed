"""One demo for all tests of the browser: its roster and one of its documents are hostile."""

from collections.abc import Iterator
from hashlib import sha256

import pytest

from tests.browser import browsing, hostile
from tests.integration import demo_repository, processes

TITLE = '"><img src=x onerror=alert(9)> & Galaxy'


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    folder = tmp_path_factory.mktemp("console")
    roster = hostile.district(folder / "district")
    with processes.demo(folder / "demo", "--roster", roster) as running:
        tokens = running.folder / "operators"
        digest = sha256(browsing.VIEWER.encode()).hexdigest()
        tokens.write_text(f"{tokens.read_text()}\nvera viewer {digest}\n")
        repository = demo_repository.Repository.of(running)
        path = "applications/math-galaxy.yaml"
        repository.replace(path, "title: Math Galaxy", f"title: '{TITLE}'")
        repository.replace("permissions/nothing.yaml", "access: none", "access: full")
        commit = repository.commit("Call it by another name")
        repository.push()
        repository.approve()
        running.until_applied(commit)
        vendor = running.application("everything")
        assert vendor.walk(f"{processes.ROSTERING}/orgs")
        yield running
