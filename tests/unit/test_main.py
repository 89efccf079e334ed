"""The command line as a program: streams that are gone, full disks, and help that is whole."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rosterd import cli, errors
from rosterd.cli import approving, asking, wording


def _run(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "rosterd", *words],
        stderr=subprocess.PIPE, text=True, check=False, **more,
    )  # fmt: skip


@pytest.mark.parametrize("target, status", [(">&-", 0), ("> /dev/full", 1)])
def test_output_that_goes_nowhere_is_no_fault_of_the_program(target: str, status: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m rosterd schema Permission {target}"],
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_has_seen_enough_is_no_fault_of_the_program() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m rosterd schema Permission | head -n 1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    done = _run("schema", "--directory", str(in_the_way / "schemas"))

    assert done.returncode == 1
    assert done.stderr.startswith("rosterd: cannot go on with ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("variable, value", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    words = ["check", str(tmp_path)]
    assert "\x1b[" in CliRunner().invoke(cli.commands, words, color=True).output
    monkeypatch.setenv(variable, value)

    assert "\x1b[" not in CliRunner().invoke(cli.commands, words, color=True).output


@pytest.mark.parametrize("group", ["app", "roster", "export", "sftp", "secret", "csv", "audit"])
def test_help_tells_whole_sentences(group: str) -> None:
    found = CliRunner().invoke(cli.commands, [group, "--help"], env={"COLUMNS": "80"}).output
    command = cli.commands.get_command(click.Context(cli.commands), group)

    assert isinstance(command, click.Group)
    found = found.partition("Commands:")[2]
    assert "..." not in found
    words = " ".join(found.split())
    for name in command.list_commands(click.Context(command)):
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        assert f"{name} {' '.join((inner.help or '').split('.')[0].split())}." in words


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_is_no_name_is_not_asked_about(name: str) -> None:
    with pytest.raises(errors.InputError, match="write a name"):
        asking.segment(name)


def test_a_name_is_one_segment_of_a_path() -> None:
    assert asking.segment("a/../b?c#d é") == "a%2F..%2Fb%3Fc%23d%20%C3%A9"


def test_json_for_a_terminal_is_the_same_for_a_program() -> None:
    text = wording.json_text({"name": "a\x9b2J\u202eb"})

    assert "\x9b" not in text
    assert "\\u202e" in text


def test_settings_that_are_missing_say_how_to_name_others(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="--settings FILE"):
        asking.read_settings(tmp_path / "rosterd.toml")


def test_a_repository_is_made_in_the_empty_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)

    done = CliRunner().invoke(cli.commands, ["init", "."])

    assert done.exit_code == 0, done.output
    assert (tmp_path / "rosterd.yaml").is_file()
    assert CliRunner().invoke(cli.commands, ["check", "."]).exit_code == 0
    assert CliRunner().invoke(cli.commands, ["check", "HEAD"]).exit_code == 0


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_demo_on_a_port_that_is_none_leaves_nothing_behind(port: str, tmp_path: Path) -> None:
    place = tmp_path / "demo"

    done = CliRunner().invoke(cli.commands, ["demo", "--directory", str(place), "--port", port])

    assert done.exit_code == 2
    assert not place.exists()


@pytest.mark.parametrize(
    "url, name",
    [
        ("ssh://git@git.example/district/rosters.git", "rosters"),
        ("git@git.example:rosters.git/", "rosters"),
        ("https://git.example/district/rosters", "rosters"),
        ("/srv/rosters.git", "rosters"),
        ("", ""),
    ],
)
def test_a_repository_is_called_as_the_end_of_its_url(url: str, name: str) -> None:
    assert approving.named_by(url) == name
