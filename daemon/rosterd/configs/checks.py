"""What has to hold between documents, as a table of named checks.

Each check yields all that it finds and trusts no other check to have run before. An error is
something that could share more than its author means, or that cannot work; a warning is something
that will surprise.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, time
from itertools import combinations

from rosterd import documents, errors, loading
from rosterd.configs import columns, drafts, fields
from rosterd.oneroster import filters, model, vocabularies

Problems = Iterator[errors.Problem]

_SOME_SLOT = datetime(2026, 1, 5, 5, 30)  # noqa: DTZ001 - only fills a template, twice alike


def repository_is_described(draft: drafts.Draft) -> Problems:
    """Days begin somewhere: without a timezone no expiry means anything."""
    if not draft.exists("Repository", "rosterd"):
        message = "cannot find rosterd.yaml; it says the district's title and timezone"
        yield errors.Problem(documents.REPOSITORY_FILE, 0, 0, message, "missing-document")


def references_lead_somewhere(draft: drafts.Draft) -> Problems:
    """Applications and catalogue entries that are named are there."""
    named: list[tuple[loading.Located, str, str, str]] = []
    named += [(at, "application", "Application", it.application)
              for at, it in draft.located(documents.Permission)]  # fmt: skip
    named += [(at, "application", "Application", it.application)
              for at, it in draft.located(documents.SftpTarget)]  # fmt: skip
    named += [(at, "listing", "Listing", it.listing)
              for at, it in draft.located(documents.Application) if it.listing is not None]  # fmt: skip
    for located, field, kind, name in named:
        if not draft.exists(kind, name):
            hint = loading.nearest(name, draft.names(kind))
            message = f"there is no {documents.path_of(kind, name)}{hint}"
            yield located.problem((field,), message, code="unknown-name")


def one_permission_each(draft: drafts.Draft) -> Problems:
    """Two permissions for one application would leave open which of them holds."""
    first: dict[str, str] = {}
    for located, permission in draft.located(documents.Permission):
        other = first.setdefault(permission.application, located.path)
        if other != located.path:
            message = f"{permission.application} has a permission already, in {other}; keep one"
            yield located.problem(("application",), message, code="second-permission")


def secrets_have_one_home(draft: drafts.Draft) -> Problems:
    """A secret named by a second document could be sent to that document's server."""
    first: dict[str, tuple[str, str]] = {}
    signing: list[tuple[loading.Located, documents.SftpTarget | documents.RosterSource]] = [
        *draft.located(documents.SftpTarget),
        *draft.located(documents.RosterSource),
    ]
    for located, document in signing:
        if document.authentication is None:
            continue
        for field, name in document.authentication.secrets.items():
            home = first.setdefault(name, (located.path, field))
            if home != (located.path, field):
                message = (
                    f"the secret {name} belongs to {home[1]} in {home[0]} already; "
                    "give this one a name of its own"
                )
                yield located.problem(("authentication", field), message, code="secret-twice")
    for located, repository in draft.located(documents.Repository):
        for index, told in enumerate(repository.notifications):
            if told.webhook is not None and told.webhook in first:
                message = (
                    f"the secret {told.webhook} belongs to {first[told.webhook][1]} in"
                    f" {first[told.webhook][0]} already; give this one a name of its own"
                )
                at = ("notifications", index, "webhook")
                yield located.problem(at, message, code="secret-twice")


_SELECTING = (
    "orgs", "courses", "classes", "people", "unenrolledUsers", "guardians", "demographics",
    "resources",
)  # fmt: skip
_ATTRIBUTES = {"unenrolledUsers": "unenrolled_users"}


def selections_fit_the_access(draft: drafts.Draft) -> Problems:
    """`full` selects nothing, `basic` selects orgs and courses, `none` makes the rest idle."""
    for located in draft.everything():
        rules, start = drafts.rules_of(located.document)
        if rules is None:
            continue
        said = [
            name for name in _SELECTING if _ATTRIBUTES.get(name, name) in rules.model_fields_set
        ]
        if rules.access == "full":
            for name in said:
                message = f"access: full shares every record, whatever {name} says; leave it out, or write access: basic"
                yield located.problem((*start, name), message, code="access")
        elif rules.access == "none" and said:
            message = f"access: none shares nothing; {', '.join(said)} count again with basic only"
            yield located.problem((*start, "access"), message, code="access", severity="warning")
        elif rules.access == "basic":
            for name in ("orgs", "courses"):
                if name not in said:
                    message = f"access: basic needs {name}: all, a list of sourcedIds, or where and others"
                    yield located.problem((*start, "access"), message, code="missing-field")


