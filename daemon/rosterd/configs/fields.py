"""Checks of the rules for single fields: withhold, mask, share.

Pictures apply these rules without asking again whether they make sense, so everything that could
let a record leave in a form that its standard does not know is refused here.
"""

from collections.abc import Iterator

from rosterd import documents, errors, loading
from rosterd.configs import drafts
from rosterd.oneroster import model

Problems = Iterator[errors.Problem]
_Rule = tuple[loading.Located, documents.Rules, drafts.Loc, str]

_ALWAYS = frozenset({"sourcedId", "status", "dateLastModified"})
_MASKABLE = {
    "initial": frozenset({model.Kind.TEXT}),
    "constant": frozenset({model.Kind.TEXT}),
    "year": frozenset({model.Kind.DATE}),
}


def fields_are_known(draft: drafts.Draft) -> Problems:
    """A field that does not exist would be withheld from nobody."""
    for located, _, loc, name in _named(draft):
        collection, _, member = name.partition(".")
        if collection not in model.COLLECTIONS:
            hint = loading.nearest(collection, list(model.COLLECTIONS))
            message = f"there is no collection {collection}{hint}"
            yield located.problem(loc, message, code="unknown-field")
        elif member in _ALWAYS:
            message = f"every record has {member}, and has it as it is"
            yield located.problem(loc, message, code="required-field")
        elif name in model.HIDDEN and member == "metadata":
            message = f"metadata goes by key; write {name}.KEY"
            yield located.problem(loc, message, code="unknown-field")
        elif not _known(collection, member):
            known = [field.name for field in model.COLLECTIONS[collection].members("1.2")]
            hint = loading.nearest(member, known)
            message = f"{collection} have no field {member} in OneRoster 1.2{hint}"
            yield located.problem(loc, message, code="unknown-field")


def required_members_stay(draft: drafts.Draft) -> Problems:
    """A record without a member that its version requires is refused by strict clients."""
    applications = draft.named(documents.Application)
    served: dict[str, set[str]] = {
        name: set(it.rest.versions) if it.rest.enabled else set()
        for name, it in applications.items()
    }
    for target in draft.named(documents.SftpTarget).values():
        served.setdefault(target.application, set()).add(target.export.version)
    for located, permission in draft.located(documents.Permission):
        withheld = (permission.fields or documents.Fields()).withhold or ()
        for index, name in enumerate(withheld):
            collection, _, member = name.partition(".")
            versions = [
                version
                for version in sorted(served.get(permission.application, ()))
                if _known(collection, member) and member in _required(collection, version)
            ]
            if versions and member not in _ALWAYS:
                said = " and ".join(versions)
                message = f"{name} is required by OneRoster {said}; it can only be masked"
                if not _kinds_masks(collection, member):
                    message = f"{name} is required by OneRoster {said}; it cannot be withheld"
                yield located.problem(("fields", "withhold", index), message, code="required-field")


def masks_fit(draft: drafts.Draft) -> Problems:
    """Each mask knows some kinds of values; a field is either masked or withheld."""
    for located in draft.everything():
        rules, start = drafts.rules_of(located.document)
        if rules is None or rules.fields is None:
            continue
        withheld = rules.fields.withhold or ()
        for name, mask in (rules.fields.mask or {}).items():
            loc = (*start, "fields", "mask", name)
            collection, _, member = name.partition(".")
            if name in withheld:
                message = f"{name} is withheld; nothing is left to mask"
                yield located.problem(loc, message, code="mask")
            elif model.hidden(name) and name not in (rules.fields.share or ()):
                message = f"{name} is never sent; name it in share before masking it"
                yield located.problem(loc, message, code="mask")
            elif _known(collection, member) and mask not in _kinds_masks(collection, member):
                fitting = " or ".join(_kinds_masks(collection, member))
                right = f"write {fitting}" if fitting else "withhold it instead"
                message = f"{name} cannot be masked as {mask}; {right}"
                yield located.problem(loc, message, code="mask")


def only_hidden_fields_are_shared(draft: drafts.Draft) -> Problems:
    """Naming in `share` what is sent anyway reads as if the rest were not."""
    for located in draft.everything():
        rules, start = drafts.rules_of(located.document)
        if rules is None or rules.fields is None:
            continue
        withheld = rules.fields.withhold or ()
        for index, name in enumerate(rules.fields.share or ()):
            loc = (*start, "fields", "share", index)
            collection, _, member = name.partition(".")
            if name in withheld:
                message = f"{name} is withheld and shared; decide for one"
                yield located.problem(loc, message, code="share")
            elif _known(collection, member) and not model.hidden(name):
                message = f"{name} is sent anyway; share names what is hidden otherwise"
                yield located.problem(loc, message, code="share")


def profiles_have_an_owner(draft: drafts.Draft) -> Problems:
    """Profiles hold accounts at vendors: an application gets those of its own vendor only."""
    listings = draft.named(documents.Listing)
    applications = draft.named(documents.Application)
    for located, permission in draft.located(documents.Permission):
        application = applications.get(permission.application)
        listing = listings.get(application.listing or "") if application else None
        owned = listing is not None and listing.vendor_id is not None
        for index, name in enumerate((permission.fields or documents.Fields()).share or ()):
            if name.startswith("users.userProfiles") and not owned:
                message = (
                    "whose profiles? the application's listing has to say vendorId; "
                    "no other vendor's profiles are sent"
                )
                yield located.problem(("fields", "share", index), message, code="share")


def _named(draft: drafts.Draft) -> Iterator[_Rule]:
    """Every field that a document names, with where it stands."""
    for located in draft.everything():
        rules, start = drafts.rules_of(located.document)
        if rules is None or rules.fields is None:
            continue
        fields = rules.fields
        for word, names in (("withhold", fields.withhold), ("share", fields.share)):
            for index, name in enumerate(names or ()):
                yield located, rules, (*start, "fields", word, index), name
        for name in fields.mask or {}:
            yield located, rules, (*start, "fields", "mask", name), name


def _known(collection: str, member: str) -> bool:
    if collection not in model.COLLECTIONS:
        return False
    if member.startswith("metadata.") or f"{collection}.{member}" in model.HIDDEN:
        return True
    field = model.COLLECTIONS[collection].field(member)
    return field is not None and "1.2" in field.versions


def _required(collection: str, version: str) -> frozenset[str]:
    """Required members by their names of 1.2, in which documents speak."""
    required = model.required(collection, version)
    if collection == "users" and "role" in required:
        return required | {"roles"}
    return required


def _kinds_masks(collection: str, member: str) -> tuple[str, ...]:
    """The masks that a member can have."""
    if member.startswith("metadata."):
        return ("initial", "constant")
    field = model.COLLECTIONS[collection].field(member)
    if field is None or field.vocabulary is not None:
        return ()
    return tuple(mask for mask, kinds in _MASKABLE.items() if field.kind in kinds)
