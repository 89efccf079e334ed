"""Districts in which everything that makes access hard happens often, and grants over them.

Several schools, some of them outside any district; people with roles at orgs that they have no
class at; teachers at two schools; pupils in classes of other schools; guardians named in one
record only; references to what is not active. Ids are all of one length, and nothing else holds
them, so that an id that leaks is found by looking for it in the bytes.
"""

import copy
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from hypothesis import strategies as st

from rosterd import access, configs, rosters
from rosterd.oneroster import model
from tests.unit import districts

Records = districts.Records
Shown = dict[str, set[str]]
TODAY = date(2026, 3, 2)
DAYS = ("2025-08-01", "2026-01-15", "2026-03-01", "2026-03-02", "2026-03-03", "2026-07-01")
WORDS = ("student", "student", "teacher", "aide", "siteAdministrator", "parent", "guardian")
FAMILY = ("guardian", "parent", "relative")


@dataclass(frozen=True)
class District:
    records: Records
    inactive: dict[str, list[str]]

    def roster(self) -> rosters.Roster:
        return rosters.from_records(self.records, self.inactive)

    def view(self, grant: configs.Grant) -> access.View:
        return access.view(self.roster(), grant, TODAY)


class Maker:
    """Makes records one after the other, by dice that hypothesis seeds.

    Dice of hypothesis itself would shrink better; but they come up low, and districts in which
    all is the first of its kind hide what is looked for.
    """

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.records: Records = {name: [] for name in model.COLLECTIONS}
        self.serial = 0

    def make(self, sizes: dict[str, int]) -> Records:
        makers = {
            "orgs": self.org,
            "academicSessions": self.session,
            "resources": self.resource,
            "courses": self.course,
            "classes": self.a_class,
            "users": self.user,
            "enrollments": self.enrollment,
        }
        for collection, make in makers.items():
            for _ in range(sizes[collection]):
                self.add(collection, make())
        for user in self.records["users"]:
            if self.maybe():
                described = {"birthDate": self.dice.choice(DAYS), **self.some(sex="female")}
                self.records["demographics"].append({"sourcedId": user["sourcedId"], **described})
        self.relate()
        return self.records

    def org(self) -> dict[str, Any]:
        word = self.dice.choice(("school", "school", "school", "district", "ext:annex"))
        return {
            "name": self.word(),
            "type": word,
            **self.some(identifier=self.word(), metadata={"code": self.word()}),
            **(self.ref("parent", "orgs") or self.ref("parent", "orgs")),
        }

    def resource(self) -> dict[str, Any]:
        return {"vendorResourceId": self.word(), **self.some(title=self.word())}

    def session(self) -> dict[str, Any]:
        start, end = sorted(self.dice.sample(DAYS, 2))
        return {
            "title": self.word(),
            "type": self.dice.choice(("term", "semester", "gradingPeriod", "gradingPeriod")),
            "startDate": start,
            "endDate": end,
            "schoolYear": "2026",
            **self.ref("parent", "academicSessions"),
        }

    def course(self) -> dict[str, Any]:
        return {
            "title": self.word(),
            "org": self.id("orgs"),
            **self.some(courseCode=self.word(), subjects=[self.word(), self.word()]),
            **self.ref("schoolYear", "academicSessions"),
            **self.refs("resources", "resources"),
        }

    def a_class(self) -> dict[str, Any]:
        return {
            "title": self.word(),
            "course": self.id("courses"),
            "school": self.id("orgs"),
            "terms": [self.id("academicSessions")],
            **self.some(location=self.word(), metadata={"code": self.word()}),
            **self.refs("resources", "resources"),
        }

    def user(self) -> dict[str, Any]:
        return {
            "enabledUser": self.dice.choice(("true", "false")),
            "givenName": self.word(),
            "familyName": self.word(),
            "roles": [self.role() for _ in range(self.dice.choice((1, 1, 1, 2, 3, 0)))],
            **self.some(
                username=self.word(),
                phone=self.word(),
                grades=[self.word()],
                password=self.word(),
                metadata={"bus": self.word(), "code": self.word()},
                userIds=[{"type": self.word(), "identifier": self.word()}],
            ),
            **self.ref("primaryOrg", "orgs"),
            **self.refs("resources", "resources"),
        }

    def role(self, org: str | None = None) -> dict[str, Any]:
        return {
            "roleType": self.dice.choice(("primary", "secondary")),
            "role": self.dice.choice((*WORDS, "relative", "ext:guest")),
            "org": org or self.id("orgs"),
            **self.dates(),
        }

    def enrollment(self) -> dict[str, Any]:
        held = self.dice.choice(self.records["classes"])
        words = ("student", "student", "student", "teacher", "administrator", "ext:guest")
        return {
            "user": self.id("users"),
            "class": held["sourcedId"],
            "school": held["school"] if self.dice.randint(0, 3) else self.id("orgs"),
            "role": self.dice.choice(words),
            **self.dates(),
        }

    def relate(self) -> None:
        """Agents, in one record, in the other or in both; and profiles that roles name."""
        users = self.records["users"]
        for _ in range(self.dice.randint(0, 4)):
            one, other = self.dice.choice(users), self.dice.choice(users)
            for a, b in ((one, other), (other, one)):
                if self.maybe() and b["sourcedId"] not in a.get("agents", ()):
                    a.setdefault("agents", []).append(b["sourcedId"])
        for user in users:
            if not self.dice.randint(0, 3):
                profile = {
                    "sourcedId": self.new_id("profile"),
                    "profileType": self.word(),
                    "vendorId": self.dice.choice(("maker", "other")),
                    **self.some(applicationId=self.dice.choice(("app", "else"))),
                    "credentials": [{"type": "t", "username": "u", "password": self.word()}],
                }
                user["userProfiles"] = [profile]
                for role in user["roles"][:1]:
                    role["userProfile"] = profile["sourcedId"]

    # ------------------------------------------------------------ small choices

    def add(self, collection: str, record: dict[str, Any]) -> None:
        self.records[collection].append({"sourcedId": self.new_id(collection), **record})

    def new_id(self, collection: str) -> str:
        self.serial += 1
        return f"<{collection[:4]}{self.serial:03}>"

    def id(self, collection: str) -> str:
        return str(self.dice.choice(self.records[collection])["sourcedId"])

    def maybe(self) -> bool:
        return self.dice.random() < 0.5

    def word(self) -> str:
        return "".join(self.dice.choice("abC") for _ in range(2))

    def some(self, **members: Any) -> dict[str, Any]:
        return {name: value for name, value in members.items() if self.maybe()}

    def ref(self, name: str, collection: str) -> dict[str, str]:
        held = self.records[collection]
        return {name: self.id(collection)} if held and self.maybe() else {}

    def refs(self, name: str, collection: str) -> dict[str, list[str]]:
        found = self.ref(name, collection)
        return {name: [found[name]]} if found else {}

    def dates(self) -> dict[str, str]:
        days = {"beginDate": self.dice.choice(DAYS), "endDate": self.dice.choice(DAYS)}
        return {name: day for name, day in days.items() if not self.dice.randint(0, 3)}


