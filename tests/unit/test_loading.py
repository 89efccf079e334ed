import builtins
import importlib
import sys
from collections.abc import Mapping

import hypothesis
import pytest
from hypothesis import strategies

from rosterd import documents, errors, loading
from rosterd.loading import parsing

HEAD = "apiVersion: rosterd/v1\nkind: Application\nname: a\ntitle: A\n"


def load_one(text: str | bytes, path: str = "applications/a.yaml") -> loading.Loaded:
    return loading.load({path: text.encode() if isinstance(text, str) else text})


def only_problem(text: str | bytes) -> errors.Problem:
    loaded = load_one(text)
    (problem,) = loaded.problems
    assert loaded.documents == ()
    assert loaded.broken == {"applications/a.yaml"}
    return problem


def application(text: str) -> documents.Application:
    (located,) = load_one(HEAD + text).documents
    assert isinstance(located.document, documents.Application)
    return located.document


# ---------------------------------------------------------------- YAML 1.2


@pytest.mark.parametrize(
    "written, read",
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("05:30", "05:30"),
        ("2027-06-30", "2027-06-30"),
        ("'1.2'", "1.2"),
        ('"true"', "true"),
        ("'~'", "~"),
        ("1_000", "1_000"),
        ("=", "="),
    ],
)
def test_what_looks_like_a_text_in_yaml_1_2_is_a_text(written: str, read: str) -> None:
    assert parsing.parse(f"key: {written}") == {"key": read}


@pytest.mark.parametrize(
    "written, read",
    [
        ("true", True),
        ("False", False),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("1.2", 1.2),
        ("1e3", 1000.0),
    ],
)
def test_numbers_and_switches_follow_the_core_schema(written: str, read: object) -> None:
    value = parsing.parse(f"key: {written}")

    assert value == {"key": read}
    assert isinstance(value, dict)
    assert type(value["key"]) is type(read)


def test_a_byte_order_mark_and_windows_line_ends_are_read() -> None:
    loaded = load_one(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode())

    assert loaded.problems == ()


@pytest.mark.parametrize(
    "content, line, said",
    [
        (b"title: a\nname: \xff\xfe\n", 2, "UTF-8"),
        (b"title: \x01\n", 1, "control characters"),
        (b"title: 'a\n", 1, "this quote is never closed"),
        (b"a: b\n  c: d\n", 2, "indent it like its neighbours"),
        (b"a: b\n\tc: d\n", 2, "a tab stands here"),
        (b"a:\n  b: c\n d: e\n", 3, "indented unlike the fields above"),
        (b"a: b\nc d\ne: f\n", 2, "a colon is missing"),
        (b"title: " + b"9" * 30 + b".5\n", 1, "too long"),
        (b"a: " + b"[" * 10_000, 1, "nested deeper"),
        (b"a: [" + b"1," * 100_001 + b"]", 1, "values at most"),
    ],
)
def test_what_cannot_be_read_is_one_problem_with_its_line(
    content: bytes, line: int, said: str
) -> None:
    problem = only_problem(content)

    assert said in problem.message
    assert problem.line == line


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    problem = only_problem("\n".join(lines))

    assert (problem.line, problem.column) == (1, 5)


def test_a_number_of_a_million_digits_is_not_computed() -> None:
    assert "too long" in only_problem("key: " + "9" * 1_000_000).message


def test_a_file_beyond_the_limit_is_not_parsed() -> None:
    problem = only_problem(HEAD.encode() + b"#" * loading.MAX_BYTES)

    assert problem.message == "this file is too large; 1 MiB is the most"


def test_too_many_documents_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_FILES", 2)

    loaded = loading.load({f"applications/a{n}.yaml": b"[" for n in range(3)})

    assert [problem.code for problem in loaded.problems] == ["limit"]
    assert len(loaded.broken) == 3


def test_problems_of_one_file_are_bounded_and_the_rest_is_counted() -> None:
    loaded = load_one(HEAD + "".join(f"unknown{n}: 1\n" for n in range(1000)))

    assert len(loaded.problems) == loading.MAX_PROBLEMS + 1
    assert loaded.problems[0].message == "and 900 problems more"


def test_without_the_c_parser_the_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading.require_fast_parser()
    monkeypatch.setitem(sys.modules, "ruamel.yaml.cyaml", None)

    with pytest.raises(errors.InputError, match=r"install ruamel\.yaml\.clib"):
        loading.require_fast_parser()


def test_the_c_parser_is_the_one_that_reads() -> None:
    parser = importlib.import_module("ruamel.yaml.cyaml").CParser

    assert parser.__module__ not in {"ruamel.yaml.parser", "ruamel.yaml.main"}
    assert isinstance(parser, builtins.type)


