"""Adding an application: from the catalogue to the documents that a commit brings.

Nothing is changed here. The form asks for its own page again with what was chosen, so what it would
share is counted by the same code that will share it, and the result is text to commit, or a branch
for somebody to take over.
"""

import itertools
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rosterd import documents, drafting, errors
from rosterd.documents import values
from rosterd.web import desk
from rosterd.web.console import copying, pages

_ORGS: Final = 200
ACCESSES: Final = {
    "none": "None: prepare it, share nothing",
    "basic": "Basic: what orgs and courses pick",
    "full": "Full: every active record",
}
PICKS: Final = {"all": "All", "ids": "These", "rule": "By a rule"}
SWITCHES: Final = {
    "unenrolledUsers": "Staff without a class that is shared",
    "guardians": "Guardians of the students that are shared",
    "demographics": "Demographics of the students that are shared",
    "resources": "Resources of what is shared",
}
_Form = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """The documents that the form makes."""

    name: str
    application: str
    permission: str

    @property
    def papers(self) -> tuple[tuple[str, str], ...]:
        """(path, text)."""
        return (
            (documents.path_of("Application", self.name), self.application),
            (documents.path_of("Permission", self.name), self.permission),
        )

    @property
    def commands(self) -> str:
        """What to type in a clone of the config repository; the name has no need of quotes."""
        return (
            f"git switch -c add-{self.name}\n"
            "# write the two files above, then\n"
            "rosterd check\n"
            f"git add {' '.join(path for path, _ in self.papers)}\n"
            f'git commit -S -m "Add {self.name}"\n'
            f"git push -u origin add-{self.name}\n"
        )


async def _page(asked: pages.Asked) -> pages.Context:
    catalog = await asked.desk.catalog()
    listing = asked.text("listing")
    chosen = next((each for each in catalog if each["name"] == listing), None)
    if listing and chosen is None:
        raise pages.Missing(f"the catalogue has no entry {listing}")
    if chosen is not None or "own" in asked.given:
        return {**await _form(asked, chosen), "found": (), "q": "", "dev": False}
    words, dev = asked.text("q"), "dev" in asked.given
    found = [each for each in catalog if _matches(each, words) and (dev or not each["development"])]
    return {
        "form": None,
        "found": found,
        "q": words,
        "dev": dev,
        "hidden": 0
        if dev
        else sum(_matches(each, words) and each["development"] for each in catalog),
        "listing": None,
    }


def _matches(each: desk.Listed, text: str) -> bool:
    words = f"{each['title']} {each['company']} {each['name']}".casefold()
    return all(word in words for word in text.casefold().split())


async def _form(asked: pages.Asked, listing: desk.Listed | None) -> dict[str, Any]:
    every = await asked.desk.applications()
    names = {each["name"] for each in every}
    form = _typed(asked) if "form" in asked.given else _recommended(listing, names)
    origin = asked.text("copy", 63)
    if origin and origin not in names:
        raise pages.Missing(f"no application is called {origin}")
    problems = []
    if not re.fullmatch(values.NAME, form["name"]):
        problems.append("Its name takes small letters, digits and hyphens, such as math-galaxy.")
    elif form["name"] in names:
        problems.append(f"There is an application {form['name']} already: choose another name.")
    if bool(form["reference"]) != bool(form["agreed_until"]):
        problems.append("An agreement takes both where it is filed and its last day.")
    if not origin:
        problems += _unpicked(form)
    text = None
    if origin and not problems:
        text, wrong = await copying.text(asked, origin, form["name"])
        problems += wrong
    draft = _draft(form, listing, text) if not problems else None
    preview = None
    if draft is not None and asked.who.may("operator"):
        try:
            preview = await asked.desk.preview(draft.permission, asked.who.name)
        except errors.InputError as error:
            problems += copying.words(error)
        except errors.TemporaryError as error:
            problems.append(str(error))
    return {
        "form": form,
        "listing": listing,
        "orgs": await _orgs(asked),
        "accesses": ACCESSES,
        "selections": PICKS,
        "switches": SWITCHES,
        "problems": problems,
        "draft": draft,
        "preview": preview,
        "copy": origin,
        "text": text,
        "others": sorted(every, key=lambda each: each["title"].casefold()),
        "clone": await asked.desk.clone() if asked.who.may("operator") else None,
    }


def _unpicked(form: _Form) -> list[str]:
    """What was to be picked and was not: nothing picked is no permission, and not all either."""
    if form["access"] != "basic":
        return []
    rule = form["orgs_under"] or form["orgs_where"]
    wanted = {
        ("orgs", "ids"): (form["org"], "Tick at least one org, or choose all."),
        ("orgs", "rule"): (rule, "Write a rule for the orgs, or choose all."),
        ("courses", "ids"): (form["courses_ids"], "Name at least one course, or choose all."),
        ("courses", "rule"): (
            form["courses_where"],
            "Write a rule for the courses, or choose all.",
        ),
    }
    return [
        words for (name, how), (given, words) in wanted.items() if form[name] == how and not given
    ]


async def _prepare(asked: pages.Asked) -> pages.Context:
    """The documents that were shown, in a branch of the clone that the settings name."""
    name = asked.text("name", 63)
    try:
        files = {
            documents.path_of("Application", name): copying.lines(asked, "application"),
            documents.path_of("Permission", name): copying.lines(asked, "permission"),
        }
        prepared = await asked.desk.prepare(name, files, asked.who.name)
    except errors.InputError as error:
        return {"name": name, "problems": copying.words(error), "prepared": None}
    return {
        "name": name,
        "problems": [],
        "prepared": prepared,
        "fetched": shlex.quote(prepared["clone"]),
    }


