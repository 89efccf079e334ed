"""The workflow files of the example repository: what they may do, and that they do it.

They run on machines of others, over what strangers wrote, so what matters is what they do not have.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from rosterd import configs, loading
from rosterd.git import clones
from tests.integration import git_repositories as repositories

EXAMPLE = Path(__file__).parents[2] / "example-repo"
ACTIONS = (".github/workflows/check.yml", ".gitea/workflows/check.yml")
GITLAB = ".gitlab-ci.yml"
EVERY = (*ACTIONS, GITLAB)


def parsed(path: str) -> dict[str, Any]:
    found = YAML(typ="safe", pure=True).load((EXAMPLE / path).read_text())
    assert isinstance(found, dict)
    return found


def values(node: Any) -> list[str]:
    """Every text of a document, keys included; comments are none."""
    if isinstance(node, dict):
        return [text for pair in node.items() for each in pair for text in values(each)]
    if isinstance(node, list):
        return [text for each in node for text in values(each)]
    return [str(node)]


def scripts(path: str) -> list[str]:
    (job,) = parsed(path)["jobs"].values()
    return [step["run"] for step in job["steps"]]


@pytest.mark.parametrize("path", EVERY)
def test_no_secret_is_named(path: str) -> None:
    assert not [text for text in values(parsed(path)) if "secret" in text.lower()]


@pytest.mark.parametrize("path", ACTIONS)
def test_a_strangers_request_runs_with_the_right_to_read_and_nothing_else(path: str) -> None:
    workflow = parsed(path)

    assert set(workflow["on"]) == {"pull_request", "push"}
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert "pull_request_target" not in values(workflow)
    assert "workflow_run" not in values(workflow)


@pytest.mark.parametrize("path", ACTIONS)
def test_actions_of_others_are_named_by_full_commit_ids(path: str) -> None:
    for job in parsed(path)["jobs"].values():
        for step in job["steps"]:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", "x/x@" + "0" * 40))


@pytest.mark.parametrize("path", ACTIONS)
def test_nothing_that_a_stranger_chose_is_put_into_a_script(path: str) -> None:
    assert not [script for script in scripts(path) if "${{" in script]


@pytest.mark.parametrize("path", EVERY)
def test_it_checks_and_plans_without_a_roster(path: str) -> None:
    text = "\n".join(values(parsed(path)))

    assert re.search(r'rosterd"? check \.', text)
    assert re.search(r'rosterd"? plan --from "\$(BASE|base)" --to \.', text)
    assert "--server" not in text


async def test_loading_passes_them_over(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy)
    clone = clones.Clone(copy)
    await clone.git("init", "--quiet", ".")
    await clone.git("add", "--all")
    await clone.git(
        *("-c", "user.name=x", "-c", "user.email=x@y.example"),
        *("commit", "--quiet", "--no-gpg-sign", "--message", "all of it"),
    )

    files = await clone.files("HEAD")
    config, problems = configs.check(loading.load(files))

    assert {*EVERY} <= files.keys()
    assert config is not None, problems
    assert not [problem for problem in problems if problem.path in EVERY]


@pytest.fixture
def forge(tmp_path: Path) -> tuple[Path, str, str]:
    """A bare repository with the example and a change of it: where, base, head."""
    site = repositories.Site(tmp_path / "site")
    shutil.copytree(EXAMPLE, site.clone, dirs_exist_ok=True)
    base = site.commit({})
    nothing = site.clone / "permissions" / "nothing.yaml"
    text = nothing.read_text().replace("access: none", "access: full")
    head = site.commit({"permissions/nothing.yaml": text})
    site.push()
    repositories.run("git", "config", "uploadpack.allowAnySHA1InWant", "true", cwd=site.bare)
    return site.bare, base, head


@pytest.mark.parametrize("path", ACTIONS)
def test_its_steps_run_and_show_the_plan(
    path: str, forge: tuple[Path, str, str], tmp_path: Path
) -> None:
    """As a runner runs them, with what is installed here in the place of pip."""
    bare, base, head = forge
    work, summary = tmp_path / "work", tmp_path / "summary.md"
    work.mkdir()
    program = Path(sys.executable).with_name("rosterd")
    fetching, _, *rest = scripts(path)
    shown = ""
    for script in (fetching, *rest):
        ours = script.replace('"$RUNNER_TEMP/venv/bin/rosterd"', "rosterd")
        done = subprocess.run(
            [
                "bash",
                "-e",
                "-c",
                re.sub(r"\brosterd (?=check|plan)", f"{shlex.quote(str(program))} ", ours),
            ],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(tmp_path),
                "GITHUB_SHA": head,
                "GITHUB_STEP_SUMMARY": str(summary),
                "HEAD": head,
                "BASE": base,
                "URL": f"file://{bare}",
                "TOKEN": "job",
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        shown += done.stdout
    shown += summary.read_text() if summary.exists() else ""
    assert "full-access" in shown
    assert "nothing would see everything" in shown