@hypothesis.given(strategies.binary(max_size=300) | strategies.text(max_size=300))
def test_no_file_brings_loading_down(content: str | bytes) -> None:
    loaded = load_one(content)

    assert loaded.problems or loaded.documents


@hypothesis.given(
    strategies.dictionaries(
        strategies.sampled_from(
            ["apiVersion", "kind", "name", "title", "rest", "owner", "enabled"]
        ),
        strategies.recursive(
            strategies.booleans() | strategies.integers() | strategies.text(max_size=9),
            lambda inner: (
                strategies.lists(inner, max_size=3)
                | strategies.dictionaries(strategies.text(max_size=9), inner, max_size=3)
            ),
            max_leaves=9,
        ),
    )
)
def test_any_values_are_either_a_document_or_problems_with_places(
    data: Mapping[str, object],
) -> None:
    import json

    loaded = load_one(json.dumps(data))

    assert loaded.problems or loaded.documents
    assert all(problem.line >= 1 for problem in loaded.problems)


# ---------------------------------------------------------------- files


def test_what_is_no_document_is_left_alone() -> None:
    files = {
        "README.md": b"",
        "permissions/.gitkeep": b"",
        ".pre-commit-config.yaml": b"repos: []",
        "docs/site.yml": b"a: 1",
        ".github/workflows/check.yml": b"apiVersion: rosterd/v1",
    }

    assert loading.load(files) == loading.Loaded(())


def test_unchanged_documents_are_taken_over_and_changed_ones_read_again() -> None:
    files = {
        f"applications/{name}.yaml": HEAD.replace("name: a", f"name: {name}").encode()
        for name in ("a", "b")
    }
    first = loading.load(files)
    files["applications/b.yaml"] += b"enabled: true\n"

    second = loading.load(files, first)

    assert second.documents[0] is first.documents[0]
    assert isinstance(second.documents[1].document, documents.Application)
    assert second.documents[1].document.enabled


def test_attribute_names_of_the_code_are_no_names_of_the_file() -> None:
    (problem,) = load_one(
        HEAD.replace("Application", "Permission") + "access: none\nunenrolled_users: true\n",
        "permissions/a.yaml",
    ).problems[-1:]

    assert problem.code == "unknown-field"


def test_defaults_are_those_of_the_models() -> None:
    read = application("")

    assert read == documents.Application(name="a", title="A")


# ---------------------------------------------------------------- places


def located(text: str) -> loading.Located:
    return loading.Located(documents.Application(name="a", title="A"), "a.yaml", text.encode())


PLACES = """\
name: a
orgs: {under: [district-1], where: "type='school'"}
people:
  roles:
    - student
"""


@pytest.mark.parametrize(
    "loc, place",
    [
        ((), (1, 1)),
        (("name",), (1, 7)),
        (("orgs", "under", 0), (2, 16)),
        (("orgs", "where"), (2, 36)),
        (("people", "roles", 0), (5, 7)),
        (("people", "roles", 7), (4, 3)),
        (("people", "where"), (3, 1)),
        (("nothing", "here"), (1, 1)),
    ],
)
def test_a_place_is_that_of_the_value_or_of_its_nearest_parent(
    loc: tuple[str | int, ...], place: tuple[int, int]
) -> None:
    assert located(PLACES).position(loc) == place


@pytest.mark.parametrize(
    "written",
    [
        "where: abc X",
        'where: "abc X"',
        "where: 'abc X'",
        "where: 'it''s abc X'",
        'where: "say \\"abc\\" X"',
        "where: |\n  abc\n  X",
        "where: >-\n  abc abc\n  abc X",
        "where: >-\n    abc\n\n    abc X",
        "where: abc\n  abc X",
        "where: 'abc\n  abc X'",
        "where:    abc    abc X",
    ],
)
def test_a_column_inside_a_text_is_followed_through_quotes_and_folds(written: str) -> None:
    value = parsing.parse(written)
    assert isinstance(value, dict)
    assert isinstance(value["where"], str)
    lines = written.splitlines()
    row = next(number for number, line in enumerate(lines) if "X" in line)

    place = located(written).position(("where",), value["where"].index("X"))

    assert place == (row + 1, lines[row].index("X") + 1)


@hypothesis.given(strategies.text(max_size=60), strategies.integers(0, 60))
def test_a_place_inside_any_text_lies_inside_the_file(text: str, offset: int) -> None:
    import json

    written = "where: " + json.dumps(text, ensure_ascii=False) + "\n"
    try:
        value = parsing.parse(written)
    except parsing.MalformedError:
        hypothesis.reject()
    assert isinstance(value, dict)

    line, column = located(written).position(("where",), min(offset, max(0, len(text) - 1)))

    assert line >= 1
    assert 1 <= column <= len(written)