DICE = st.builds(Random, st.integers(0, 2**32 - 1))
SIZES = st.fixed_dictionaries(
    {
        "orgs": st.integers(3, 7),
        "academicSessions": st.integers(1, 5),
        "resources": st.integers(0, 2),
        "courses": st.integers(1, 4),
        "classes": st.integers(1, 6),
        "users": st.integers(2, 12),
        "enrollments": st.integers(1, 20),
    }
)


@st.composite
def any_district(draw: st.DrawFn, *, inactive: bool = True) -> District:
    dice = draw(DICE)
    records = Maker(dice).make(draw(SIZES))
    gone: dict[str, list[str]] = {}
    if inactive and dice.random() < 0.4:
        for collection, held in records.items():
            left = [each["sourcedId"] for each in held if dice.random() < 0.15]
            if left:
                gone[collection] = left
    return District(records, gone)


# ---------------------------------------------------------------- grants

WHERES = {
    "orgs": ("type='school'", "identifier!='aa'", "name~'a' OR parent>''"),
    "courses": ("subjects~'a'", "courseCode!='aa'", "title<'b'"),
    "classes": ("location~'a'", "title!='aa' AND course>''"),
    "users": ("familyName~'a'", "grades!='aa'", "phone>'b' OR roles.role='teacher'"),
}
FIELDS = (
    "users.phone",
    "users.agents",
    "users.grades",
    "users.userIds",
    "users.primaryOrg",
    "orgs.parent",
    "courses.org",
    "classes.location",
    "enrollments.beginDate",
    "academicSessions.children",
    "demographics.sex",
)
MASKS = (
    ("users.familyName", "initial"),
    ("users.givenName", "constant"),
    ("users.username", "initial"),
    ("demographics.birthDate", "year"),
    ("orgs.identifier", "constant"),
    ("users.metadata.bus", "initial"),
)
SHARES = ("users.metadata.bus", "orgs.metadata.code", "users.password", "users.userProfiles")


