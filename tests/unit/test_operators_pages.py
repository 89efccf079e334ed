"""The pages for operators, held against what there is: links, commands, checks, the language of
templates. With BLESS=1 in the environment the tables of that language are written anew.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rosterd import cli, samples, sanity, templates

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {path.name: path for path in (*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md")}
OPERATING = (DOCS / "operating.md").read_text(encoding="utf-8")
ALONE = (
    ("check",), ("schema",), ("init",), ("csv", "check"), ("app", "add"),
    ("app", "copy-permission"),
)  # fmt: skip
"""Commands of that page that need files only."""


def _prose(text: str) -> str:
    """Without what stands in fences."""
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(text: str) -> set[str]:
    """Anchors of the headings, as forges make them."""
    titles = re.findall(r"^#+ (.*)$", _prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name: str) -> None:
    page = PAGES[name]
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", _prose(text)):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{name} links to {link}"
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), f"{name}: {link}"


def test_every_page_of_the_docs_can_be_reached_from_the_entry() -> None:
    reached, left = set(), ["operating.md"]
    while left:
        name = left.pop()
        if name in reached:
            continue
        reached.add(name)
        text = (DOCS / name).read_text(encoding="utf-8")
        left += re.findall(r"\]\(([a-z-]+\.md)(?:#[^)]*)?\)", text)

    assert {path.name for path in DOCS.glob("*.md")} <= reached


# ---------------------------------------------------------------- commands


def _lines(text: str) -> Iterator[str]:
    for block in re.findall(r"^ *```console\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield from (line.strip() for line in block.splitlines() if line.strip())


def _is_alone(words: Sequence[str]) -> bool:
    return words[0] == "git" or any(tuple(words[1 : 1 + len(each)]) == each for each in ALONE)


def test_what_the_entry_says_to_type_without_a_daemon_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "example-repo", tmp_path / "example-repo")
    roster = tmp_path / "roster"
    roster.mkdir()
    samples.write_district(lambda name: (roster / name).open("wb"), users=60)
    monkeypatch.chdir(tmp_path / "example-repo")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "Ada")
        monkeypatch.setenv(f"{name}_EMAIL", "ada@example.org")
    _git("init", "-q", "-b", "main")
    _git("add", "--all")
    _git("commit", "-q", "-m", "Begin")
    nothing = tmp_path / "example-repo" / "permissions" / "nothing.yaml"
    nothing.write_text(nothing.read_text().replace("access: none", "access: full"))
    _git("commit", "-q", "-a", "-m", "Share too much")

    shutil.make_archive("delivery", "zip", roster)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "origin"], check=True)
    _git("remote", "add", "origin", str(tmp_path / "origin"))
    above, inside = OPERATING.split("from inside your clone", 1)
    ran = [
        (folder, line)
        for folder, text in ((tmp_path, above), (tmp_path / "example-repo", inside))
        for line in _lines(text)
        if _is_alone(shlex.split(line))
    ]
    for folder, line in ran:
        monkeypatch.chdir(folder)
        words = shlex.split(line)
        if words[0] == "git":
            subprocess.run(words, check=True, capture_output=True)
            continue
        result = CliRunner().invoke(cli.commands, words[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception}"

    assert len(ran) > 8
    assert "access: none" in nothing.read_text()
    assert (tmp_path / "example-repo" / "applications" / "homework-harbor.yaml").exists()


def _git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


@pytest.mark.parametrize(
    "line",
    sorted(
        {
            line
            for name in ("operating.md", "exports.md", "sanity.md")
            for line in _lines((DOCS / name).read_text(encoding="utf-8"))
            if line.startswith("rosterd ") and not _is_alone(shlex.split(line))
        }
    ),
)
def test_every_other_command_of_these_pages_is_one(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, arguments and options are taken; nothing runs. Documents that it names are there."""
    monkeypatch.chdir(tmp_path)
    for word in re.findall(r"\S+\.yaml", line):
        (tmp_path / word).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / word).touch()
    command: click.Command = cli.commands
    context = click.Context(command)
    words = shlex.split(line)[1:]
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]

    assert command.make_context(line, words).params


# ---------------------------------------------------------------- tables


def test_every_sanity_check_is_told_with_its_severity() -> None:
    text = (DOCS / "sanity.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.+) \|$", text, re.MULTILINE)

    assert told == [(each.name, each.severity, each.title) for each in sanity.CHECKS.values()]


def language() -> str:
    """The closed language of custom exports, as tables."""
    lines = ["| rows of | a column begins with | and counts through |", "|---|---|---|"]
    for grain in templates.GRAINS.values():
        own = "a member" if grain.name == grain.subject else ""
        words = [*(f"`{each}`" for each in sorted(grain.own)), *([own] if own else [])]
        words += [f"`{step}.`" for step in grain.steps]
        through = [f"`{each}`" for each in templates.LISTS.get(grain.name, {})]
        lines.append(f"| `{grain.name}` | {', '.join(words)} | {', '.join(through) or '-'} |")
    lines += ["", "| from | a step | leads to |", "|---|---|---|"]
    for collection, steps in templates.STEPS.items():
        lines += [f"| `{collection}` | `{step}` | `{to}` |" for step, to in steps.items()]
    for collection, lists in templates.LISTS.items():
        lines += [f"| `{collection}` | `{name}` (list) | `{to}` |" for name, to in lists.items()]
    changes = ", ".join(f"`{name}`" for name in templates.TRANSFORMS)
    return "\n".join([*lines, "", f"Transforms: {changes}.", ""])


def test_the_language_of_templates_is_told_whole() -> None:
    page = DOCS / "exports.md"
    text = page.read_text(encoding="utf-8")
    begin, end = "<!-- language: begin -->\n", "<!-- language: end -->"
    before, _, rest = text.partition(begin)
    told, _, after = rest.partition(end)
    if "BLESS" in os.environ:
        page.write_text(f"{before}{begin}{language()}{end}{after}", encoding="utf-8")
        told = language()

    assert told == language()


def test_every_shipped_template_is_told() -> None:
    text = (DOCS / "exports.md").read_text(encoding="utf-8")

    for path in (ROOT / "example-repo" / "templates").glob("*.yaml"):
        assert f"| `{path.stem}` |" in text
