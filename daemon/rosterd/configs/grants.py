"""What one application may see, as far as documents say it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from rosterd import documents, selections


@dataclass(frozen=True, slots=True)
class Grant:
    """What one application may see, as far as documents say it: the input of `access.view`.

    The parts are those of a basic permission; with `full` there are none, and with `none` they
    count nothing. `exclude` names people who are never shared: there a record that lacks a field
    DOES match `!=` (as in REST), because here matching is the careful side.
    """

    application: documents.Application
    permission: documents.Permission | None
    listing: documents.Listing | None = None
    exclude: selections.Selection | None = None
    orgs: selections.Selection | None = None
    courses: selections.Selection | None = None
    classes: selections.Selection | None = None
    people: selections.People = field(default_factory=selections.People)
    stopped: str | None = None
    """Why it gets nothing whatever the documents say; set by who serves, never by a config."""

    @property
    def access(self) -> documents.Access:
        """`none` also for an application without a permission."""
        return "none" if self.permission is None else self.permission.access

    @property
    def withheld(self) -> frozenset[str]:
        """Fields that are not there for this application, as "users.phone"."""
        fields = self._fields
        return frozenset(fields.withhold or ())

    @property
    def masks(self) -> Mapping[str, documents.Mask]:
        """Fields that are changed, as "users.familyName", and how."""
        return dict(self._fields.mask or {})

    @property
    def shared(self) -> frozenset[str]:
        """Fields sent although they are hidden by default, as "users.metadata.bus"."""
        return frozenset(self._fields.share or ())

    def refusal(self, today: date) -> str | None:
        """Why this application gets nothing today, or None when it gets its part.

        Whether REST is on is another question: that is `application.rest.enabled`.
        """
        if self.stopped is not None:
            return self.stopped
        if self.permission is None:
            return "it has no permission"
        if self.permission.access == "none":
            return "its permission says access: none"
        if not self.application.enabled:
            return "it is disabled"
        if self.permission.expires is not None and today > self.permission.expires:
            return f"its permission expired on {self.permission.expires}"
        agreement = self.application.agreement
        if agreement is not None and today > agreement.expires:
            return f"its agreement expired on {agreement.expires}"
        return None

    @property
    def _fields(self) -> documents.Fields:
        permission = self.permission
        return documents.Fields() if permission is None else permission.fields or documents.Fields()


def bounded(grant: Grant, rest: documents.Rest) -> Grant:
    """The grant with no more of the REST API than `rest` gives."""
    own = grant.application.rest
    versions = tuple(each for each in own.versions if each in rest.versions)
    enabled = own.enabled and rest.enabled and bool(versions)
    less = own.model_copy(update={"enabled": enabled, "versions": versions or own.versions})
    if less == own:
        return grant
    return replace(grant, application=grant.application.model_copy(update={"rest": less}))