def _selection(draw: st.DrawFn, district: District, collection: str) -> Any:
    form = draw(st.sampled_from(("all", "all", "ids", "ids", "where", "under", "both")))
    if form == "all" or (form == "under" and collection != "orgs"):
        return "all"
    parts: dict[str, Any] = {}
    held = [each["sourcedId"] for each in district.records[collection]]
    if form in ("ids", "both"):
        parts["ids"] = draw(st.lists(st.sampled_from(held), min_size=1, unique=True))
    if form in ("where", "both"):
        parts["where"] = draw(st.sampled_from(WHERES[collection]))
    if form == "under":
        parts["under"] = draw(st.lists(st.sampled_from(held), min_size=1, max_size=2, unique=True))
    if collection == "classes" and draw(st.booleans()):
        parts["current"] = True
    return parts


def toggle(draw: st.DrawFn) -> Any:
    words = st.sampled_from(("student", *sorted({*WORDS, "ext:guest"})))
    roles = st.lists(words, min_size=1, max_size=3, unique=True)
    return draw(st.one_of(st.booleans(), st.builds(lambda named: {"roles": named}, roles)))


@st.composite
def basic_rules(draw: st.DrawFn, district: District) -> dict[str, Any]:
    rules: dict[str, Any] = {
        "access": "basic",
        "orgs": _selection(draw, district, "orgs"),
        "courses": _selection(draw, district, "courses"),
        "unenrolledUsers": toggle(draw),
        "guardians": draw(st.booleans()),
        "demographics": toggle(draw),
        "resources": draw(st.booleans()),
    }
    if draw(st.integers(0, 3)) == 0:
        rules["classes"] = _selection(draw, district, "classes")
    if draw(st.integers(0, 2)) == 0:
        rules["people"] = _people(draw)
    return rules


def _people(draw: st.DrawFn) -> dict[str, Any]:
    people: dict[str, Any] = {}
    if draw(st.booleans()):
        roles = st.lists(st.sampled_from(sorted(set(WORDS))), min_size=1, unique=True)
        people["roles"] = draw(roles)
    if draw(st.booleans()):
        people["where"] = draw(st.sampled_from(WHERES["users"]))
    if not people or draw(st.booleans()):
        people["current"] = True
    return people


@st.composite
def field_rules(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "withhold": draw(st.lists(st.sampled_from(FIELDS), max_size=4, unique=True)),
        "share": draw(st.lists(st.sampled_from(SHARES), max_size=3, unique=True)),
        "mask": dict(draw(st.lists(st.sampled_from(MASKS), max_size=3, unique=True))),
    }
    return {"fields": {name: value for name, value in fields.items() if value}}


def grant_of(rules: dict[str, Any], exclude: str | None = None) -> configs.Grant:
    return districts.grant(
        rules, exclude=exclude, listing={"vendorId": "maker", "applicationId": "app"}
    )


@st.composite
def any_rules(draw: st.DrawFn, district: District) -> dict[str, Any]:
    rules = {"access": "full"} if draw(st.integers(0, 4)) == 0 else draw(basic_rules(district))
    return {**rules, **draw(field_rules())}


EXCLUDES = st.sampled_from([None, None, None, "familyName='aa'", "phone!='aa'", "grades~'C'"])

# ---------------------------------------------------------------- narrower, and elsewhere


@st.composite
def narrower(draw: st.DrawFn, rules: dict[str, Any]) -> dict[str, Any]:
    """The same rules, narrowed in one or more places."""
    changed = copy.deepcopy(rules)
    for name in draw(st.lists(st.sampled_from(NARROWED), min_size=1, max_size=3, unique=True)):
        if name in ("orgs", "courses", "classes"):
            changed[name] = _narrower_selection(draw, changed.get(name, "all"), name)
        elif name == "people":
            changed[name] = {**_people(draw), **changed.get(name, {})}
        else:
            changed[name] = _narrower_toggle(draw, changed[name])
    return changed


NARROWED = (
    "orgs",
    "courses",
    "classes",
    "people",
    "unenrolledUsers",
    "guardians",
    "demographics",
    "resources",
)


def _narrower_selection(draw: st.DrawFn, selected: Any, collection: str) -> Any:
    parts = {} if selected == "all" else dict(selected)
    if "where" not in parts:
        parts["where"] = draw(st.sampled_from(WHERES[collection]))
    elif len(parts.get("ids", ())) > 1:
        parts["ids"] = parts["ids"][1:]
    else:
        parts["where"] = f"({parts['where']}) AND ({draw(st.sampled_from(WHERES[collection]))})"
    return parts


def _narrower_toggle(draw: st.DrawFn, now: Any) -> Any:
    if isinstance(now, dict) and len(now["roles"]) > 1 and draw(st.booleans()):
        return {"roles": now["roles"][1:]}
    return False


