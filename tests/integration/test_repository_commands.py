"""`init` and `approve` as people type them."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rosterd import cli, errors, statements
from tests.integration import configs_in_git as texts
from tests.integration import git_repositories as repositories


def rosterd(*words: str) -> Result:
    return CliRunner().invoke(cli.commands, list(words))


@pytest.fixture(autouse=True)
def nobody_in_particular(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's own git configuration is none of the tests' business."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Pat\n\temail = pat@district.example\n")


@pytest.fixture
def site(tmp_path: Path) -> repositories.Site:
    site = repositories.Site(tmp_path / "site")
    site.commit(texts.district())
    site.push()
    return site


# ---------------------------------------------------------------- init


def test_init_makes_a_repository_that_passes_the_check(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    title = 'School "A": Élan # 1'

    result = rosterd("init", str(folder), "--title", title, "--timezone", "America/Chicago")

    assert result.exit_code == 0, result.output
    head = repositories.run("git", "rev-parse", "HEAD", cwd=folder).strip()
    assert f"rosterd trust {head}" in result.output
    files: dict[str, str | bytes | None] = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.yaml")
    }
    assert texts.problems_of(files) == []
    assert title.replace('"', '\\"').encode() in (folder / "rosterd.yaml").read_bytes()
    for path in folder.rglob("*.yaml"):
        modeline = path.read_text().splitlines()[0]
        assert (path.parent / modeline.partition("$schema=")[2]).is_file(), path
    assert repositories.run("git", "status", "--porcelain", cwd=folder) == ""


def test_init_signs_the_first_commit_with_a_key(tmp_path: Path) -> None:
    person = repositories.make_person(tmp_path / "keys", "alice")

    result = rosterd("init", str(tmp_path / "config"), "--key", str(person.key))

    assert result.exit_code == 0, result.output
    raw = repositories.run("git", "cat-file", "commit", "HEAD", cwd=tmp_path / "config")
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in raw


def test_init_leaves_a_folder_with_something_in_it_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")

    result = rosterd("init", str(tmp_path))

    assert result.exit_code == 1
    assert "it is not empty" in str(result.exception)


def test_init_refuses_a_timezone_that_is_none(tmp_path: Path) -> None:
    result = rosterd("init", str(tmp_path / "config"), "--timezone", "Springfield")

    assert result.exit_code == 1
    assert isinstance(result.exception, errors.InputError)
    assert not (tmp_path / "config").exists()


# ---------------------------------------------------------------- approve


def approve(site: repositories.Site, *words: str) -> Result:
    return rosterd("approve", *words, "-C", str(site.clone))


def test_approve_shows_what_is_vouched_for_and_pushes_it(site: repositories.Site) -> None:
    bob = site.person("bob")
    site.git("checkout", "-q", "-b", "topic")
    site.commit({"a.txt": "1"})
    commit = site.commit({"b.txt": "2", "README.md": None})

    result = approve(site, "topic", "--key", str(bob.key))

    assert result.exit_code == 0, result.output
    for words in ("on the branch main of forge", "added", "removed", "README.md", "a.txt", "b.txt"):
        assert words in result.output
    refs = repositories.run("git", "for-each-ref", "--format=%(refname)", cwd=site.bare)
    assert f"refs/rosterd/commits/{commit}" in refs
    assert "refs/rosterd/statements/" in refs


def test_approve_tells_machines_the_statement(site: repositories.Site) -> None:
    bob = site.person("bob")
    commit = site.commit({"a.txt": "1"})

    result = approve(site, commit, "--key", str(bob.key), "--no-push", "--json", "--branch", "main")

    told = json.loads(result.stdout)
    assert (told["pushed"], told["statement"]["branch"]) == (False, "main")
    blob = site.git("cat-file", "blob", told["ref"])
    signed, _ = statements.opened(blob.encode())
    assert json.loads(signed) == told["statement"]


def test_approve_of_a_commit_on_the_branch_is_about_its_own_change(
    site: repositories.Site,
) -> None:
    bob = site.person("bob")
    site.commit({"a.txt": "1"})
    site.commit({"b.txt": "2"})
    site.push()

    one = approve(site, "HEAD", "--key", str(bob.key), "--no-push")
    both = approve(site, "HEAD~2..HEAD", "--key", str(bob.key), "--no-push")

    assert "a.txt" not in one.output
    assert "b.txt" in one.output
    assert "a.txt" in both.output


def test_approve_takes_the_key_from_git_or_the_agent(
    site: repositories.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = site.person("bob")
    commit = site.commit({"a.txt": "1"})
    socket = tmp_path / "agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not socket.exists():
            assert agent.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        repositories.run("ssh-add", "-q", str(bob.key), SSH_AUTH_SOCK=str(socket))
        bob.key.unlink()
        site.git("config", "user.signingkey", f"key::{bob.public}")

        result = approve(site, commit)

        assert result.exit_code == 0, f"{result.output}{result.exception}"
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize(
    "words, reason",
    [
        (["HEAD"], "cannot sign: name a key"),
        (["HEAD", "--key", "/no/such/key"], "there is no key /no/such/key"),
        (["nothing", "--key", "k"], "cannot find the commit nothing"),
        (["HEAD..HEAD", "--key", "k"], "it changes nothing"),
        (["HEAD", "--key", "k", "--branch", "next"], "cannot run git fetch"),
    ],
)
def test_approve_says_what_is_wrong(site: repositories.Site, words: list[str], reason: str) -> None:
    site.commit({"a.txt": "1"})

    result = approve(site, *words)

    assert result.exit_code == 1
    assert reason in str(result.exception)
