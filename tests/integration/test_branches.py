"""Branches that the console prepares: new ones, of new files, unsigned, and nothing else moves."""

from pathlib import Path

import pytest

from rosterd import errors, settings
from rosterd.git import branches, mirrors, running
from rosterd.operating import branches as desks
from tests.integration import configs_in_git, git_repositories, vendors

FILES = {
    "applications/new.yaml": configs_in_git.application("new", enabled=False),
    "permissions/new.yaml": configs_in_git.permission("new", "none"),
}


def git(folder: Path, *words: str) -> str:
    who = {
        f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return git_repositories.run("git", *words, cwd=folder, **who).strip()


@pytest.fixture
def machine(tmp_path: Path) -> settings.Settings:
    """A forge, a clone that has not seen its newest commit, and a mirror that has."""
    forge, clone = tmp_path / "forge.git", tmp_path / "clone"
    git_repositories.run("git", "init", "-q", "--bare", "-b", "main", str(forge))
    git_repositories.run("git", "clone", "-q", str(forge), str(clone))
    (clone / "rosterd.yaml").write_text(configs_in_git.REPOSITORY)
    git(clone, "add", "--all")
    git(clone, "commit", "-qm", "First")
    git(clone, "push", "-q", "origin", "HEAD:main")
    other = tmp_path / "other"
    git_repositories.run("git", "clone", "-q", str(forge), str(other))
    git(other, "commit", "-qm", "Second", "--allow-empty")
    git(other, "push", "-q", "origin", "HEAD:main")
    said = f"""
[paths]
state = "state"
[repository]
id = "test"
url = "{forge}"
[listen]
public_url = "http://127.0.0.1:8420"
[console]
clone = "clone"
"""
    made = settings.load(said, "rosterd.toml", tmp_path)
    made.paths.state.mkdir()
    git_repositories.run("git", "clone", "-q", "--bare", str(forge), str(made.mirror))
    git(made.mirror, "update-ref", mirrors.ACCEPTED, "main")
    return made


def accepted(machine: settings.Settings) -> str:
    return git(machine.mirror, "rev-parse", mirrors.ACCEPTED)


async def prepared(machine: settings.Settings, branch: str = "add-new") -> str:
    made = branches.Branches(machine)
    content = {path: text.encode() for path, text in FILES.items()}
    _, commit = await made.write(branch, accepted(machine), content, "Add new\n")
    await made.publish(branch, commit)
    return commit


async def test_a_branch_adds_its_files_to_what_is_accepted_and_moves_nothing_else(
    machine: settings.Settings, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    before = git(clone, "rev-parse", "HEAD"), git(clone, "for-each-ref")

    commit = await prepared(machine)

    assert git(clone, "rev-parse", "add-new^") == accepted(machine)
    changed = git(clone, "diff", "--name-status", "add-new^", "add-new").split()
    assert changed == ["A", "applications/new.yaml", "A", "permissions/new.yaml"]
    assert git(clone, "log", "-1", "--format=%an %ae %G?", commit) == (
        f"{branches.NAME} {branches.EMAIL} N"
    )
    assert git(clone, "status", "--porcelain") == ""
    refs = git(clone, "for-each-ref").splitlines()
    assert [each for each in refs if not each.endswith("refs/heads/add-new")] == (
        before[1].splitlines()
    )
    assert git(clone, "rev-parse", "HEAD") == before[0]
    assert git(tmp_path / "forge.git", "branch", "--list") == "* main"


async def test_a_branch_that_is_there_is_never_moved(machine: settings.Settings) -> None:
    commit = await prepared(machine)

    with pytest.raises(errors.InputError, match="has a branch of that name"):
        await prepared(machine)
    with pytest.raises(errors.TemporaryError):
        await branches.Branches(machine).publish("add-new", accepted(machine))
    assert machine.console.clone is not None
    assert git(machine.console.clone, "rev-parse", "add-new") == commit


async def test_no_other_branch_is_made(machine: settings.Settings) -> None:
    for name in ("main", "add-", "add-../main", "add-new.lock", "-f", "add-x\ny"):
        with pytest.raises(errors.InputError, match="is called"):
            await prepared(machine, name)


async def test_the_branch_that_is_followed_is_refused_whatever_it_is_called(
    machine: settings.Settings,
) -> None:
    followed = machine.repository.model_copy(update={"branch": "add-new"})
    with pytest.raises(errors.InputError, match="is called"):
        await prepared(machine.model_copy(update={"repository": followed}))


async def test_a_file_that_is_accepted_is_not_written_over(machine: settings.Settings) -> None:
    made = branches.Branches(machine)
    with pytest.raises(errors.InputError, match=r"rosterd\.yaml is there already"):
        await made.write("add-new", accepted(machine), {"rosterd.yaml": b""}, "x")


def test_what_is_no_clone_is_said(machine: settings.Settings, tmp_path: Path) -> None:
    for clone, words in (
        (None, "name no clone"),
        (tmp_path / "forge.git", "the repository that is followed"),
        (tmp_path / "state", "no clone"),
    ):
        named = machine.console.model_copy(update={"clone": clone})
        refusal = branches.Branches(machine.model_copy(update={"console": named})).refusal()
        assert words in refusal


async def test_only_a_disabled_application_and_its_permission_get_in_and_that_is_on_record(
    machine: settings.Settings, tmp_path: Path
) -> None:
    async with vendors.service(tmp_path / "service") as service:
        desk = desks.Branches(
            machine=machine, served=service.worlds, store=service.storage, clock=service.clock
        )
        world = service.worlds.current
        object.__setattr__(world, "commit", accepted(machine))
        for wrong in (
            {**FILES, "applications/new.yaml": configs_in_git.application("new")},
            {**FILES, "rosterd.yaml": configs_in_git.REPOSITORY},
            {"permissions/new.yaml": FILES["permissions/new.yaml"]},
            {**FILES, "permissions/new.yaml": "access: full\n"},
        ):
            with pytest.raises(errors.InputError, match="cannot prepare a branch"):
                await desk.prepare("new", wrong, "ada")
        made = await desk.prepare("new", FILES, "ada")
        records = await service.storage.run(lambda kept: kept.recorded())

    assert (await desk.clone())["refusal"] == ""
    assert machine.console.clone is not None
    assert git(machine.console.clone, "rev-parse", "add-new") == made["commit"]
    message = git(machine.console.clone, "log", "-1", "--format=%B", "add-new")
    assert "Nobody signed it" in message
    (entry,) = [each.read() for each in records if each.kind == "prepared"]
    assert (entry["actor"], entry["subject"], entry["commit"]) == ("ada", "new", made["commit"])


async def test_settings_of_the_clone_run_nothing(
    machine: settings.Settings, tmp_path: Path
) -> None:
    clone, trace = tmp_path / "clone", tmp_path / "ran"
    hook = clone / ".git" / "hooks" / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {trace}\n")
    hook.chmod(0o755)
    for name in ("core.fsmonitor", "gpg.ssh.program", "core.sshCommand"):
        git(clone, "config", name, f"touch {trace}")
    git(clone, "config", "commit.gpgSign", "true")
    trace.unlink(missing_ok=True)

    await prepared(machine)

    assert not trace.exists()
    assert running.hardened(tmp_path).environment["GIT_CONFIG_GLOBAL"] == "/dev/null"
