"""Changes that take away for every roster that could ever be: a closed list.

What stands here needs one person fewer, so the list is short and each entry is plain: no roster
exists on which it gives anybody a record or a field. A change of one document is a narrowing when
each value that differs is on the list; whatever is not on it counts as a widening.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from rosterd import documents, selections
from rosterd.oneroster import filters

Lowers = Callable[[Any, Any], bool]

_REMOVABLE: Final = ("Application", "Permission", "SftpTarget")
ORDER: Final = {"none": 0, "basic": 1, "full": 2}


def narrowing(old: documents.AnyDocument | None, new: documents.AnyDocument | None) -> bool:
    """Whether `new` in the place of `old` can give nothing to anybody, whatever the roster holds.

    None stands for no document: to remove one narrows for applications, permissions and targets,
    to add one never does. Equal documents narrow, for they change nothing.
    """
    if old == new:
        return True
    if old is None:
        return False
    if new is None:
        return old.kind in _REMOVABLE
    if isinstance(old, documents.Permission) and isinstance(new, documents.Permission):
        return _permission(old, new)
    if type(old) is not type(new):
        return False
    return _each(old, new, _RULES.get(old.kind, {}))


def is_document_path(path: str) -> bool:
    """Whether this is a place of a document."""
    folder, _, rest = path.partition("/")
    if not rest:
        return path == documents.REPOSITORY_FILE
    return folder in documents.FOLDERS and path.endswith(".yaml")


def _each(old: documents.Model, new: documents.Model, rules: Mapping[str, Lowers]) -> bool:
    """Whether every field that differs is lowered by its rule."""
    for field in type(old).model_fields:
        was, is_ = getattr(old, field), getattr(new, field)
        if was == is_:
            continue
        rule = rules.get(field)
        if rule is None or not rule(was, is_):
            return False
    return True


def _permission(old: documents.Permission, new: documents.Permission) -> bool:
    if (old.name, old.application) != (new.name, new.application):
        return False
    if new.access == "none" and _bare(old, new):
        return True
    if ORDER[new.access] > ORDER[old.access]:
        return False
    # What `none` lets lie idle is not changed by one person either: whoever is asked for the way
    # back would only see the word that brings it to life.
    rules = {**_PERMISSION, "access": _anything}
    if old.access == "full":
        # Whatever a basic permission picks, it is a part of everything.
        rules |= dict.fromkeys(_PICKS, _anything)
    return _each(old, new, rules)


def _bare(old: documents.Permission, new: documents.Permission) -> bool:
    """Whether nothing is picked any more, so that the way back has to say everything again."""
    nothing = documents.Permission(name=new.name, application=new.application, access="none")
    picks = (field for field in _PICKS if field != "access")
    return new.fields in (None, old.fields) and all(
        getattr(new, field) == getattr(nothing, field) for field in picks
    )


# ---------------------------------------------------------------- the list


def _off(old: object, new: object) -> bool:
    """A switch that was on."""
    return old is not False and new is False


def _fewer_roles(old: object, new: object) -> bool:
    """A toggle off, or fewer of the roles that were named.

    From `true` to named roles is no narrowing: pupils only come when they are named.
    """
    if isinstance(old, documents.Roles) and isinstance(new, documents.Roles):
        return set(new.roles) <= set(old.roles)
    return _off(old, new)


def _earlier(old: date | None, new: date | None) -> bool:
    return new is not None and (old is None or new < old)


def _agreement(old: documents.Agreement | None, new: documents.Agreement | None) -> bool:
    return (
        old is not None
        and new is not None
        and old.reference == new.reference
        and new.expires < old.expires
    )


def _rest(old: documents.Rest, new: documents.Rest) -> bool:
    return _each(old, new, {"enabled": _off, "versions": _subset})


def _subset(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    return set(new) <= set(old)


def _fields(old: documents.Fields | None, new: documents.Fields | None) -> bool:
    was, is_ = old or documents.Fields(), new or documents.Fields()
    withheld, before = set(is_.withhold or ()), set(was.withhold or ())
    if not before <= withheld or not set(is_.share or ()) <= set(was.share or ()):
        return False
    masks, former = is_.mask or {}, was.mask or {}
    # A mask may only go where the field goes.
    return all(
        masks.get(field) == former.get(field) or field in withheld
        for field in masks.keys() | former.keys()
    )


def _picked(collection: str) -> Lowers:
    def lower(old: Any, new: Any) -> bool:
        return _narrower(
            selections.selection(old, collection), selections.selection(new, collection)
        )

    return lower


def _narrower(old: selections.Selection | None, new: selections.Selection | None) -> bool:
    """Whether the second picks only what the first picks. None and no part at all pick nothing."""
    if new is None or _empty(new):
        return True
    if old is None or _empty(old):
        return False
    if old.everything:
        return True
    return (
        not new.everything
        and _fewer(old.ids, new.ids)
        and _fewer(old.under, new.under)
        and clauses(old.where) <= clauses(new.where)
        and new.current >= old.current
    )


def _classes(old: Any, new: Any) -> bool:
    """Classes narrow what orgs and courses pick, so none at all is the widest."""
    if old is None:
        return True
    return new is not None and _picked("classes")(old, new)


def _people(old: documents.People | None, new: documents.People | None) -> bool:
    was, is_ = selections.people(old), selections.people(new)
    return (
        _fewer(was.roles, is_.roles)
        and clauses(was.where) <= clauses(is_.where)
        and is_.current >= was.current
    )


def _empty(selection: selections.Selection) -> bool:
    parts = (selection.ids, selection.under, selection.where)
    return not selection.everything and not selection.current and parts == (None, None, None)


def _fewer(old: frozenset[str] | None, new: frozenset[str] | None) -> bool:
    return old is None or (new is not None and new <= old)


Clause = tuple[Any, ...]


def clauses(tree: filters.Tree | None) -> frozenset[Clause]:
    """What a condition demands all at once, each clause told apart by what it says."""
    if tree is None:
        return frozenset()
    if isinstance(tree, filters.And):
        return frozenset().union(*(clauses(part) for part in tree.parts))
    return frozenset({_clause(tree)})


def _clause(tree: filters.Tree) -> Clause:
    if isinstance(tree, filters.Leaf):
        return ("leaf", tree.path, tree.operator, tree.value)
    word = "and" if isinstance(tree, filters.And) else "or"
    return (word, frozenset(_clause(part) for part in tree.parts))


def _anything(old: object, new: object) -> bool:
    return True


_PICKS: Final = (
    *("access", "orgs", "courses", "classes", "people"),
    *("unenrolled_users", "guardians", "demographics", "resources"),
)
_PERMISSION: Final[Mapping[str, Lowers]] = {
    "orgs": _picked("orgs"),
    "courses": _picked("courses"),
    "classes": _classes,
    "people": _people,
    "unenrolled_users": _fewer_roles,
    "guardians": _off,
    "demographics": _fewer_roles,
    "resources": _off,
    "fields": _fields,
    "expires": _earlier,
}
_RULES: Final[Mapping[str, Mapping[str, Lowers]]] = {
    "Application": {"enabled": _off, "rest": _rest, "agreement": _agreement},
    "SftpTarget": {"enabled": _off},
}
