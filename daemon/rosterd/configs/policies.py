"""What a district may forbid itself, across all applications, as a table of named checks.

These documents are right by themselves; whether they are wise is for the district to say. So each
check has a level: `off`, `warning` or `error`, of which `policies` in rosterd.yaml may name another
than the one it has by itself. What shares without a contract, or more than most contracts allow, is
a warning; what merely could be more complete is off, because a warning that everybody has is read
by nobody.

A commit is held against its own levels, and by the daemon against those of the accepted commit too:
otherwise the commit that breaks a policy could lift it. Whoever lifts one commits that first.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from rosterd import documents, errors, loading
from rosterd.configs import drafts

Found = Iterator[tuple[loading.Located, drafts.Loc, str]]
_MISSING: Final = "agreement: {reference: …, expires: …} in its application says which contract"


def demographics_without_agreement(draft: drafts.Draft) -> Found:
    for located, permission, application in _sharing(draft):
        full = permission.access == "full"
        if (full or permission.demographics is not False) and _uncontracted(draft, application):
            message = f"demographics go to {application.name} without an agreement; {_MISSING}"
            yield located, ("access",) if full else ("demographics",), message


def full_access_without_agreement(draft: drafts.Draft) -> Found:
    for located, permission, application in _sharing(draft):
        if permission.access == "full" and _uncontracted(draft, application):
            message = f"every record goes to {application.name} without an agreement; {_MISSING}"
            yield located, ("access",), message


def metadata_shared_without_agreement(draft: drafts.Draft) -> Found:
    for located, permission, application in _sharing(draft):
        if _uncontracted(draft, application):
            for loc, name in _shared(permission):
                if ".metadata." in name:
                    message = f"{name} goes to {application.name} without an agreement; {_MISSING}"
                    yield located, loc, message


def passwords_shared(draft: drafts.Draft) -> Found:
    for located, permission, application in _sharing(draft):
        for loc, name in _shared(permission):
            if name == "users.password":
                message = f"passwords go to {application.name}; sign people in by single sign-on"
                yield located, loc, message


def sftp_direct_publish(draft: drafts.Draft) -> Found:
    for located, target in draft.located(documents.SftpTarget):
        if target.enabled and target.publish == "direct":
            message = (
                "the vendor may read half a file; write publish: posix-rename, or rename, if the"
                " server can"
            )
            yield located, ("publish",), message


def development_with_full_access(draft: drafts.Draft) -> Found:
    listings = draft.named(documents.Listing)
    for located, permission, application in _sharing(draft):
        listing = listings.get(application.listing or "")
        if permission.access == "full" and listing is not None and listing.development:
            message = (
                f"{application.name} is still being developed and gets every record; write"
                " access: basic"
            )
            yield located, ("access",), message


def agreement_missing(draft: drafts.Draft) -> Found:
    for located, _, application in _sharing(draft):
        if _uncontracted(draft, application):
            message = f"{application.name} gets data without an agreement; {_MISSING}"
            yield located, ("application",), message


def owner_missing(draft: drafts.Draft) -> Found:
    for located, application in draft.located(documents.Application):
        if application.owner is None:
            message = "nobody is responsible for it; owner: {name: …, email: …} says who is"
            yield located, (), message


def no_expiry(draft: drafts.Draft) -> Found:
    for located, permission, application in _sharing(draft):
        if permission.expires is None and application.agreement is None:
            message = "this grant never ends; expires: names its last day"
            yield located, (), message


POLICIES: Final[Mapping[str, Callable[[drafts.Draft], Found]]] = {
    "demographics-without-agreement": demographics_without_agreement,
    "full-access-without-agreement": full_access_without_agreement,
    "metadata-shared-without-agreement": metadata_shared_without_agreement,
    "passwords-shared": passwords_shared,
    "sftp-direct-publish": sftp_direct_publish,
    "development-with-full-access": development_with_full_access,
    "agreement-missing": agreement_missing,
    "owner-missing": owner_missing,
    "no-expiry": no_expiry,
}


def breaches(
    draft: drafts.Draft, levels: Mapping[str, documents.Level] | None = None
) -> Iterator[errors.Problem]:
    """What the documents' own rosterd.yaml calls a warning or an error; or what `levels` do."""
    if levels is None:
        levels = _levels(draft)
    for name, check in POLICIES.items():
        level = levels[name]
        if level == "off":
            continue
        for located, loc, message in check(draft):
            text = f"{message} (policy {name})"
            yield located.problem(loc, text, code=f"policy-{name}", severity=level)


def _levels(draft: drafts.Draft) -> Mapping[str, documents.Level]:
    repositories = draft.named(documents.Repository).values()
    policies = next((each.policies for each in repositories), documents.Policies())
    return policies.levels()


def _sharing(
    draft: drafts.Draft,
) -> Iterator[tuple[loading.Located, documents.Permission, documents.Application]]:
    """Permissions that share something once their application is enabled."""
    applications = draft.named(documents.Application)
    for located, permission in draft.located(documents.Permission):
        application = applications.get(permission.application)
        if application is not None and permission.access != "none":
            yield located, permission, application


def _uncontracted(draft: drafts.Draft, application: documents.Application) -> bool:
    """Whether it wants an agreement and has none: the district's own needs no contract with it."""
    districts = {each.title for each in draft.named(documents.Repository).values()}
    return application.agreement is None and application.company not in districts


def _shared(permission: documents.Permission) -> Iterator[tuple[drafts.Loc, str]]:
    """Hidden fields that are sent, with where that is said."""
    for index, name in enumerate((permission.fields or documents.Fields()).share or ()):
        yield ("fields", "share", index), name
