"""An application and what it may see: the two documents that most commits are about."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from rosterd.documents import selecting, values

Access = Literal["none", "basic", "full"]
Mask = Literal["initial", "constant", "year"]


class Rest(values.Model):
    """The REST API of one application."""

    enabled: bool = True
    """Whether the API answers this application."""
    versions: values.Several[values.Version] = ("1.2",)
    """OneRoster versions it may ask for."""
    key: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Generation of key and secret: raise it by one, and the daemon makes new ones."""
    overlap: values.Duration = timedelta(0)
    """How long the key before the present one still works after `key` was raised; when left out,
    it ends at once."""


class Agreement(values.Model):
    """The contract that allows the sharing."""

    reference: values.Text
    """Where the contract is filed."""
    expires: values.CalendarDay
    """Its last day; on the next one the application is refused."""


class Application(values.Document):
    """A vendor's product that rosters are shared with. It sees nothing without a Permission."""

    kind: Literal["Application"] = "Application"
    """What this file is."""
    name: values.Name
    """Its name everywhere; also the stem of this file's name."""
    title: values.Text
    """What people call it."""
    company: values.Text | None = None
    """Who makes it."""
    description: values.Text | None = None
    """What it is used for here."""
    listing: values.Name | None = None
    """The entry of the catalogue that it was added from."""
    owner: values.Contact | None = None
    """Who is responsible for it in the district."""
    developers: tuple[values.Contact, ...] = ()
    """Contacts at the vendor; the first one signed the application up."""
    enabled: bool = False
    """Whether it gets anything at all. A new application starts disabled."""
    rest: Rest = Rest(enabled=False)
    """Its REST API; off when left out."""
    agreement: Agreement | None = None
    """The contract that allows the sharing."""
    protected: bool = False
    """Whether removing it takes two commits: one that lifts this, a later one that removes. Its
    Permission and its SftpTargets are protected with it. Switching it off, or `access: none`, takes
    effect at once all the same."""
    previously: values.Name | None = None
    """Its former name, when this file replaces one of another name: key, secret and what the vendor
    holds stay as they are."""


class Fields(values.Model):
    """Rules for single fields, each named as collection.field, such as users.phone."""

    withhold: values.Several[values.FieldName] | None = None
    """Fields that are not there for this application."""
    mask: dict[values.FieldName, Mask] | None = None
    """Fields that are there but changed: `initial` keeps the first letter, `constant` says the
    same for everybody, `year` keeps the year of a date."""
    share: values.Several[values.FieldName] | None = None
    """Fields that are never sent unless named here: users.metadata.KEY (and other collections'
    metadata), users.password, users.userProfiles."""


class Rules(values.Model):
    """What is shared. With `none` and `full` there is nothing to select."""

    access: Access
    """`none` refuses the application, `basic` shares what the selections pick, `full` everything."""
    orgs: selecting.OrgSelection | None = None
    """Schools (and other orgs) whose classes are shared: `all`, a list of sourcedIds, or parts."""
    courses: selecting.CourseSelection | None = None
    """Courses whose classes are shared: `all`, a list of sourcedIds, or parts."""
    classes: selecting.ClassSelection | None = None
    """Narrows the classes that orgs and courses pick."""
    people: selecting.People | None = None
    """Narrows the people of those classes, and their enrollments with them."""
    unenrolled_users: selecting.Toggle = False
    """Adds staff of the selected orgs who are in none of the classes; or the roles named."""
    guardians: bool = False
    """Adds the guardians of the students that are shared."""
    demographics: selecting.Toggle = False
    """Adds demographics of the students that are shared; or of the roles named."""
    resources: bool = False
    """Adds the resources of what is shared."""
    fields: Fields | None = None
    """Rules for single fields."""


class Permission(values.Document, Rules):
    """What one application may see, over REST and over SFTP alike."""

    kind: Literal["Permission"] = "Permission"
    """What this file is."""
    name: values.Name
    """Its name; also the stem of this file's name. Most call it like the application."""
    application: values.Name
    """The application that it is for. An application has one Permission at most."""
    expires: values.CalendarDay | None = None
    """Its last day; on the next one the application is refused."""
    previously: values.Name | None = None
    """Its former name, when this file replaces one of another name."""
