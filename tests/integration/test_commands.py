"""What an operator does, as commands against a running demo: each action of a commercial roster
server's console is one row of a table here, and people's names go no further than the terminal.
"""

import csv
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rosterd import cli, documents, errors, loading
from tests.integration import processes

NASTY = "Alge\x9b2Jbra \u202e<script>alert(1)</script>"
SOUGHT = "quillfeather"
MOST = ("--limit", "1000")


def _changed(path: Path, column: str, value: str) -> dict[str, str]:
    """The first row of a file gets another value; gives that row."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0][column] = value
    _written(path, rows)
    return rows[0]


def _written(path: Path, rows: list[dict[str, str]]) -> None:
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


class Site:
    """A demo, what is known of its roster, and a clone to prepare changes in."""

    def __init__(self, demo: processes.Demo, clone: Path, user: str, class_: str) -> None:
        self.demo = demo
        self.clone = clone
        self.user = user
        self.class_ = class_

    def run(self, *words: str | Path, given: str = "") -> processes.Done:
        """A command that asks the demo."""
        return run(*words, "--settings", self.demo.settings, given=given)


def run(*words: str | Path, given: str = "") -> processes.Done:
    """A command, in this process: a hundred interpreters would take a minute to start."""
    result = CliRunner().invoke(cli.commands, [*map(str, words)], input=given)
    if isinstance(result.exception, errors.RosterdError):
        return processes.Done(1, result.stdout, f"rosterd: {result.exception}")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return processes.Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("commands")
    roster = processes.district(folder / "roster")
    person = _changed(roster / "users.csv", "familyName", SOUGHT.capitalize())
    taught = _changed(roster / "classes.csv", "title", NASTY)
    with processes.demo(folder / "demo", "--roster", roster) as running:
        clone = folder / "clone"
        bare = running.told["repository"]
        subprocess.run(["git", "clone", "-q", bare, clone], check=True)
        yield Site(running, clone, person["sourcedId"], taught["sourcedId"])


EVERYWHERE = ("--application", "everything")
ROWS: list[tuple[str, tuple[str, ...], int, str]] = [
    ("the list of applications", ("app", "list"), 0, "math-galaxy"),
    ("what is refused says why", ("app", "list"), 0, "access: none"),
    ("one application", ("app", "show", "math-galaxy"), 0, "permissions/math-galaxy.yaml"),
    ("its field rules", ("app", "show", "math-galaxy"), 0, "users.familyName (initial)"),
    ("who vouched for it", ("app", "show", "math-galaxy"), 0, "@"),
    ("an application that is not there", ("app", "show", "math"), 1, "no application has that name"),
    ("the catalogue by company", ("app", "search", "galaxy"), 0, "Galaxy Learning"),
    ("nothing in the catalogue", ("app", "search", "xyzzy"), 1, "nothing in the catalogue"),
    ("key and secret", ("app", "credentials", "everything"), 0, "secret"),
    ("orgs by a condition", ("select", "orgs", "type='school'"), 0, " of "),
    ("orgs by parts", ("select", "orgs", "{under: [district-1]}"), 0, "district-1"),
    ("orgs by ids", ("select", "orgs", "[district-1]"), 0, "1 of "),
    ("everything", ("select", "courses", "all"), 0, "courses."),
    ("users by role", ("select", "users", "{roles: [teacher]}"), 0, "roles teacher"),
    ("nobody", ("select", "users", "familyName='Nobody'"), 1, "0 of "),
    ("a field that is none", ("select", "classes", "colour='red'"), 1, "no field colour"),
    ("a part that is none", ("select", "orgs", "{above: [x]}"), 1, "above is no field here"),
    ("people by current", ("select", "users", "{current: true}"), 1, "narrows their enrollments"),
    ("a collection that is none", ("select", "pets", "all"), 2, "pets"),
    ("a person in all of the roster", ("find", SOUGHT), 0, "everything"),
    ("a person as one gets her", ("find", SOUGHT, *EVERYWHERE), 0, SOUGHT.capitalize()),
    ("a masked name", ("find", SOUGHT, "--application", "math-galaxy"), 1, "0 users"),
    ("within nothing", ("find", SOUGHT, "--application", "nothing"), 1, "0 users"),
    ("within nobody", ("find", SOUGHT, "--application", "xyz"), 1, "no application"),
    ("no words", ("find", " "), 1, "cannot find nothing"),
    ("both at once", ("find", "x", "--all", *EVERYWHERE), 2, "either"),
    ("a page of the roster", ("roster", "browse", "users", "--limit", "3"), 0, "1 to 3 of 60"),
    ("the next one", ("roster", "browse", "users", "--offset", "58"), 0, "59 to 60 of 60"),
    ("beyond the end", ("roster", "browse", "users", "--offset", "60"), 0, "no records"),
    ("a field nobody has", ("roster", "browse", "users", "--sort", "x"), 1, "cannot sort"),
    ("hidden demographics", ("roster", "browse", "demographics"), 0, "active"),
    ("too long a page", ("roster", "browse", "users", "--limit", "1001"), 2, "1001"),
    ("nobody of that name", ("roster", "browse", "users", "--search", "xyzzy"), 1, "nothing was"),
    ("imports", ("roster", "imports"), 0, "imported"),
    ("deliveries", ("export", "list"), 0, "delivered"),
]  # fmt: skip


@pytest.mark.parametrize("words, status, says", [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_an_operator_does(site: Site, words: tuple[str, ...], status: int, says: str) -> None:
    done = site.run(*words)

    assert (done.status, says in done.words) == (status, True), done


REPORTS: list[tuple[tuple[str, ...], str]] = [
    (("app", "list"), "applications"),
    (("app", "show", "everything"), "counts"),
    (("app", "search"), "listings"),
    (("select", "orgs", "all"), "count"),
    (("find", SOUGHT), "hits"),
    (("roster", "browse", "orgs"), "rows"),
]


@pytest.mark.parametrize("words, member", REPORTS)
def test_every_report_is_also_json_that_a_terminal_obeys_nothing_of(
    site: Site, words: tuple[str, ...], member: str
) -> None:
    done = site.run(*words, "--json")

    assert json.loads(done.out)[member]
    assert not {"\x9b", "\x1b", "\u202e"} & {*done.out}


def test_values_of_a_roster_do_not_reach_the_terminal_as_they_are(site: Site) -> None:
    for words in (
        ("find", "<script>"),
        ("roster", "browse", "classes", "--search", site.class_),
        ("select", "classes", json.dumps([site.class_])),
        ("explain", "everything", "classes", site.class_),
    ):
        done = site.run(*words)
        assert "\ufffd2Jbra \ufffd<script>alert(1)</script>" in done.words, words
        assert not {"\x9b", "\u202e"} & {*done.out}, words
    whole = json.loads(site.run("find", "<script>", "--json").out)
    assert [hit["name"] for hit in whole["hits"]] == [NASTY]


def test_who_sees_a_person_is_what_the_rest_api_says(site: Site) -> None:
    (hit,) = json.loads(site.run("find", SOUGHT, "--json").out)["hits"]

    assert hit["id"] == site.user
    asked = {
        name: site.demo.application(name)
        for name in ("everything", "math-galaxy", "code-camp", "family-messenger")
    }
    for name, vendor in asked.items():
        assert vendor.sign_in().status == 200
        answer = vendor.get(f"{processes.ROSTERING}/users/{site.user}")
        if answer.status == 404 and "1.2" not in _versions(site, name):
            continue
        assert (answer.status == 200) == (name in hit["applications"]), name


def _versions(site: Site, name: str) -> list[str]:
    answer: dict[str, Any] = json.loads(site.run("app", "show", name, "--json").out)
    versions: list[str] = answer["versions"]
    return versions


def test_explain_agrees_with_find_and_shows_each_condition(site: Site) -> None:
    (hit,) = json.loads(site.run("find", SOUGHT, "--json").out)["hits"]
    for name in ("everything", "code-camp", "math-galaxy", "nothing"):
        done = site.run("explain", name, "users", site.user)
        assert done.status == (0 if name in hit["applications"] else 1), done
        signs = {line.strip()[0] for line in done.out.splitlines()[1:]}
        assert signs <= {"+", "-"}, done
        assert ("does not see" in done.out) == (name not in hit["applications"])

    unknown = site.run("explain", "everything", "users", "nobody-here")
    assert unknown.status == 1
    assert "nobody-here" not in unknown.words


def test_a_preview_counts_what_is_served_under_the_same_rules(site: Site) -> None:
    shown = json.loads(site.run("app", "show", "math-galaxy", "--json").out)
    paper = next(each for each in shown["papers"] if each["path"].startswith("permissions/"))
    file = site.clone / paper["path"]

    same = json.loads(site.run("app", "preview", file, "--json").out)

    assert same["counts"] == same["now"] == shown["counts"]
    assert same["roles"] == shown["roles"]
    text = file.read_text(encoding="utf-8").replace("access: basic", "access: basick")
    wrong = run("app", "preview", "-", "--settings", site.demo.settings, given=text)
    assert wrong.status == 1
    assert "did you mean basic?" in wrong.words


def test_a_preview_of_a_new_application_needs_nothing_but_its_permission(
    site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(
        "apiVersion: rosterd/v1\nkind: Permission\nname: new-app\napplication: new-app\n"
        "access: basic\norgs: all\ncourses: all\n",
        encoding="utf-8",
    )

    shown = json.loads(site.run("app", "preview", file, "--json").out)

    assert not shown["known"]
    assert shown["refusal"] is None
    assert shown["counts"]["users"] > 0


def test_whoever_looks_is_on_record_and_whom_they_sought_is_nowhere(site: Site) -> None:
    def looked() -> int:
        records = json.loads(site.run("audit", "log", "--kind", "looked", "--json", *MOST).out)
        return len(records["records"])

    before = looked()
    for words in (
        ("find", SOUGHT),
        ("explain", "everything", "users", site.user),
        ("select", "users", f"familyName='{SOUGHT.capitalize()}'"),
        ("roster", "browse", "users", "--search", SOUGHT),
    ):
        assert site.run(*words).status == 0
    assert looked() == before + 4
    assert site.run("roster", "browse", "orgs").status == 0
    assert looked() == before + 4

    told = site.run("audit", "log", "--json", *MOST).out + site.demo.process.output
    assert SOUGHT not in told.casefold()
    assert site.user not in told


def test_what_left_the_roster_can_be_looked_at(site: Site) -> None:
    path = site.demo.folder / "roster" / "enrollments.csv"
    with path.open(encoding="utf-8", newline="") as file:
        first, *rest = list(csv.DictReader(file))
    words = ("roster", "browse", "enrollments", "--json", "--limit", "1000")
    active = json.loads(site.run(*words).out)["total"]
    _written(path, rest)

    def gone() -> dict[str, Any] | None:
        page: dict[str, Any] = json.loads(site.run(*words, "--status", "departed").out)
        return page if page["total"] else None

    page = processes.until(gone, "the enrollment has left")

    assert [(each["id"], each["status"]) for each in page["rows"]] == [
        (first["sourcedId"], "departed")
    ]
    assert json.loads(site.run(*words, "--status", "all").out)["total"] == active
    found = site.run(*words, "--status", "departed", "--search", first["sourcedId"])
    assert json.loads(found.out)["total"] == 1


# ------------------------------------------------------------ over HTTP, and with bad input

LOOKING = (
    ("select", {"collection": "orgs", "selection": "all"}),
    ("find", {"text": "school"}),
    ("explain", {"application": "everything", "collection": "orgs", "id": "district-1"}),
    ("roster/orgs", {"limit": 1}),
)


def _post(site: Site, path: str, body: object, token: str) -> processes.Answer:
    return processes.ask(
        f"{site.demo.told['console']}/v1/{path}",
        method="POST",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        body=json.dumps(body).encode(),
    )


@pytest.fixture(scope="module")
def viewer(site: Site) -> str:
    """The token of somebody who may look at counts only."""
    token = "viewer-" + "x" * 40
    line = f"guest viewer {hashlib.sha256(token.encode()).hexdigest()}\n"
    with (site.demo.folder / "operators").open("a", encoding="utf-8") as file:
        file.write(line)

    def known() -> bool:
        answer = processes.ask(
            f"{site.demo.told['console']}/v1/applications",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status == 200

    processes.until(known, "the viewer is known")
    return token


@pytest.mark.parametrize("path, body", LOOKING)
def test_single_records_and_guesses_take_the_role_operator(
    site: Site, viewer: str, path: str, body: object
) -> None:
    assert _post(site, path, body, site.demo.told["console_token"]).status == 200
    assert _post(site, path, body, viewer).status == 403
    assert _post(site, path, body, "").status == 401


@pytest.mark.parametrize(
    "path, body",
    [
        ("select", []),
        ("select", {"collection": "orgs"}),
        ("select", {"collection": 7, "selection": "all"}),
        ("select", {"collection": "orgs", "selection": None}),
        ("select", {"collection": "orgs", "selection": {"where": 3}}),
        ("select", {"collection": "orgs", "selection": {"where": "(" * 900}}),
        ("select", {"collection": "orgs", "selection": json.loads("[" * 900 + "]" * 900)}),
        ("select", {"collection": "orgs", "selection": "type='\ud800'"}),
        ("select", {"collection": "users", "selection": {"roles": ["no such role"]}}),
        ("find", {"text": 3}),
        ("find", {"text": "x" * 4_000}),
        ("find", {"text": "x", "application": ["everything"]}),
        ("explain", {"application": "everything", "collection": "pets", "id": "1"}),
        ("explain", {"application": "everything", "collection": "users", "id": None}),
        ("explain", {"application": "everything", "collection": "users", "id": "\ud800"}),
        ("roster/pets", {}),
        ("roster/users", {"limit": 1_001}),
        ("roster/users", {"limit": -1}),
        ("roster/users", {"offset": 10**30}),
        ("roster/users", {"limit": True}),
        ("roster/users", {"status": "asleep"}),
        ("roster/users", {"sort": "password'; DROP TABLE users"}),
        ("preview", {"permission": ["x"]}),
        ("preview", {"permission": "access: full"}),
        ("preview", {"permission": "&a [*a, *a]"}),
        ("preview", {"permission": "name: ../../etc/passwd"}),
    ],
)
def test_bad_input_is_refused_with_a_reason_and_never_a_fault(
    site: Site, path: str, body: object
) -> None:
    answer = _post(site, path, body, site.demo.told["console_token"])

    assert answer.status == 400, answer.body
    assert answer.json()["error"]


def test_a_page_at_the_far_end_is_a_page(site: Site) -> None:
    token = site.demo.told["console_token"]

    answer = _post(site, "roster/users", {"offset": 10**9, "limit": 1_000}, token)

    assert answer.status == 200
    assert answer.json()["rows"] == []


# ------------------------------------------------------------ preparing a commit


@pytest.fixture
def clone(site: Site, tmp_path: Path) -> Path:
    """A clone of one's own, with nothing in it that is not committed."""
    shutil.copytree(site.clone, tmp_path / "clone")
    return tmp_path / "clone"


