"""`rosterd status` and `rosterd reconcile`: where the daemon stands, and why.

The words are the daemon's; this only lays them out. What waits for a person comes last, where it
is still on the screen when the command has ended.
"""

from pathlib import Path
from typing import Any

import click

from rosterd import statements
from rosterd.cli import approving, asking, guarding, tables, wording


@click.command()
@asking.settings_option
@asking.json_option
@click.option("--history", is_flag=True, help="Show the last passes that ended differently.")
def status(settings_path: Path, as_json: bool, history: bool) -> None:
    """Say what is served, and what waits for whom.

    Each step of reconciling is a condition: yes, no, or unknown when the last pass ended before it.

    Exit status 1 when the newest commit is not what is served, to somebody or at all, or a loop is
    silent.
    """
    answer = asking.call(settings_path, "GET", "/v1/status")
    if as_json:
        wording.print_json({"history": answer["history"]} if history else answer)
    elif history:
        _show_history(answer["history"])
    else:
        _show_status(answer, _named(settings_path))
    healthy = answer["repository"]["state"] == "applied" and answer["served"]["ready"]
    healthy = healthy and not answer["guards"]["holds"]
    raise SystemExit(0 if healthy and not answer["silent"] else 1)


@click.command()
@asking.settings_option
@asking.json_option
def reconcile(settings_path: Path, as_json: bool) -> None:
    """Look at the config repository now; say what came of it.

    It waits for a pass that begins after this call. Exit status 1 when the newest commit is not
    what is served, or the repository says that nothing shall be applied.
    """
    answer = asking.call(settings_path, "POST", "/v1/reconcile")
    if as_json:
        wording.print_json(answer)
    else:
        _show_status(answer, _named(settings_path))
    suspended = answer["guards"]["suspended"]
    if suspended is not None:
        told = (
            f"SUSPENDED since {suspended['since']}: {suspended['reason']}\nNothing is applied or"
            " exported, however often you ask, until a commit takes `suspended` out of rosterd.yaml."
        )
        click.echo(click.style(f"\n{told}", fg="red", bold=True), err=True)
    applied = answer["repository"]["state"] == "applied"
    raise SystemExit(0 if applied and suspended is None else 1)


def _named(settings_path: Path) -> str:
    """How an approval names the repository, where its URL would name another."""
    repository = asking.read_settings(settings_path).repository
    told = repository.id == approving.named_by(repository.url)
    return "" if told else f" --repository {repository.id}"


def _show_status(answer: dict[str, Any], named: str = "") -> None:
    """`named` goes behind the command that vouches."""
    repository, served = answer["repository"], answer["served"]
    reason = _reason(repository)
    pairs: list[tuple[str, object]] = [
        ("repository", f"{repository['id']}, branch {repository['branch']}"),
        (
            "newest commit",
            f"{wording.short(repository['fetched'])}, looked at {wording.time(repository['looked'])}",
        ),
        ("state", f"{repository['state']}{reason}"),
        ("review", answer["review"]["words"]),
        ("serving", _serving(served)),
        ("vouched for by", _vouched(served)),
        ("roster", _roster(served)),
    ]
    pairs += [("source", _source(each)) for each in answer["sources"]]
    audit = answer["audit"]
    pairs.append(("audit", f"record {audit['number']}, head {audit['head'] or 'none yet'}"))
    if answer["silent"]:
        pairs.append(("silent loops", ", ".join(answer["silent"])))
    tables.fields(pairs)
    click.echo()
    _show_conditions(answer["conditions"])
    for problem in repository["problems"]:
        click.echo(f"  {tables.harmless(problem)}")
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
        commit = wording.short(repository["fetched"])
        click.echo(f"\nAnother person looks at it and vouches: rosterd approve {commit}{named}")
        click.echo("When somebody did and it does not count, rosterd review says why.")
    guarding.show(answer["guards"])
    if answer["requests"]["on"]:
        _show_requests(answer["requests"])
    for line in (*answer["warnings"], *(each["message"] for each in answer["endings"])):
        click.echo(click.style(f"\nwarning: {line}", fg="yellow"))


def _show_requests(requests: dict[str, Any]) -> None:
    click.echo("\nOpen requests:")
    tables.show(
        ["request", "head", "state", "plan", "warnings", "message"],
        [
            (
                each["number"],
                each["head"][:12],
                each["state"],
                f"{each['digest'][:12]} {'on the roster' if each['live'] else 'documents alone'}"
                if each["digest"]
                else "",
                ", ".join(each["warnings"]),
                each["message"],
            )
            for each in requests["open"]
        ],
        right=["request"],
        below=["message"],
        empty="none is open" if not requests["problem"] else "not known",
    )
    for what, why in (("", requests["problem"]), ("the forge is not told: ", requests["forge"])):
        if why:
            click.echo(click.style(f"{what}{tables.harmless(why)}", fg="yellow"))


def _show_conditions(conditions: list[dict[str, Any]]) -> None:
    tables.show(
        ["condition", "answer", "since", "reason", "message"],
        [
            (
                each["type"],
                each["status"],
                wording.time(each["since"]),
                each["reason"],
                each["message"],
            )
            for each in conditions
        ],
        below=["message"],
    )


def _show_history(history: list[dict[str, Any]]) -> None:
    tables.show(
        ["ended", "woken by", "commit", "reason", "message"],
        [
            (
                wording.time(each["time"]),
                each["trigger"],
                wording.short(each["candidate"]),
                each["reason"],
                each["message"],
            )
            for each in history
        ],
        below=["message"],
        empty="no pass has ended yet",
    )


def _reason(repository: dict[str, Any]) -> str:
    """Why it is in this state, below it; who has to vouch stands in a table of its own."""
    if repository["missing"]:
        return "\nwaits for people to vouch for it; until then what was accepted before counts"
    return "".join(f"\n{line}" for line in repository["reason"].splitlines() if line.strip())


def _source(source: dict[str, Any]) -> str:
    reason = f"\n{source['reason']}" if source["reason"] else ""
    stale = f"\nnothing was read since {source['stale']}" if source["stale"] else ""
    return f"{source['name']}: {source['state']}{reason}{stale}"


def _serving(served: dict[str, Any]) -> str:
    if served["commit"] is None:
        return "nothing: no commit is accepted yet"
    if not served["ready"]:
        return f"nothing: commit {wording.short(served['commit'])} is accepted, but there is no roster yet"
    return f"commit {wording.short(served['commit'])}, applied {wording.time(served['applied'])}"


def _vouched(served: dict[str, Any]) -> str:
    people = served["people"]
    if served["commit"] is None:
        return "-"
    if not people:
        return "the administrator who pinned it, or nobody (unproven)"
    keys = "one person's key" if len(people) == 1 else f"{statements.counted(len(people))}'s keys"
    return f"{keys} ({', '.join(people)})"


def _roster(served: dict[str, Any]) -> str:
    if served["generation"] is None:
        return "none imported yet; `rosterd roster imports` says what was tried"
    counts = ", ".join(f"{count:,} {name}" for name, count in served["counts"].items())
    return f"generation {served['generation']}, published {wording.time(served['published'])}\n{counts}"
