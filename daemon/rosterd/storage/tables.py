"""Between the store's values and the rows of a SQL table."""

from datetime import UTC, datetime
from typing import Any

import orjson

from rosterd import chain
from rosterd.storage import records

Row = tuple[Any, ...]


def text(time: datetime) -> str:
    """UTC text of one width, so that it sorts as the times do."""
    if time.tzinfo is None:
        raise ValueError("cannot keep a time without a timezone")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def maybe_when(text: str | None) -> datetime | None:
    return None if text is None else when(text)


def json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def change(row: Row) -> records.Change:
    number, commit, plan, people, time, *rest = row
    people = tuple(orjson.loads(people))
    return records.Change(number, commit, plan, people, when(time), record(tuple(rest)))


def record(row: Row) -> chain.Record:
    number, previous, head, entry, kind, time = row
    try:
        moment = when(time).astimezone(UTC)
    except (ValueError, OverflowError):  # edited: the chain's check has to name it, not to fail
        moment = datetime.min.replace(tzinfo=UTC)
    return chain.Record(number, previous, head, entry, kind, moment)


def record_row(value: chain.Record) -> Row:
    return (value.number, value.kind, text(value.time), value.previous, value.head, value.entry)


def published(row: Row) -> records.Published:
    number, name, time, report = row
    return records.Published(number, name, when(time), orjson.loads(report))


def delivery(row: Row) -> records.Import:
    number, source, delivery, state, started, ended, generation, report, problem = row
    return records.Import(
        source=source,
        delivery=delivery,
        state=state,
        started=when(started),
        ended=when(ended),
        generation=generation,
        report=None if report is None else orjson.loads(report),
        problem=problem,
        number=number,
    )


def credential(row: Row) -> records.Credential:
    application, generation, key, secret, created, retires = row
    return records.Credential(
        application, generation, key, secret, when(created), maybe_when(retires)
    )


def credential_row(value: records.Credential) -> Row:
    retires = None if value.retires is None else text(value.retires)
    return (
        value.application,
        value.generation,
        value.key,
        value.secret,
        text(value.created),
        retires,
    )


def token(row: Row) -> records.Token:
    digest, application, scopes, expires = row
    return records.Token(digest, application, tuple(orjson.loads(scopes)), when(expires))


def secret(row: Row) -> records.Secret:
    name, document, value, time, actor = row
    return records.Secret(name, document, value, when(time), actor)


def run(row: Row) -> records.Run:
    target, slot, state, attempt, started, generation, commit, application, *rest = row
    name, sha256, size, rows, ended, problem, mode = rest
    return records.Run(
        target=target,
        slot=slot,
        state=state,
        attempt=attempt,
        started=when(started),
        generation=generation,
        commit=commit,
        application=application,
        name=name,
        sha256=sha256,
        bytes=size,
        rows=None if rows is None else orjson.loads(rows),
        ended=maybe_when(ended),
        problem=problem,
        mode=mode,
    )


def run_row(run: records.Run) -> Row:
    return (
        run.target,
        run.slot,
        run.state,
        run.attempt,
        text(run.started),
        run.generation,
        run.commit,
        run.application,
        run.name,
        run.sha256,
        run.bytes,
        None if run.rows is None else json(run.rows),
        None if run.ended is None else text(run.ended),
        run.problem,
        run.mode,
    )


def base(row: Row) -> records.Base:
    target, slot, form, told, rows, links, maybe = row
    return records.Base(target, slot, form, when(told), rows, links, maybe)


def base_row(base: records.Base) -> Row:
    told = text(base.told)
    return (base.target, base.slot, base.form, told, base.rows, base.links, base.maybe)


def owed(row: Row) -> records.Owed:
    target, schedule, since = row
    return records.Owed(target, schedule, when(since))


def access(row: Row) -> records.Access:
    application, kind, status, time, count = row
    return records.Access(application, kind, status, when(time), count)
