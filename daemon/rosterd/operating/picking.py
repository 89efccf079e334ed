"""Selections as operators write them while they try one out: those of documents, and of users.

What is written is read as the documents are, by the same models, so that what picks something here
picks the same in a permission.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from pyroaring import AbstractBitMap

from rosterd import documents, errors, loading, rosters, selections
from rosterd.rosters import picking

COLLECTIONS: Final = ("orgs", "courses", "classes", "users")
_PATH: Final = "permissions/selection.yaml"

Read = selections.Selection | selections.People


def read(collection: str, selection: Any) -> Read:
    """The selection of a document's field; of users, what `people:` says or a plain selection.

    A text is "all" or a condition. Raises errors.InputError with what is wrong.
    """
    if isinstance(selection, str) and selection != "all":
        selection = {"where": selection}
    field = collection
    if collection == "users":
        named = isinstance(selection, Mapping) and "ids" not in selection
        field = "people" if named else "courses"
    rules = _rules(field, selection)
    if field == "people":
        if rules.people is not None and rules.people.current:
            raise errors.InputError("cannot pick users by current: it narrows their enrollments")
        return selections.people(rules.people)
    found = selections.selection(getattr(rules, field), collection)
    if found is None:
        raise errors.InputError("cannot pick by nothing: write all, ids or a condition")
    return found


def _rules(field: str, selection: Any) -> documents.Permission:
    said = {
        "apiVersion": "rosterd/v1",
        "kind": "Permission",
        "name": "selection",
        "application": "selection",
        "access": "basic",
        field: selection,
    }
    try:
        text = json.dumps(said, ensure_ascii=False)
    except RecursionError as error:
        raise errors.InputError("cannot read the selection: it is nested too deeply") from error
    loaded = loading.load({_PATH: text.encode("utf-8", "replace")})
    if loaded.problems or not loaded.documents:
        raise errors.InputError(
            "cannot read the selection: " + "; ".join(each.message for each in loaded.problems)
        )
    document = loaded.documents[0].document
    if not isinstance(document, documents.Permission):
        raise TypeError("a permission was written and something else was read")
    return document


def rows(roster: rosters.Roster, picked: Read, today: date) -> AbstractBitMap:
    """The active rows."""
    if isinstance(picked, selections.Selection):
        return picking.select(roster, picked, today)
    parts: list[AbstractBitMap] = [roster.active["users"]]
    if picked.roles is not None:
        parts.append(roster.role_holders(picked.roles, roster.active["orgs"], None))
    if picked.where is not None:
        parts.append(picking.matching(roster, "users", picked.where, missing=False))
    return picking.all_of(parts)