@st.composite
def elsewhere(draw: st.DrawFn, district: District, view: access.View) -> District:
    """A district that differs only in what the view does not show.

    Whether it really has the same view is for the test to see: what is changed can be what a
    selection asks.
    """
    dice = draw(DICE)
    maker = Maker(dice)
    maker.records = copy.deepcopy(district.records)
    maker.serial = 500
    shown = {name: districts.ids(view, name) for name in model.COLLECTIONS}
    for collection, held in maker.records.items():
        for record in held:
            inside = record["sourcedId"] in shown[collection]
            if dice.random() < 0.6:
                (_disguise if inside else _change)(maker, collection, record, view, shown)
    for collection in ("orgs", "users", "courses", "classes", "enrollments"):
        if dice.random() < 0.4:
            _add(maker, collection, shown)
    _drop_one(maker, shown)
    return District(maker.records, district.inactive)


def _change(
    maker: Maker, collection: str, record: dict[str, Any], view: access.View, shown: Shown
) -> None:
    """A record outside the view: anything, as long as it keeps its distance."""
    if collection in ("demographics", "enrollments"):
        record.update({"beginDate": maker.dice.choice(DAYS)} if "user" in record else {})
        return
    fresh = {
        "orgs": maker.org,
        "academicSessions": maker.session,
        "courses": maker.course,
        "users": maker.user,
    }.get(collection)
    if fresh is not None:
        made = fresh()
        if collection == "users":
            made["roles"] = [each for each in made["roles"] if each["org"] not in shown["orgs"]]
            made["roles"] = made["roles"] or record["roles"]
        record.update(made)


def _disguise(
    maker: Maker, collection: str, record: dict[str, Any], view: access.View, shown: Shown
) -> None:
    """A record inside the view: only what its application does not get of it."""
    withheld, shared = view.grant.withheld, view.grant.shared
    hidden = {name: maker.word() for name in ("bus", "code", "other")}
    kept = record.get("metadata", {})
    hidden.update({k: v for k, v in kept.items() if f"{collection}.metadata.{k}" in shared})
    for key in list(hidden):
        if f"{collection}.metadata.{key}" in shared and key not in kept:
            del hidden[key]
    record["metadata"] = hidden
    for member in ("phone", "location"):
        if f"{collection}.{member}" in withheld:
            record[member] = maker.word()
    for member, mask in (("familyName", "initial"), ("givenName", "constant")):
        if member in record and view.grant.masks.get(f"{collection}.{member}") == mask:
            start = record[member][0] if mask == "initial" else ""
            record[member] = start + maker.word()
    for member, target in model.ref_fields(collection).items():
        if member in record and collection != "demographics":
            _disguise_reference(maker, record, member, target, shown)
    if collection == "users":
        _disguise_user(maker, record, view, shown)


def _disguise_reference(
    maker: Maker, record: dict[str, Any], member: str, target: str, shown: Shown
) -> None:
    others = [
        each["sourcedId"]
        for each in maker.records[target]
        if each["sourcedId"] not in shown[target]
    ]
    value = record[member]
    if isinstance(value, str):
        if value not in shown[target] and others:
            record[member] = maker.dice.choice(others)
    else:
        left = [each for each in value if each in shown[target]]
        added = [each for each in others if maker.maybe()]
        if left or added:
            record[member] = left + added


def _disguise_user(maker: Maker, record: dict[str, Any], view: access.View, shown: Shown) -> None:
    left = [each for each in record["roles"] if each["org"] in shown["orgs"]]
    gone = [each for each in record["roles"] if each["org"] not in shown["orgs"]]
    others = [
        each["sourcedId"]
        for each in maker.records["orgs"]
        if each["sourcedId"] not in shown["orgs"]
    ]
    if others:
        gone = [maker.role(maker.dice.choice(others))] if maker.maybe() or not left else gone
        if maker.maybe() and left:
            gone = []
    record["roles"] = gone + left if maker.maybe() else left + gone
    if "users.password" not in view.grant.shared:
        record["password"] = maker.word()
    if "users.userProfiles" not in view.grant.shared:
        record["userProfiles"] = [
            {"sourcedId": maker.new_id("profile"), "profileType": "p", "vendorId": "maker"}
        ]
        for role in record["roles"][:1]:
            role["userProfile"] = record["userProfiles"][0]["sourcedId"]


def _add(maker: Maker, collection: str, shown: Shown) -> None:
    make = {
        "orgs": maker.org,
        "users": maker.user,
        "courses": maker.course,
        "classes": maker.a_class,
        "enrollments": maker.enrollment,
    }[collection]
    record = make()
    at = maker.dice.randint(0, len(maker.records[collection]))
    maker.records[collection].insert(at, {"sourcedId": maker.new_id(collection), **record})


def _drop_one(maker: Maker, shown: Shown) -> None:
    for collection in ("enrollments", "users"):
        outside = [
            each for each in maker.records[collection] if each["sourcedId"] not in shown[collection]
        ]
        if outside and maker.maybe():
            maker.records[collection].remove(maker.dice.choice(outside))
