"""Link files that change records which they do not bring themselves.

Roles, profiles and resources of a user are rows of files of their own, and a delta of such a file
may come without the user. What it says is put into the record as it is known, and the record is
then taken in like any other. A bulk link file beside a delta of its owners is the whole set: owners
that it does not name lose the member. Of an owner that comes back a delta names all links as well.
"""

from collections.abc import Iterator
from typing import Any

from rosterd.generations import reports, tables
from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files, folding, reader, rows

Record = dict[str, Any]


def concerns(bundle: reader.Bundle, name: str) -> bool:
    """Whether a link file changes records of this collection beyond what its own file says."""
    return bool(_files(bundle, name))


def _files(bundle: reader.Bundle, name: str) -> list[files.File]:
    whole = bundle.modes.get(name) == "bulk"
    return [
        file
        for file in files.links(bundle.version, name)
        if file.name in bundle.names
        and not (whole and bundle.modes[file.name] == "bulk")  # folded while reading
    ]


def changes(
    bundle: reader.Bundle,
    table: tables.Table,
    source: int,
    org_type: folding.OrgType,
    report: reports.Report,
    *,
    former: frozenset[int],
) -> Iterator[rows.Row]:
    """Whole records as the link files leave them, each once. `former` are the rows that the source
    wanted before this delivery.
    """
    records: dict[str, tuple[int, Record]] = {}
    own = {table.ids[row]: row in former for row in table.owned(source)}
    for file in sorted(_files(bundle, table.name), key=lambda one: one.into == "roles"):
        told: set[tuple[str, object]] = set()
        begun = {owner for owner, known in own.items() if known}
        if bundle.modes[file.name] == "bulk":
            for owner in own:
                _record(table, records, owner, 0).pop(str(file.into), None)
        for link in bundle.links(file.name):
            owner = link.record[str(file.owner)]
            if owner in own:
                record = _record(table, records, owner, link.line)
                if owner not in begun:  # links of the time before it went
                    record.pop(str(file.into), None)
                    begun.add(owner)
                _change(record, file, _entry(file, link.record, org_type), link.status, told)
            elif link.status == "active":  # else it went with its owner
                report.file(bundle.names[file.name], link.line, "dangling-reference", _owner(file))
    for line, record in records.values():
        yield rows.Row(line, record)


def _change(
    record: Record, file: files.File, entry: Any, status: str, told: set[tuple[str, object]]
) -> None:
    """Put one link into its owner; `told` are those of which the file had an active row."""
    member, key = str(file.into), (record["sourcedId"], _key(entry))
    active = status == "active"
    kept = _replaced(record.pop(member, []), entry, active=active, told=key in told)
    if active:
        told.add(key)
    if kept:
        record[member] = kept


def _owner(file: files.File) -> str:
    return next(column.name for column in file.columns if column.member == file.owner)


def _record(
    table: tables.Table, records: dict[str, tuple[int, Record]], owner: str, line: int
) -> Record:
    if owner not in records:
        records[owner] = (line, table.known(owner) or {})
    return records[owner][1]


def _entry(file: files.File, link: Record, org_type: folding.OrgType) -> Any:
    if file.into == "resources":
        return link["resource"]
    if file.into == "roles":
        older = {"sourcedId": "", "role": link["role"], "orgs": [link["org"]]}
        role = vocabularies.from_1p1("users", older, org_type)["roles"][0]["role"]
        parts = {"roleType": link["roleType"], "role": role, "org": link["org"]}
        later = ("userProfile", "beginDate", "endDate")
        return parts | {name: link[name] for name in later if name in link}
    names = ("sourcedId", "profileType", "vendorId", "applicationId", "description")
    credential = {"type": link.get("credentialType"), "username": link.get("username")}
    credential["password"] = link.get("password")
    told = {name: value for name, value in credential.items() if value}
    return {name: link[name] for name in names if name in link} | {"credentials": [told]}


def _replaced(entries: list[Any], entry: Any, *, active: bool, told: bool) -> list[Any]:
    """The list with this entry in place of those that it stands for, or without them.

    `told` says that this file has an active row of the same key before, as of a role that somebody
    has twice at one org: then an active one is one more, and one that is gone was another.
    """
    if told:
        return [*entries, entry] if active and entry not in entries else entries
    same = [place for place, each in enumerate(entries) if _key(each) == _key(entry)]
    kept = [each for each in entries if _key(each) != _key(entry)]
    if active:
        kept.insert(same[0] if same else len(kept), entry)
    return kept


def _key(entry: Any) -> object:
    """What tells one link of a record from another; a role's own sourcedId is kept nowhere."""
    if isinstance(entry, str):
        return entry
    return entry["sourcedId"] if "sourcedId" in entry else (entry["role"], entry["org"])
