"""Looking at applications: all of them, one of them, and what a permission would make of one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rosterd.cli import asking, completing, tables, wording


@click.command("list")
@asking.settings_option
@asking.json_option
def list_applications(settings_path: Path, as_json: bool) -> None:
    """List applications: what they may see, last use, and what wants attention."""
    answer = asking.call(settings_path, "GET", "/v1/applications")
    status = asking.call(settings_path, "GET", "/v1/status")
    exports = asking.call(settings_path, "GET", "/v1/exports?limit=1000")["exports"]
    warned = {
        each["name"]: warnings(each["name"], status, exports) for each in answer["applications"]
    }
    if as_json:
        for each in answer["applications"]:
            each["warnings"] = warned[each["name"]]
        wording.print_json(answer)
        return
    tables.show(
        ["name", "title", "enabled", "orgs", "courses", "users", "last REST", "last SFTP", "note"],
        [
            (
                each["name"],
                each["title"] + (" DEV" if each["development"] else ""),
                "yes" if each["enabled"] else "no",
                level(each["orgs"]),
                level(each["courses"]),
                each["counts"].get("users", 0),
                _use(each["last"].get("rest")),
                _use(each["last"].get("sftp")),
                "; ".join([*([each["refusal"]] if each["refusal"] else []), *warned[each["name"]]]),
            )
            for each in answer["applications"]
        ],
        right=["users"],
        below=["last SFTP", "note"],
        empty="no applications: add documents under applications/ and permissions/",
    )


def warnings(
    name: str, status: Mapping[str, Any], exports: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What wants somebody's attention about one application."""
    guards = status["guards"]
    found = [
        f"{each['what']} ends on {each['last']}"
        for each in status["endings"]
        if each["application"] == name
    ]
    found += [
        f"held since {wording.time(each['since'])}: {each['why']}"
        for each in guards["holds"]
        if each["application"] == name
    ]
    found += [
        f"blocked: {each['reason']}" for each in guards["blocks"] if each["application"] == name
    ]
    newest: dict[str, Mapping[str, Any]] = {}
    for run in exports:  # the newest first
        if run["application"] == name:
            newest.setdefault(run["target"], run)
    found += [
        f"export {target} {run['state']}: {run['problem']}"
        for target, run in newest.items()
        if run["state"] in {"failed", "refused"}
    ]
    return found


def _use(use: Mapping[str, Any] | None) -> str:
    return "never" if use is None else f"{wording.time(use['time'])} {use['status']}"


def level(said: Mapping[str, Any] | None) -> str:
    """Access to orgs or courses with the count that is granted."""
    return "-" if said is None else f"{said['level']} {said['count']:,}"


# ---------------------------------------------------------------- one application


@click.command("show")
@click.argument("name", shell_complete=completing.applications)
@asking.settings_option
@asking.json_option
def show_application(name: str, settings_path: Path, as_json: bool) -> None:
    """Show application NAME: what it sees, who made it so, what it did last."""
    answer = asking.call(settings_path, "GET", f"/v1/applications/{asking.segment(name)}")
    exports = asking.call(settings_path, "GET", "/v1/exports?limit=1000")["exports"]
    runs = [each for each in exports if each["application"] == name][:5]
    if as_json:
        wording.print_json({**answer, "exports": runs})
        return
    tables.fields(_about(answer))
    click.echo()
    tables.show(
        ["collection", "records"],
        list(answer["counts"].items()),
        right=["records"],
        empty="It sees nothing.",
    )
    if answer["roles"]:
        click.echo()
        tables.show(["role", "users"], list(answer["roles"].items()), right=["users"])
    _papers(answer["papers"])
    if answer["targets"]:
        click.echo()
        tables.show(
            ["target", "enabled", "server", "template", "mode", "when"],
            [
                (
                    each["name"],
                    "yes" if each["enabled"] else "no",
                    f"{each['server']}:{each['directory']}",
                    each["template"],
                    each["mode"],
                    each["schedule"],
                )
                for each in answer["targets"]
            ],
        )
    _past(answer["uses"], runs)


