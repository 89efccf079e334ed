"""`rosterd check` and `rosterd schema` as people and pull requests run them."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from rosterd import cli, documents, errors

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "example-repo"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def rosterd(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.commands, [str(argument) for argument in arguments])


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=ENVIRONMENT | {"HOME": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, as a plain folder."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "config"))


@pytest.fixture
def repository(folder: Path) -> Path:
    """The same as a git repository with one commit."""
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=Begin")
    return folder


def break_permission(folder: Path) -> None:
    path = folder / "permissions" / "math-galaxy.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("subjects~", "subject~"))


WRONG = "permissions/math-galaxy.yaml:9:19"


def test_a_folder_without_problems_is_counted_and_fine(folder: Path) -> None:
    result = rosterd("check", folder)

    assert result.exit_code == 0
    assert result.output == "44 documents checked: no errors.\n"


def test_every_problem_of_a_folder_is_shown_with_its_place(folder: Path) -> None:
    break_permission(folder)
    (folder / "applications" / "nothing.yaml").unlink()

    result = rosterd("check", folder)

    *lines, blank, last = result.output.splitlines()
    assert result.exit_code == 1
    assert [line.split(maxsplit=2)[0] for line in lines] == [
        f"{WRONG}:",
        "permissions/nothing.yaml:5:14:",
    ]
    assert lines[0].endswith(
        "courses have no field subject in OneRoster 1.2; did you mean subjects?"
    )
    assert {line.index("error") for line in lines} == {36}
    assert blank == ""
    assert last == "43 documents checked: 2 errors."


def test_machines_get_the_same_as_json(folder: Path) -> None:
    break_permission(folder)

    result = rosterd("check", "--json", folder)

    said: dict[str, Any] = json.loads(result.output)
    assert result.exit_code == 1
    assert (said["documents"], said["errors"], said["warnings"]) == (44, 1, 0)
    (problem,) = said["problems"]
    assert (problem["path"], problem["line"], problem["column"]) == (
        "permissions/math-galaxy.yaml",
        9,
        19,
    )
    assert problem["code"] == "where"


def test_a_warning_is_shown_and_is_no_failure(folder: Path) -> None:
    path = folder / "sftp-targets" / "everything.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("05:15", "02:15"))

    result = rosterd("check", folder)

    assert result.exit_code == 0
    assert "warning" in result.output
    assert result.output.endswith("44 documents checked: no errors, 1 warning.\n")


def test_a_commit_is_checked_as_it_is_and_not_as_the_folder_is(repository: Path) -> None:
    break_permission(repository)
    git(repository, "commit", "--all", "--quiet", "--message=Break it")
    git(repository, "checkout", "--quiet", "main~1")

    before = rosterd("check", "main~1", "--repository", repository)
    after = rosterd("check", "main", "--repository", repository)

    assert before.exit_code == 0
    assert after.exit_code == 1
    assert WRONG in after.output


def test_a_commit_is_found_in_the_current_folder_and_in_a_bare_repository(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(bare))
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.chdir(repository)

    assert rosterd("check", commit).exit_code == 0
    assert rosterd("check").exit_code == 0
    assert rosterd("check", "main", "--repository", bare).exit_code == 0


def test_what_is_neither_a_folder_nor_a_commit_is_a_usage_error(repository: Path) -> None:
    result = rosterd("check", "no-such-branch", "--repository", repository)

    assert result.exit_code == 2
    assert "neither a folder nor a commit" in result.output


def test_no_option_of_git_can_be_smuggled_in_as_a_commit(repository: Path) -> None:
    result = rosterd("check", "--repository", repository, "--", "--output=stolen")

    assert result.exit_code == 2
    assert not (repository / "stolen").exists()


def link_file(folder: Path) -> None:
    (folder / "permissions" / "link.yaml").symlink_to(folder / "permissions" / "nothing.yaml")


def link_folder(folder: Path) -> None:
    (folder / "catalog").rename(folder.parent / "elsewhere")
    (folder / "catalog").symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("link", [link_file, link_folder])
def test_links_are_refused_because_nobody_vouches_for_what_they_lead_to(
    folder: Path, link: Callable[[Path], None]
) -> None:
    link(folder)

    result = rosterd("check", folder)

    assert result.exit_code == 1
    assert "symbolic link" in result.output


def test_a_pipe_that_is_called_like_a_document_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "permissions" / "pipe.yaml")

    checked = rosterd("check", folder)
    listed = rosterd("app", "search", "--repository", folder)

    assert checked.exit_code == 1
    assert "permissions/pipe.yaml" in checked.output
    assert "regular file" in checked.output
    assert isinstance(listed.exception, errors.InputError)


def test_an_empty_folder_is_told_what_it_lacks(tmp_path: Path) -> None:
    result = rosterd("check", tmp_path)

    assert result.exit_code == 1
    assert "cannot find rosterd.yaml" in result.output


@pytest.mark.parametrize("kind", documents.KINDS)
def test_the_schema_of_a_kind_is_shown(kind: str) -> None:
    result = rosterd("schema", kind)

    assert result.exit_code == 0
    assert result.output == (ROOT / "schemas" / documents.schema_file(kind)).read_text()


def test_all_schemas_are_written_for_a_repository(tmp_path: Path) -> None:
    result = rosterd("schema", "--directory", tmp_path / "schemas")

    written = sorted(path.name for path in (tmp_path / "schemas").iterdir())
    assert result.exit_code == 0
    assert written == sorted(documents.schema_file(kind) for kind in documents.KINDS)


@pytest.mark.parametrize("arguments", [[], ["Permission", "--directory", "x"], ["permissions"]])
def test_asking_for_schemas_wrongly_is_a_usage_error(arguments: list[str]) -> None:
    assert rosterd("schema", *arguments).exit_code == 2


def test_the_check_of_a_pull_request_uses_no_secret() -> None:
    text = (EXAMPLE / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8")

    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert "contents: read" in text
    assert 'bin/rosterd" check .' in text


def test_what_a_hostile_author_types_is_shown_and_obeyed_by_no_terminal(folder: Path) -> None:
    hostile = 'apiVersion: rosterd/v1\nkind: Permission\nname: bad\n"ac\\e[2J\\u202ecess": full\n'
    (folder / "permissions" / "bad.yaml").write_text(hostile)
    (folder / "permissions" / "b\x1b]0;x\x07d.yaml").write_text("kind: x\n")

    done = CliRunner().invoke(cli.commands, ["check", str(folder)], color=True)

    assert done.exit_code == 1
    words = click.unstyle(done.output)  # our own colours
    assert "ac\ufffd[2J\ufffdcess is no field here" in words
    assert not set(words) & set("\x1b\x07\u202e")