def words_are_in_use(draft: drafts.Draft) -> Problems:
    """A condition on a word that no record can have picks nothing, in silence."""
    for condition in draft.conditions:
        for leaf in filters.leaves(condition.tree):
            vocabulary = _vocabulary(condition.collection, leaf.path)
            if vocabulary is None or leaf.operator not in ("=", "!="):
                continue
            if not all(vocabulary.allows(word, "1.2") for word in _words(leaf)):
                known = ", ".join(sorted(vocabulary.words))
                yield condition.located.problem(
                    condition.loc,
                    f"no record has this word in {leaf.path.dotted}; there are {known}",
                    code="unknown-word",
                    severity="warning",
                    offset=leaf.column - 1,
                )


def grades_have_two_digits(draft: drafts.Draft) -> Problems:
    """Grades are words of two characters: '7' is no other way to write '07'."""
    for condition in draft.conditions:
        for leaf in filters.leaves(condition.tree):
            if leaf.path.dotted != "grades" or leaf.operator not in ("=", "!="):
                continue
            for word in _words(leaf):
                if len(word) == 1 and word.isdigit():
                    yield condition.located.problem(
                        condition.loc,
                        f"most rosters write grades with two digits; did you mean '0{word}'?",
                        code="unknown-word",
                        severity="warning",
                        offset=leaf.column - 1,
                    )


def slots_exist_every_day(draft: drafts.Draft) -> Problems:
    """Between midnight and four some local times are skipped or repeated when clocks change."""
    for located, target in draft.located(documents.SftpTarget):
        export = target.export
        if export.time is None or export.time >= time(4) or export.timezone in ("UTC", "Etc/UTC"):
            continue
        message = (
            "clocks change at such an hour; a time from 04:00 on, or timezone: UTC, "
            "comes exactly once each day"
        )
        yield located.problem(("export", "time"), message, code="slot", severity="warning")


def templates_can_be_filled(draft: drafts.Draft) -> Problems:
    """Every column leads somewhere, every change has a name, every earlier file is earlier."""
    for located, template in draft.located(documents.ExportTemplate):
        yield from columns.problems(located, template)
    for located, target in draft.located(documents.SftpTarget):
        name = target.export.custom
        if name is not None and not draft.exists("ExportTemplate", name):
            hint = loading.nearest(name, draft.names("ExportTemplate"))
            message = f"there is no {documents.path_of('ExportTemplate', name)}{hint}"
            yield located.problem(("export", "template"), message, code="unknown-name")


def deliveries_keep_apart(draft: drafts.Draft) -> Problems:
    """Two targets with one file at one place overwrite each other."""
    first: dict[tuple[object, ...], str] = {}
    for located, target in draft.located(documents.SftpTarget):
        export = target.export
        name = ""
        if export.packaging == "zip":
            name = export.name(application=target.application, target=target.name, slot=_SOME_SLOT)
        folder = target.directory.strip("/").removeprefix("./") or "."
        place = (target.host.lower(), target.port, target.username, folder, name)
        other = first.setdefault(place, located.path)
        if other != located.path:
            message = f"{other} delivers to the same place; write another directory or fileName"
            yield located.problem(("directory",), message, code="same-place")


