"""One daemon as the source of another, as administrators would set them up."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import demo_repository, processes

SOURCE = """\
apiVersion: rosterd/v1
kind: RosterSource
name: student-system
type: oneroster
url: {api}/ims/oneroster/rostering/v1p2
resourcesUrl: {api}/ims/oneroster/resources/v1p2
version: "1.2"
authentication: {{key: upstream-key, secret: upstream-secret, tokenUrl: "{token_url}"}}
schedule: {{every: 1h}}
pageSize: {page}
thresholds: {{users: {{added: {{count: 0, percent: 1}}}}}}
"""


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    folder = tmp_path_factory.mktemp("upstream")
    roster = processes.district(folder / "district", users=200)
    with processes.demo(folder / "demo", "--roster", roster) as running:
        yield running


def _shown(demo: processes.Demo) -> dict[str, dict[str, Any]]:
    """Every record of every collection, without what each server says of itself."""
    vendor = demo.application("everything")
    found = {}
    for name in processes.COLLECTIONS:
        base = processes.RESOURCES if name == "resources" else processes.ROSTERING
        for record in vendor.walk(f"{base}/{name}"):
            found[f"{name} {record['sourcedId']}"] = _bare(record)
    return found


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _bare(v) for k, v in value.items() if k not in ("href", "dateLastModified")}
    return [_bare(each) for each in value] if isinstance(value, list) else value


@contextlib.contextmanager
def _killed(folder: Path, *words: str | Path) -> Iterator[processes.Demo]:
    """A demo that the test ends itself."""
    process = processes.Process.start(
        folder.with_name("demo.log"),
        *("demo", "--directory", folder, "--port", "0", "--console-port", "0", *words),
    )
    try:
        process.until(lambda: processes.SERVES in process.output, "the demo serves")
        told = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
        yield processes.Demo(
            process, folder / "rosterd.toml", folder / "control.sock", folder, told
        )
    finally:
        process.kill()


def _state(status: dict[str, Any]) -> str:
    return str(status["sources"][0]["state"])


def test_an_import_from_our_own_server_gives_the_same_roster_again(
    upstream: processes.Demo, tmp_path: Path
) -> None:
    """Ten users fewer were served before, so that it is held, and let go by a listed key; the
    daemon is killed in the middle of the pull and takes it up again.
    """
    roster = processes.district(tmp_path / "district", users=190)
    pair = upstream.told["applications"]["everything"]
    with _killed(tmp_path / "demo", "--roster", roster) as demo:
        repository = demo_repository.Repository.of(demo)
        repository.write("sources/student-system.yaml", SOURCE.format(**upstream.told, page=5))
        commit = repository.commit("Read the district from its other server")
        repository.push()
        repository.approve()
        demo.until_applied(commit)
        for name in ("key", "secret"):
            done = processes.command(
                *("secret", "set", f"upstream-{name}", "--settings", demo.settings),
                given=pair[name],
            )
            assert done.status == 0, done.words
        fetched = demo.folder / "state" / "fetched" / "student-system" / "work" / "received"
        demo.process.until((fetched / "orgs.done").exists, "the pull has begun")
        demo.process.kill()
        begun = {path.name: path.stat().st_mtime_ns for path in fetched.glob("*.done")}

        with processes.serve(demo.settings, demo.socket) as again:
            again.until(lambda status: _state(status) == "held", "it is held")
            (held,) = processes.ask_socket(again.socket, "/v1/held-imports")["held"]
            ready = fetched.parents[1] / "ready" / "received"
            assert {name: (ready / name).stat().st_mtime_ns for name in begun} == begun
            wrong = again.run(
                *("roster", "release", held["revision"], "--reason", "x"),
                *("--key", demo_repository.make_key(tmp_path / "stranger")),
            )
            assert (wrong.status, "not listed" in wrong.words) == (1, True), wrong.words
            done = again.run(
                *("roster", "release", held["revision"][:12], "--reason", "the district moved"),
                *("--key", demo.told["people"]["author"]["signing_key"]),
            )
            assert done.status == 0, done.words
            again.until(lambda status: _state(status) == "current", "it is served")

            assert _shown(demo) == _shown(upstream)
            imports = again.run("roster", "imports")
            assert "imported" in imports.words
            number = str(again.imports()[0]["number"])
            taken = again.run("roster", "export-received", number, "--to", tmp_path)
            assert taken.status == 0, taken.words
            assert (tmp_path / f"import-{number}.zip").stat().st_mode & 0o777 == 0o600
            again.until(lambda _: again.imports()[0]["processed"], "it is kept as processed")
            taken = again.run("roster", "export-processed", number, "--to", tmp_path)
            assert taken.status == 0, taken.words
            processed = tmp_path / f"import-{number}-processed.zip"
            assert processed.stat().st_mode & 0o777 == 0o600
            once = again.run("roster", "import", "student-system", "--json")
            assert (once.status, json.loads(once.out)["state"]) == (0, "unchanged"), once.words
            wrong = again.run("sftp", "test", "student-system")
            assert (wrong.status, "type oneroster, not sftp" in wrong.words) == (1, True)
            assert "the district moved" in again.run("audit", "log").words