def _changes(clone: Path) -> list[str]:
    done = subprocess.run(
        ["git", "status", "--porcelain", "-uall"],
        cwd=clone, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(done.stdout.splitlines())


def _document(clone: Path, path: str) -> documents.AnyDocument:
    loaded = loading.load({path: (clone / path).read_bytes()})
    assert not loaded.problems
    return loaded.documents[0].document


def test_an_application_is_added_to_a_clone_disabled(clone: Path) -> None:
    done = run("app", "add", "history-trail", "--name", "trail", "--repository", clone)

    assert done.status == 0, done
    assert _changes(clone) == ["?? applications/trail.yaml", "?? permissions/trail.yaml"]
    application = _document(clone, "applications/trail.yaml")
    assert isinstance(application, documents.Application)
    assert not application.enabled
    assert "git commit -S -m 'Add trail'" in done.words
    assert run("check", clone).status == 0
    again = run("app", "add", "history-trail", "--name", "trail", "--repository", clone)
    assert again.status == 1
    assert "there already" in again.words


def test_what_is_added_and_needs_a_hand_is_said(clone: Path) -> None:
    done = run("app", "add", "exam-tower", "--name", "exams", "--repository", clone)

    assert done.status == 1
    assert "agreement" in done.words


def test_rules_are_copied_and_nothing_else_of_the_file(clone: Path) -> None:
    path = "permissions/library-lane.yaml"
    before = (clone / path).read_text(encoding="utf-8")
    commented = before.replace("access: basic", "# ours\naccess: basic # as agreed") + "# the end\n"
    (clone / path).write_text(commented, encoding="utf-8")
    source = _document(clone, "permissions/reading-river.yaml")

    done = run("app", "copy-permission", "reading-river", "library-lane", "--repository", clone)

    assert done.status == 0, done
    copied = _document(clone, path)
    rules, given = documents.plain(copied), documents.plain(source)
    for name in ("name", "application", "expires", "previously", "kind", "apiVersion"):
        rules.pop(name, None)
        given.pop(name, None)
    assert rules == given
    text = (clone / path).read_text(encoding="utf-8")
    assert "# ours\naccess: basic # as agreed\n" in text
    assert text.endswith("# the end\n")
    assert [line for line in commented.splitlines() if line.startswith("name:")] == [
        line for line in text.splitlines() if line.startswith("name:")
    ]


@pytest.mark.parametrize(
    "broken, words",
    [
        ("permissions/nothing.yaml", ("copy-permission", "math-galaxy", "nothing")),
        ("permissions/math-galaxy.yaml", ("copy-permission", "math-galaxy", "nothing")),
        ("applications/nothing.yaml", ("copy-permission", "math-galaxy", "nothing")),
        ("catalog/history-trail.yaml", ("add", "history-trail")),
        ("permissions/science-lab.yaml", ("remove", "science-lab")),
        ("sftp-targets/lunch-line.yaml", ("remove", "lunch-line")),
    ],
)
def test_a_document_that_cannot_be_read_is_neither_written_over_nor_left_behind(
    clone: Path, broken: str, words: tuple[str, ...]
) -> None:
    path = clone / broken
    path.write_bytes(path.read_bytes() + b"colour: &red red\n")

    done = run("app", *words, "--repository", clone)

    assert done.status == 1
    assert f"{broken}:" in done.words
    assert _changes(clone) == [f" M {broken}"]


def test_a_link_is_not_written_through(clone: Path, tmp_path: Path) -> None:
    path = clone / "permissions" / "nothing.yaml"
    elsewhere = tmp_path / "elsewhere.yaml"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    before = elsewhere.read_bytes()

    done = run("app", "copy-permission", "math-galaxy", "nothing", "--repository", clone)

    assert (done.status, "symbolic link" in done.words) == (1, True), done
    assert elsewhere.read_bytes() == before


def test_rules_that_are_the_same_already_are_not_written(clone: Path) -> None:
    words = ("app", "copy-permission", "reading-river", "library-lane", "--repository", clone)
    assert run(*words).status == 0
    before = (clone / "permissions" / "library-lane.yaml").read_bytes()

    again = run(*words)

    assert (again.status, "already" in again.words) == (0, True), again
    assert (clone / "permissions" / "library-lane.yaml").read_bytes() == before
    assert json.loads(run(*words, "--json").out)["written"] == []


def test_the_mark_of_a_windows_editor_and_its_line_ends_stay(clone: Path) -> None:
    path = clone / "permissions" / "library-lane.yaml"
    windows = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + windows)

    words = ("app", "copy-permission", "reading-river", "library-lane", "--repository", clone)
    assert run(*words).status == 0

    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == content.count(b"\n")