def sources_keep_apart(draft: drafts.Draft) -> Problems:
    """A folder inside another source's folder would be read twice, as two people's records."""
    sources = list(draft.located(documents.RosterSource))
    for (_, one), (at, other) in combinations(sources, 2):
        if one.type != other.type:
            continue
        path = documents.path_of("RosterSource", one.name)
        if one.type == "oneroster":
            if one.url == other.url:
                message = f"{path} reads the same server; records have one source, so keep one"
                yield at.problem(("url",), message, code="same-place")
            continue
        left, right = (f"{(it.directory or '').rstrip('/')}/" for it in (one, other))
        places = ((it.host or "", it.port, it.username) for it in (one, other))
        if len(set(places)) == 1 and (left.startswith(right) or right.startswith(left)):
            message = f"this folder and that of {path} overlap; give each its own"
            yield at.problem(("directory",), message, code="same-place")


def former_names_are_free(draft: drafts.Draft) -> Problems:
    """What is called otherwise now is not there under its former name as well, nor twice."""
    first: dict[tuple[str, str], str] = {}
    for located in draft.everything():
        document = located.document
        former = getattr(document, "previously", None)
        if former is None:
            continue
        path = documents.path_of(document.kind, former)
        other = first.setdefault((document.kind, former), located.path)
        if draft.exists(document.kind, former):
            message = f"{path} is still there; previously names the file that this one replaces"
            yield located.problem(("previously",), message, code="previously")
        elif other != located.path:
            message = f"{other} replaces {path} already; only one file can"
            yield located.problem(("previously",), message, code="previously")


def needs_are_met(draft: drafts.Draft) -> Problems:
    """What the vendor says it cannot work without, against what it gets."""
    listings = draft.named(documents.Listing)
    applications = draft.named(documents.Application)
    for located, permission in draft.located(documents.Permission):
        application = applications.get(permission.application)
        listing = listings.get(application.listing or "") if application else None
        if listing is None or listing.needs is None or permission.access == "none":
            continue
        withheld = (permission.fields or documents.Fields()).withhold or ()
        for index, name in enumerate(withheld):
            if name in (listing.needs.fields or ()):
                message = f"the catalogue says that {listing.title} cannot work without {name}"
                yield located.problem(
                    ("fields", "withhold", index), message, code="needs", severity="warning"
                )
        if permission.access == "basic":
            for name, given in (
                ("demographics", permission.demographics is not False),
                ("resources", permission.resources),
            ):
                if name in (listing.needs.collections or ()) and not given:
                    message = f"the catalogue says that {listing.title} cannot work without {name}"
                    yield located.problem((), message, code="needs", severity="warning")


def holding_has_a_reason(draft: drafts.Draft) -> Problems:
    """A target that waits for needs that nobody wrote down looks guarded and is not."""
    listings = draft.named(documents.Listing)
    applications = draft.named(documents.Application)
    for located, target in draft.located(documents.SftpTarget):
        application = applications.get(target.application)
        if not target.export.hold_until_needs_met or application is None:
            continue
        listing = listings.get(application.listing or "")
        if listing is None or listing.needs is None:
            message = (
                "there is nothing to wait for: the application has no catalogue entry with needs;"
                " write them there, or leave this out"
            )
            loc = ("export", "holdUntilNeedsMet")
            yield located.problem(loc, message, code="needs", severity="warning")


CHECKS: tuple[Callable[[drafts.Draft], Problems], ...] = (
    repository_is_described,
    references_lead_somewhere,
    one_permission_each,
    secrets_have_one_home,
    selections_fit_the_access,
    fields.fields_are_known,
    fields.required_members_stay,
    fields.masks_fit,
    fields.only_hidden_fields_are_shared,
    fields.profiles_have_an_owner,
    words_are_in_use,
    grades_have_two_digits,
    slots_exist_every_day,
    templates_can_be_filled,
    deliveries_keep_apart,
    sources_keep_apart,
    former_names_are_free,
    needs_are_met,
    holding_has_a_reason,
)


def _vocabulary(collection: str, path: model.FieldPath) -> vocabularies.Vocabulary | None:
    if (collection, path.dotted) == ("users", "roles.role"):
        return vocabularies.VOCABULARIES["role"]
    member = model.COLLECTIONS[collection].field(path.dotted)
    name = member.vocabulary if member is not None else None
    return vocabularies.VOCABULARIES[name] if name else None


def _words(leaf: filters.Leaf) -> list[str]:
    return leaf.value.split(",") if leaf.path.many else [leaf.value]
