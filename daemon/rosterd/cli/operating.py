"""Commands that ask the daemon how it is and have it do what operators may.

None of them changes a permission: that takes a commit.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from rosterd.cli import asking, tables


def _print_json(answer: object) -> None:
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


@click.command()
@asking.settings_option
@asking.json_option
def status(settings_path: Path, as_json: bool) -> None:
    """Say what is served, and what waits for whom.

    Exit status 1 when the newest commit is not what is served, or a loop is silent.
    """
    answer = asking.call(settings_path, "GET", "/v1/status")
    if as_json:
        _print_json(answer)
    else:
        _show_status(answer)
    healthy = answer["repository"]["state"] == "applied" and answer["served"]["ready"]
    raise SystemExit(0 if healthy and not answer["silent"] else 1)


@click.command()
@asking.settings_option
@asking.json_option
def reconcile(settings_path: Path, as_json: bool) -> None:
    """Look at the config repository now; say what came of it."""
    answer = asking.call(settings_path, "POST", "/v1/reconcile")
    if as_json:
        _print_json(answer)
    else:
        _show_status(answer)
    raise SystemExit(0 if answer["repository"]["state"] == "applied" else 1)


def _show_status(answer: dict[str, Any]) -> None:
    repository, served = answer["repository"], answer["served"]
    reason = _reason(repository)
    pairs: list[tuple[str, object]] = [
        ("repository", f"{repository['id']}, branch {repository['branch']}"),
        (
            "newest commit",
            f"{_short(repository['fetched'])}, looked at {_time(repository['looked'])}",
        ),
        ("state", f"{repository['state']}{reason}"),
        ("serving", _serving(served)),
        ("vouched for by", _vouched(served)),
        ("roster", _roster(served)),
    ]
    pairs += [("source", _source(each)) for each in answer["sources"]]
    if answer["silent"]:
        pairs.append(("silent loops", ", ".join(answer["silent"])))
    tables.fields(pairs)
    for problem in repository["problems"]:
        click.echo(f"  {problem}")
    if repository["missing"]:
        click.echo("\nMissing statements:")
        tables.show(
            ["path", "needed", "vouched for by"],
            [
                (each["path"], each["needed"], ", ".join(each["have"]) or "nobody")
                for each in repository["missing"]
            ],
            right=["needed"],
        )
        commit = _short(repository["fetched"])
        click.echo(f"\nAnother person looks at it and vouches: rosterd approve {commit}")


def _reason(repository: dict[str, Any]) -> str:
    """Why it is in this state, below it; who has to vouch stands in a table of its own."""
    if repository["missing"]:
        return "\nwaits for people to vouch for it; until then what was accepted before counts"
    return "".join(f"\n{line}" for line in repository["reason"].splitlines() if line.strip())


def _source(source: dict[str, Any]) -> str:
    reason = f"\n{source['reason']}" if source["reason"] else ""
    return f"{source['name']}: {source['state']}{reason}"


def _serving(served: dict[str, Any]) -> str:
    if served["commit"] is None:
        return "nothing: no commit is accepted yet"
    if not served["ready"]:
        return f"nothing: commit {_short(served['commit'])} is accepted, but there is no roster yet"
    return f"commit {_short(served['commit'])}, applied {_time(served['applied'])}"


def _vouched(served: dict[str, Any]) -> str:
    people = served["people"]
    if served["commit"] is None:
        return "-"
    if not people:
        return "the administrator who pinned it, or nobody (unproven)"
    keys = "one person's key" if len(people) == 1 else f"{len(people)} people's keys"
    return f"{keys} ({', '.join(people)})"


def _roster(served: dict[str, Any]) -> str:
    if served["generation"] is None:
        return "none imported yet; `rosterd roster imports` says what was tried"
    counts = ", ".join(f"{count:,} {name}" for name, count in served["counts"].items())
    return f"generation {served['generation']}, published {_time(served['published'])}\n{counts}"


@click.group()
def app() -> None:
    """Look at applications; commits change them."""


@app.command("list")
@asking.settings_option
@asking.json_option
def list_applications(settings_path: Path, as_json: bool) -> None:
    """List applications: what they may see, and last use."""
    answer = asking.call(settings_path, "GET", "/v1/applications")
    if as_json:
        _print_json(answer)
        return
    tables.show(
        ["name", "title", "orgs", "courses", "users", "last REST", "last SFTP", "note"],
        [
            (
                each["name"],
                each["title"] + (" DEV" if each["development"] else ""),
                _level(each["orgs"]),
                _level(each["courses"]),
                each["counts"].get("users", 0),
                _time(each["rest"]),
                _time(each["sftp"]),
                each["refusal"],
            )
            for each in answer["applications"]
        ],
        right=["users"],
        below=["note"],
        empty="no applications: add documents under applications/ and permissions/",
    )


@app.command("credentials")
@click.argument("name")
@asking.settings_option
@asking.json_option
def show_credentials(name: str, settings_path: Path, as_json: bool) -> None:
    """Show key and secret of NAME; that is kept on record.

    Hand them to the vendor over a channel that you would trust with the roster itself.
    """
    answer = asking.call(
        settings_path, "POST", f"/v1/applications/{quote(name, safe='')}/credentials"
    )
    if as_json:
        _print_json(answer)
        return
    for pair in answer["credentials"]:
        rows = [("key", pair["key"]), ("secret", pair["secret"]), ("made", _time(pair["created"]))]
        if pair["retires"]:
            rows.append(("retires", _time(pair["retires"])))
        tables.fields(rows)
    if not answer["credentials"]:
        click.echo("no credentials: the application has no REST access in the accepted commit")
        raise SystemExit(1)


@click.group()
def roster() -> None:
    """Look at the rosters that came in."""


@roster.command("imports")
@asking.settings_option
@asking.json_option
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
def list_imports(settings_path: Path, as_json: bool, limit: int) -> None:
    """List imports with what they added, changed, removed."""
    answer = asking.call(settings_path, "GET", f"/v1/imports?limit={limit}")
    if as_json:
        _print_json(answer)
        return
    tables.show(
        ["ended", "source", "state", "generation", "added", "changed", "removed", "errors",
         "warnings", "problem"],
        [
            (
                _time(each["ended"]), each["source"], each["state"], each["generation"],
                each["added"], each["changed"], each["removed"], each["errors"],
                each["warnings"], each["problem"],
            )
            for each in answer["imports"]
        ],
        right=["generation", "added", "changed", "removed", "errors", "warnings"],
        below=["generation", "source", "problem"],
        empty="nothing was imported yet: a document under sources/ names the folder to read, and"
        " imports.sources in the settings the folders that it may name; a"
        " delivery has to lie there, unmoved for as long as `settle` says",
    )  # fmt: skip


def _level(level: dict[str, Any] | None) -> str:
    return "-" if level is None else f"{level['level']} {level['count']:,}"


def _short(commit: str | None) -> str:
    return commit[:12] if commit else "none"


def _time(text: str | None) -> str:
    """2026-08-01T02:00:05.123+00:00 → 2026-08-01 02:00:05Z."""
    if not text:
        return "never"
    return text[:19].replace("T", " ") + "Z"
