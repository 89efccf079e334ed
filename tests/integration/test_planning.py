"""`rosterd plan` as people type it: without a roster, on one of this machine, and on a daemon's."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rosterd import cli, errors
from rosterd.web.control import standing
from tests import packages
from tests.integration import configs_in_git as texts
from tests.integration import git_repositories as repositories
from tests.integration import processes


def plan(*words: str | Path, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(cli.commands, ["plan", *map(str, words)])


@pytest.fixture(autouse=True)
def nobody_in_particular(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's own git configuration is none of the tests' business."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def site(tmp_path: Path) -> repositories.Site:
    site = repositories.Site(tmp_path / "site")
    site.commit(texts.district())
    site.push()
    site.git("fetch", "-q")
    return site


# ---------------------------------------------------------------- documents alone


def test_it_compares_commits_and_folders(site: repositories.Site) -> None:
    site.commit({"permissions/none.yaml": texts.permission("none")})
    site.write({"permissions/math.yaml": None})

    between = plan("--from", "HEAD~1", "--to", "HEAD", "-C", site.clone)
    to_folder = plan("--from", "HEAD", "-C", site.clone, "--json")

    assert "  ~ Permission none\n      access  none  →  full\n" in between.output
    (change,) = json.loads(to_folder.output)["changes"]
    assert (change["action"], change["path"], change["narrowing"]) == (
        *("removed", "permissions/math.yaml"),
        True,
    )


def test_it_starts_from_the_branch_at_origin_and_ends_at_the_working_tree(
    site: repositories.Site,
) -> None:
    site.commit({"permissions/none.yaml": texts.permission("none")})
    site.write({"permissions/math.yaml": None})

    changes = json.loads(plan("-C", site.clone, "--json").output)["changes"]

    assert {change["name"] for change in changes} == {"math", "none"}


def test_without_a_roster_it_says_how_to_get_one(site: repositories.Site) -> None:
    told = plan("-C", site.clone).output

    assert "--roster PATH" in told
    assert "--server URL" in told


def test_broken_documents_are_named_with_their_places(site: repositories.Site) -> None:
    site.commit({"permissions/none.yaml": "kind: ["})

    result = plan("--from", "HEAD~1", "--to", "HEAD", "-C", site.clone)

    assert result.exit_code == 1
    assert "permissions/none.yaml:2:1" in str(result.exception)


def test_a_clone_without_origin_says_what_to_name(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    repositories.run("git", "init", "-q", "-b", "main", str(folder))
    for path, text in texts.district().items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(str(text))

    result = plan("-C", folder)

    assert result.exit_code == 1
    assert "--from" in str(result.exception)


@pytest.mark.parametrize(
    "words",
    [
        ("--roster", "/", "--server", "https://x.example"),
        ("--settings", "x.toml", "--server", "https://x.example"),
        ("--server", "https://x.example", "--from", "HEAD"),
        ("--token-file", "token"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(words: tuple[str, ...]) -> None:
    assert plan(*words).exit_code == 2


# ---------------------------------------------------------------- a delivery on this machine


@pytest.mark.parametrize("zipped", [False, True])
def test_a_delivery_tells_who_gains_and_loses_what(
    site: repositories.Site, tmp_path: Path, zipped: bool
) -> None:
    contents = packages.contents(packages.district())
    path = (
        packages.zipped(tmp_path / "roster.zip", contents)
        if zipped
        else packages.write(tmp_path / "roster", contents)
    )
    site.write({"permissions/none.yaml": texts.permission("none")})

    told = plan("-C", site.clone, "--roster", path, "--format", "markdown").output
    values = json.loads(plan("-C", site.clone, "--roster", path, "--json").output)

    assert "**full-access** `permissions/none.yaml`" in told
    (none,) = values["exposure"]
    assert none["collections"]["orgs"]["gained"] == 3
    assert none["collections"]["users"]["gained"] == "<10"


def test_a_folder_that_is_no_delivery_is_told(site: repositories.Site, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()

    result = plan("-C", site.clone, "--roster", tmp_path / "nothing")

    assert result.exit_code == 1
    assert "no org" in str(result.exception)


# ---------------------------------------------------------------- a daemon


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Demo]:
    folder = tmp_path_factory.mktemp("demo") / "demo"
    with processes.demo(folder) as running:
        yield running


@pytest.fixture
def changed(demo: processes.Demo, tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    repositories.run("git", "clone", "-q", demo.told["repository"], str(folder))
    nothing = folder / "permissions" / "nothing.yaml"
    nothing.write_text(nothing.read_text().replace("access: none", "access: full"))
    return folder


def test_a_daemon_is_asked_through_its_socket(demo: processes.Demo, changed: Path) -> None:
    values = json.loads(plan("-C", changed, "--settings", demo.told["settings"], "--json").output)

    (nothing,) = values["exposure"]
    assert nothing["application"] == "nothing"
    assert nothing["collections"]["users"]["gained"] > 10
    assert values["commit"] == demo.status()["served"]["commit"]
    database = Path(demo.told["settings"]).parent
    found = list(database.rglob("state.db"))
    with sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True) as store:
        entries = [row[0] for row in store.execute("select entry from records")]
    assert any(b'"kind":"planned"' in bytes(entry) for entry in entries)


def test_a_daemon_elsewhere_is_asked_with_a_token(
    demo: processes.Demo, changed: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(demo.told["console_token"] + "\n")

    by_file = plan("-C", changed, "--server", demo.told["console"], "--token-file", token)
    by_variable = plan(
        *("-C", changed, "--server", demo.told["console"], "--format", "markdown"),
        ROSTERD_TOKEN=demo.told["console_token"],
    )
    refused = plan("-C", changed, "--server", demo.told["console"], ROSTERD_TOKEN="wrong")

    assert "  nothing: begins (until now: its permission says access: none)" in by_file.output
    assert by_variable.output.startswith("### ⚠ ")
    assert refused.exit_code == 1
    assert "token is needed" in str(refused.exception)


def test_a_token_is_asked_for_and_never_sent_in_the_clear(
    site: repositories.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROSTERD_TOKEN", raising=False)
    without = plan("-C", site.clone, "--server", "https://rosterd.example")
    clear = plan("-C", site.clone, "--server", "http://rosterd.example", ROSTERD_TOKEN="t")

    assert "--token-file" in str(without.exception)
    assert "in the clear" in str(clear.exception)
    assert isinstance(clear.exception, errors.InputError)


def test_documents_of_too_many_bytes_are_refused(demo: processes.Demo) -> None:
    answer = processes.ask(
        f"{demo.told['console']}/v1/plan",
        method="POST",
        headers={"Authorization": f"Bearer {demo.told['console_token']}"},
        body=b" " * (standing.PLAN_BYTES + 1),
    )

    assert answer.status == 413


def test_a_daemon_that_is_down_left_what_it_served_last(
    demo: processes.Demo, changed: Path, tmp_path: Path
) -> None:
    """Copied away: the state as a stopped daemon leaves it, under settings without a socket."""
    settings = Path(demo.told["settings"])
    left = tmp_path / "left"
    shutil.copytree(settings.parent, left, ignore=shutil.ignore_patterns("*.sock"))
    text = settings.read_text().replace(str(settings.parent), str(left))
    (left / "away.toml").write_text(text)
    before = {path: path.stat().st_mtime_ns for path in left.rglob("state.db*")}

    result = plan("-C", changed, "--settings", left / "away.toml")

    assert "Compared with what it served last." in result.output
    assert "  nothing: begins" in result.output
    assert {path: path.stat().st_mtime_ns for path in left.rglob("state.db*")} == before
