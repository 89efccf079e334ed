"""Where commands get the chain of records: from the daemon, or from the store's file."""

import base64
import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rosterd import chain, errors, storage
from rosterd.cli import asking
from rosterd.storage import sqlite

_PAGE = 200
"""Records in one answer; the plan of a first commit can be large."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The whole chain, and what the rest of the store says about it."""

    records: Sequence[chain.Record]
    disagreements: tuple[str, ...] = ()
    compared: bool = False
    """Whether the rest of the store was looked at."""


def read(
    settings_path: Path, store_path: Path | None, *, newest: int | None = None
) -> Sequence[chain.Record]:
    """The chain, or its `newest` records, the oldest first: asked of the daemon, or of the file."""
    if store_path is None:
        try:
            return _asked(settings_path, newest)
        except errors.TemporaryError:
            store_path = asking.read_settings(settings_path).state_db
            if not os.access(store_path, os.F_OK):
                raise
    with _opened(store_path) as store:
        after = 0 if newest is None else max(0, store.head()[0] - newest)
        return list(_pages(store, after))


def whole(settings_path: Path, store_path: Path | None) -> Kept:
    """The whole chain from the file, beside a running daemon too; from the daemon for whoever may
    not read the file.
    """
    path = store_path or asking.read_settings(settings_path).state_db
    try:
        with _opened(path) as store:
            while True:
                head = store.head()
                records = list(_pages(store, 0))
                found = _compared(store, records)
                if store.head() == head:  # otherwise a running daemon wrote in between
                    return Kept(records, found, compared=True)
    except errors.RosterdError:
        if store_path is not None:
            raise
        with contextlib.suppress(errors.TemporaryError):
            return Kept(_asked(settings_path, None))
        raise


def _asked(settings_path: Path, newest: int | None) -> list[chain.Record]:
    found: list[chain.Record] = []
    after = 0
    if newest is not None:
        answer = asking.call(settings_path, "GET", "/v1/records?after=0&limit=1")
        after = max(0, answer["audit"]["number"] - newest)
    while True:
        path = f"/v1/records?after={after}&limit={_PAGE}"
        page = asking.call(settings_path, "GET", path)["records"]
        found += [
            chain.Record(
                each["number"],
                each["previous"],
                each["head"],
                base64.b64decode(each["entry"]),
                each["kind"],
                datetime.fromisoformat(each["time"]),
            )
            for each in page
        ]
        if not page:
            return found
        after = found[-1].number


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[storage.Store]:
    if not (os.access(path, os.R_OK) and path.is_file()):
        raise errors.InputError(f"cannot read {path}: there is no such file, or it may not be read")
    store = sqlite.open_store(path, readonly=True, least=sqlite.RECORDS)
    try:
        yield store
    finally:
        store.close()


def _pages(store: storage.Store, after: int) -> Iterator[chain.Record]:
    while page := store.recorded(after, _PAGE):
        yield from page
        after = page[-1].number


def _compared(store: storage.Store, records: Sequence[chain.Record]) -> tuple[str, ...]:
    try:
        return tuple(_disagreements(store, records))
    except ValueError:  # a value that the daemon never writes
        return ("the changes in the store cannot be read: they were edited",)


def _disagreements(store: storage.Store, records: Sequence[chain.Record]) -> Iterator[str]:
    """Where the rest of the store says something else than the records of applied changes."""
    changes = {change.record.number: change for change in store.history(len(records) + 1)}
    for record in records:
        change = changes.pop(record.number, None)
        if record.kind != "applied":
            if change is not None:
                yield f"record {record.number} is no applied change, but the store says it is"
            continue
        if change is None:
            yield f"record {record.number} is an applied change that the store does not have"
            continue
        try:
            content = record.read()
        except (ValueError, RecursionError):
            continue  # the chain's own check names it
        same = {
            "commit": change.commit,
            "plan": change.plan,
            "people": sorted(change.people),
        }
        for name, value in same.items():
            if content.get(name) != value:
                yield f"record {record.number} and the store name another {name}"
    applied = store.applied()
    last = next((each for each in reversed(records) if each.kind == "applied"), None)
    if applied is None or last is None:
        return
    with contextlib.suppress(ValueError, RecursionError):
        digest = last.read().get("documents")
        if digest is not None and digest != chain.documents_digest(applied.documents):
            yield f"the documents in the store are not those that record {last.number} was made of"