def _about(answer: Mapping[str, Any]) -> list[tuple[str, object]]:
    rest = ", ".join(answer["versions"]) or "off"
    rows: list[tuple[str, object]] = [
        ("name", answer["name"]),
        ("title", answer["title"] + (" DEV" if answer["development"] else "")),
        ("company", answer["company"] or "-"),
        ("owner", answer["owner"] or "-"),
        ("developers", "\n".join(answer["developers"]) or "-"),
        ("agreement", answer["agreement"] or "-"),
        ("enabled", "yes" if answer["enabled"] else "no"),
        ("REST", rest),
        ("access", answer["access"]),
        ("orgs", level(answer["orgs"])),
        ("courses", level(answer["courses"])),
    ]
    if answer["refusal"]:
        rows.append(("refused", answer["refusal"]))
    rows += fields(answer)
    rows += [("ends", each["message"]) for each in answer["endings"]]
    rows += [("held", f"{wording.time(e['since'])}: {e['why']}") for e in answer["holds"]]
    rows += [("blocked", f"{each['reason']} ({each['actor']})") for each in answer["blocks"]]
    return rows


def fields(answer: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Its field rules, as far as it has some."""
    masked = ", ".join(f"{name} ({mask})" for name, mask in answer["masked"].items())
    rows = [
        ("withheld", ", ".join(answer["withheld"])),
        ("masked", masked),
        ("shared", ", ".join(answer["shared"])),
    ]
    return [(name, text) for name, text in rows if text]


def _papers(papers: Sequence[Mapping[str, Any]]) -> None:
    click.echo()
    tables.show(
        ["document", "commit", "applied", "vouched for by"],
        [
            (
                each["path"],
                wording.short(each["commit"]) if each["commit"] else "",
                wording.time(each["time"]) if each["time"] else "",
                ", ".join(each["people"]) or "nobody: it is unproven",
            )
            for each in papers
        ],
    )


def _past(uses: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]]) -> None:
    click.echo()
    tables.show(
        ["last asked", "how", "answer", "times in that hour"],
        [
            (wording.time(each["time"]), each["kind"], each["status"], each["count"])
            for each in uses[:10]
        ],
        right=["times in that hour"],
        empty="It never asked for anything.",
    )
    if runs:
        click.echo()
        tables.show(
            ["delivery", "target", "state", "rows", "problem"],
            [
                (
                    wording.time(each["ended"] or each["started"]),
                    each["target"],
                    each["state"],
                    each["rows"],
                    each["problem"],
                )
                for each in runs
            ],
            right=["rows"],
            below=["problem"],
        )


# ---------------------------------------------------------------- a permission that is not there yet


@click.command("preview")
@click.argument(
    "permission", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True)
)
@asking.settings_option
@asking.json_option
def preview(permission: Path, settings_path: Path, as_json: bool) -> None:
    """Show what the PERMISSION of a file would share of the roster that is served.

    Its application is taken for an enabled one. Nothing is changed, and it is on record that you
    asked. - reads standard input.
    """
    text = wording.given(permission)
    answer = asking.call(settings_path, "POST", "/v1/preview", {"permission": text})
    if as_json:
        wording.print_json(answer)
        return
    rows: list[tuple[str, object]] = [
        ("application", answer["application"] + ("" if answer["known"] else " (not there yet)")),
        ("orgs", level(answer["orgs"])),
        ("courses", level(answer["courses"])),
        *fields(answer),
    ]
    if answer["refusal"]:
        rows.append(("refused", answer["refusal"]))
    tables.fields(rows)
    click.echo()
    tables.show(
        ["collection", "would see", "sees now"],
        [
            (name, count, answer["now"].get(name, 0) if answer["known"] else "-")
            for name, count in answer["counts"].items()
        ],
        right=["would see", "sees now"],
    )
    if answer["roles"]:
        click.echo()
        tables.show(["role", "users"], list(answer["roles"].items()), right=["users"])
    for each in answer["warnings"]:
        click.echo(tables.plain(each))