@pytest.mark.parametrize(
    "words, says",
    [
        (("app", "add", "history-trail", "--name", "../trail"), "documents stand directly"),
        (("app", "add", "history-trail", "--name", "Our Trail"), "cannot add Our Trail"),
        (("app", "copy-permission", "math-galaxy", "math-galaxy"), "to itself"),
        (("app", "copy-permission", "math-galaxi", "nothing"), "math-galaxy"),
        (("app", "remove", "math-galaxi"), "math-galaxy"),
        (("app", "add", "math-galaxi"), "math-galaxy"),
        (("app", "add", "math-galaxy"), "there already"),
    ],
)
def test_what_cannot_be_prepared_changes_nothing(
    clone: Path, words: tuple[str, ...], says: str
) -> None:
    done = run(*words, "--repository", clone)

    assert (done.status, says in done.words) == (1, True), done
    assert _changes(clone) == []


def test_all_documents_of_an_application_are_removed_from_a_clone(clone: Path) -> None:
    done = run("app", "remove", "lunch-line", "--repository", clone)

    assert done.status == 0, done
    gone = _changes(clone)
    assert " D applications/lunch-line.yaml" in gone
    assert " D permissions/lunch-line.yaml" in gone
    assert any(each.startswith(" D sftp-targets/") for each in gone)
    assert "at the next reconcile" in done.words
    assert run("check", clone).status == 0


