"""How a document picks records: one grammar for orgs, courses, classes and people."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Tag, model_validator

from rosterd.documents import values


class Narrowing(values.Model):
    """A conjunction of what is given. Giving nothing would pick everything, so it is refused."""

    @model_validator(mode="after")
    def _something_is_said(self) -> Self:
        if not self.model_fields_set:
            raise values.wrong("nothing is picked here; write all, or name what narrows it")
        return self


class Parts(Narrowing):
    """Records that every part given here agrees on."""

    ids: values.Several[values.SourcedId] | None = None
    """Exactly these records, by sourcedId."""
    where: values.Where | None = None
    """Those for which this holds: the OneRoster filter grammar with REST 1.2 names. A record
    without a value in a field never matches a comparison of that field."""


class OrgParts(Parts):
    """Orgs that every part given here agrees on."""

    under: values.Several[values.SourcedId] | None = None
    """These orgs and everything below them."""


class ClassParts(Parts):
    """Classes that every part given here agrees on."""

    current: bool = False
    """Only classes with a term that runs today."""


class People(Narrowing):
    """Narrows people and their enrollments together; every part given here has to agree."""

    roles: values.Several[values.Role] | None = None
    """Only people with one of these roles."""
    where: values.Where | None = None
    """Only people for whom this holds: the OneRoster filter grammar on users, REST 1.2 names."""
    current: bool = False
    """Only enrollments that run today."""


class Roles(values.Model):
    """Named roles instead of the usual ones."""

    roles: values.Several[values.Role]
    """The roles meant."""


class PeopleWhere(values.Model):
    """People by a condition alone."""

    where: values.Where
    """The people for whom this holds: the OneRoster filter grammar on users, REST 1.2 names."""


def _form(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "ids"
    return "parts" if isinstance(value, (dict, Parts)) else "all"


Selected = Literal["all"] | tuple[str, ...] | Parts
"""What orgs, courses and classes are picked by, whichever of the forms was written."""

All = Annotated[Literal["all"], Tag("all")]
Ids = Annotated[values.Several[values.SourcedId], Tag("ids")]
OrgSelection = Annotated[All | Ids | Annotated[OrgParts, Tag("parts")], Discriminator(_form)]
CourseSelection = Annotated[All | Ids | Annotated[Parts, Tag("parts")], Discriminator(_form)]
ClassSelection = Annotated[All | Ids | Annotated[ClassParts, Tag("parts")], Discriminator(_form)]


def _toggle_form(value: object) -> str:
    return "roles" if isinstance(value, (dict, Roles)) else "switch"


Toggle = Annotated[
    Annotated[bool, Tag("switch")] | Annotated[Roles, Tag("roles")], Discriminator(_toggle_form)
]
