"""The page of commands, settings and fields: whatever one can write is told to somebody."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pydantic
import pytest

from rosterd import cli, documents, settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")
EVERYWHERE = {"--settings", "--json", "--help"}
"""Told once, at the top of the page."""


def _walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _walk(inner, (*path, name))
    else:
        yield " ".join(path), command


TREE = dict(_walk(cli.commands, ("rosterd",)))
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^### ", COMMANDS, flags=re.MULTILINE)[1:]
}


def test_the_page_has_every_command_and_no_other() -> None:
    assert SECTIONS.keys() == TREE.keys()


@pytest.mark.parametrize("name", TREE)
def test_every_command_has_a_sentence_an_example_and_its_options(name: str) -> None:
    section = SECTIONS[name]
    options = {
        opt
        for each in TREE[name].params
        if isinstance(each, click.Option)
        for opt in (*each.opts, *each.secondary_opts)
    }

    assert re.search(r"^[A-Z].*\.$", section, re.MULTILINE), "a sentence"
    example = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert example is not None
    assert name in example[1]
    told = set(re.findall(r"`(-{1,2}[a-zA-Z][a-z-]*)`", section))
    assert options - EVERYWHERE <= told, options - EVERYWHERE - told
    assert told <= options, told - options


@pytest.mark.parametrize("name", TREE)
def test_every_command_says_what_it_is_for(name: str) -> None:
    command = TREE[name]

    assert command.help
    undescribed = {"--limit", "--offset", "--branch", "--format", "--log-level"}
    for each in command.params:
        if isinstance(each, click.Option) and not undescribed & {*each.opts}:
            assert each.help, f"{name} {each.opts}"


PAGES = [DOCS.parent / "README.md", DOCS.parent / "example-repo" / "README.md", *DOCS.glob("*.md")]
TYPED = re.compile(r"^(?:\$ )?(?:.* && )?(rosterd .*)$", re.MULTILINE)
INLINE = re.compile(r"`(rosterd (?!COMMAND)[^`]+)`")


def _typed(text: str) -> Iterator[str]:
    """Every command that somebody is told to type, in a block or in a sentence."""
    text = text.replace("\\\n", " ")
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        yield from (found.strip() for found in TYPED.findall(textwrap.dedent(block)))
    yield from (" ".join(each.split()) for each in INLINE.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "-".join(page.parts[-2:]))
def test_whatever_a_page_says_to_type_is_a_command_with_such_options(page: Path) -> None:
    for line in _typed(page.read_text(encoding="utf-8")):
        plain = re.split(r"\s+#|\s[<>|&]|[…;)]", line)[0]
        words = shlex.split(plain)[1:]
        command: click.Command = cli.commands
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            inner = command.get_command(click.Context(command), words.pop(0))
            assert inner is not None, f"{page.name}: {line}"
            command = inner
        context = click.Context(command, resilient_parsing=True)
        unknown = [each for each in words if each.startswith("-") and each != "-"]
        known = {opt for each in command.get_params(context) for opt in each.opts}
        assert {each.partition("=")[0] for each in unknown} <= known, f"{page.name}: {line}"


def _settings(model: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """(table and name, what its docstring says) of every setting."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, pydantic.BaseModel):
            yield from _settings(inner, (*path, name))
        else:
            yield (*path, name), " ".join((field.description or "").split())


ALL_SETTINGS = dict(_settings(settings.Settings))


@pytest.mark.parametrize("path", [*ALL_SETTINGS], ids=".".join)
def test_every_setting_is_told_in_its_own_words(path: tuple[str, ...]) -> None:
    *table, name = path
    section = SETTINGS.partition(f"## [{'.'.join(table)}]\n")[2].partition("\n## ")[0]

    assert ALL_SETTINGS[path], "a docstring"
    assert f"| `{name}` | {ALL_SETTINGS[path].replace('|', chr(92) + '|')} |" in section


def test_the_page_of_settings_has_no_other() -> None:
    told = re.findall(r"^\| `(\w+)` \|", SETTINGS, re.MULTILINE)

    assert sorted(told) == sorted(path[-1] for path in ALL_SETTINGS)


def _described(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for name, each in schema.get("properties", {}).items():
            yield f"{place}.{name}", each
        for name, each in schema.items():
            yield from _described(each, f"{place}.{name}")
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from _described(each, f"{place}.{number}")


@pytest.mark.parametrize("kind", documents.KINDS)
def test_every_field_of_a_document_is_told_in_its_schema(kind: str) -> None:
    for place, field in _described(documents.schema(kind)):
        assert field.get("description"), f"{kind}{place}"


def test_every_command_that_reports_has_json() -> None:
    """The others run something, write something, or print what is a file's content already."""
    without = {
        name.removeprefix("rosterd ")
        for name, command in TREE.items()
        if not any("--json" in each.opts for each in command.params)
    }

    assert without == {
        "schema", "init", "trust", "serve", "demo", "completion", "secret set", "audit export",
        "roster export-received", "roster export-processed",
    }  # fmt: skip