def test_a_protected_application_is_not_removed(clone: Path) -> None:
    path = clone / "applications" / "nothing.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "protected: true\n", encoding="utf-8")

    done = run("app", "remove", "nothing", "--repository", clone)

    assert done.status == 1
    assert "it is protected" in done.words
    assert path.is_file()


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    for words in (("remove", "x"), ("add", "x"), ("copy-permission", "x", "y"), ("search", "x")):
        done = run("app", *words, "--repository", tmp_path)
        assert done.status == 1, done
        assert str(tmp_path) in done.words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_that_the_shell_accepts(shell: str, tmp_path: Path) -> None:
    done = run("completion", shell)

    assert done.status == 0
    assert "_ROSTERD_COMPLETE" in done.out
    program = shutil.which(shell)
    if program is not None:
        script = tmp_path / "script"
        script.write_text(done.out, encoding="utf-8")
        subprocess.run([program, "-n", script], check=True)


def test_a_pressed_key_offers_commands_options_and_names(site: Site, tmp_path: Path) -> None:
    begin = 'import sys; sys.argv[0] = "rosterd"; from rosterd import cli; cli.main()'
    (tmp_path / "rosterd").write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c '{begin}' \"$@\"\n", encoding="utf-8"
    )
    (tmp_path / "rosterd").chmod(0o755)
    settings, clone = site.demo.settings, site.clone
    offered = {
        f"app show --settings {settings} ma": ["math-galaxy"],
        f"app show --settings {tmp_path}/none ma": [],
        f"app add --repository {clone} hist": ["history-trail"],
    }
    script = 'eval "$(rosterd completion bash)"\n' + "".join(
        f"COMP_WORDS=(rosterd {words}); COMP_CWORD={len(words.split())}; COMPREPLY=()\n"
        '_rosterd_completion rosterd; echo "${COMPREPLY[@]}"\n'
        for words in offered
    )

    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert [line.split() for line in done.stdout.splitlines()] == [*offered.values()]