async def _orgs(asked: pages.Asked) -> list[desk.Row]:
    """The orgs that can be ticked; where there are more, a rule picks better."""
    try:
        page = await asked.desk.browse("orgs", asked.who.name, limit=_ORGS)
    except errors.TemporaryError:
        return []
    return sorted(page["rows"], key=lambda each: each["name"].casefold())


def _typed(asked: pages.Asked) -> _Form:
    return {
        "name": asked.text("name", 63),
        "title": asked.text("title"),
        "company": asked.text("company"),
        "reference": asked.text("reference"),
        "agreed_until": asked.text("agreed_until", 10),
        "access": asked.one_of("access", ACCESSES, "none"),
        "orgs": asked.one_of("orgs", PICKS, "all"),
        "org": asked.chosen.get("org", [])[:_ORGS],
        "orgs_under": asked.text("orgs_under"),
        "orgs_where": asked.text("orgs_where"),
        "courses": asked.one_of("courses", PICKS, "all"),
        "courses_ids": asked.text("courses_ids", 2_000),
        "courses_where": asked.text("courses_where"),
        "withhold": asked.text("withhold", 1_000),
        "on": [name for name in SWITCHES if name in asked.given],
    }


def _recommended(listing: desk.Listed | None, names: Collection[str]) -> _Form:
    """What the vendor recommends, for a form that nobody has touched."""
    rules = dict(listing["recommended"] or {}) if listing else {}
    orgs, courses = rules.pop("orgs", "all"), rules.pop("courses", "all")
    fields = rules.pop("fields", {})
    return {
        "name": _free(listing["name"], names) if listing else "",
        "title": listing["title"] if listing else "",
        "company": listing["company"] if listing else "",
        "reference": "",
        "agreed_until": "",
        "access": rules.pop("access", "basic"),
        **_picked("orgs", orgs),
        "org": orgs if isinstance(orgs, list) else [],
        **_picked("courses", courses),
        "withhold": ", ".join(fields.get("withhold", ())),
        "on": [name for name in SWITCHES if rules.get(name)],
    }


def _free(name: str, names: Collection[str]) -> str:
    """The name, or the first one with a number behind it that nobody has."""
    counted = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], counted) if each not in names)


def _picked(name: str, selection: Any) -> dict[str, Any]:
    if isinstance(selection, dict):
        ids = selection.get("ids", [])
        return {
            name: "rule" if "where" in selection or "under" in selection else "ids",
            f"{name}_ids": ", ".join(ids),
            f"{name}_under": ", ".join(selection.get("under", ())),
            f"{name}_where": selection.get("where", ""),
        }
    ids = selection if isinstance(selection, list) else []
    return {
        name: "ids" if ids else "all",
        f"{name}_ids": ", ".join(ids),
        f"{name}_under": "",
        f"{name}_where": "",
    }


def _draft(form: _Form, listing: desk.Listed | None, text: str | None = None) -> Draft:
    """The documents; `text` is the permission when it was copied. What the form has no field for stays as the vendor recommends it: to leave a mask or a
    narrowing out would share more than anybody asked for.
    """
    recommended = (listing["recommended"] if listing else None) or {}
    rules: dict[str, Any] = {"access": form["access"]}
    if form["access"] == "basic":
        under, where = several(form["orgs_under"]), form["orgs_where"]
        rule = {name: value for name, value in (("under", under), ("where", where)) if value}
        rules["orgs"] = {"all": "all", "ids": list(form["org"]), "rule": rule}[form["orgs"]]
        where = form["courses_where"]
        rules["courses"] = {
            "all": "all",
            "ids": several(form["courses_ids"]),
            "rule": {"where": where} if where else {},
        }[form["courses"]]
        narrowing = ("classes", "people")
        rules |= {name: recommended[name] for name in narrowing if name in recommended}
        rules |= {name: _roles(recommended.get(name)) for name in form["on"]}
    fields = _fields(recommended.get("fields") or {}, several(form["withhold"]))
    if fields and form["access"] != "none":
        rules["fields"] = fields
    name = form["name"]
    agreement = {"reference": form["reference"], "expires": form["agreed_until"]}
    application = {
        "name": name,
        "title": form["title"] or name,
        "company": form["company"] or None,
        "listing": listing["name"] if listing else None,
        "developers": (listing["developers"] if listing else None) or None,
        "enabled": False,
        "rest": {"versions": (listing["versions"] if listing else None) or ["1.2"]},
        "agreement": agreement if form["reference"] else None,
    }
    if text is None:
        text = drafting.permission(name, rules)
    return Draft(name, drafting.document("Application", application), text)


def _roles(recommended: object) -> object:
    """A switch that is on, for the roles that were recommended when some were named."""
    return recommended if isinstance(recommended, Mapping) else True


def _fields(recommended: Mapping[str, Any], withheld: list[str]) -> dict[str, Any]:
    """Rules for fields: those withheld are not masked or shared as well."""
    masks = dict(recommended.get("mask") or {})
    shared = [name for name in recommended.get("share") or () if name not in withheld]
    found = {
        "withhold": withheld,
        "mask": {name: mask for name, mask in masks.items() if name not in withheld},
        "share": shared,
    }
    return {name: said for name, said in found.items() if said}


def several(text: str) -> list[str]:
    """Words that commas or spaces part."""
    return [word for word in re.split(r"[,\s]+", text) if word]


PAGES: Final = (
    pages.Page("/add", "add.html", _page, label="Add"),
    # a permission that was copied is too long for an address
    pages.Page("/add", "add.html", _page, method="POST"),
    pages.Page(
        "/add/branch", "prepared.html", _prepare, role="operator", method="POST", under="/add"
    ),
)
