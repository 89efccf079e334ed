"""Every endpoint as one row of one table: router, scopes, envelopes and tests all read it.

Paths are matched as they came over the wire, segment by segment, and only then decoded: sourcedIds
may hold `/`, which arrives as %2F. A trailing slash is accepted, since several clients send one.
"""

import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pyroaring import AbstractBitMap

from rosterd import pictures
from rosterd.oneroster import model
from rosterd.web.oneroster import relations, scopes

BASES: Final[Mapping[tuple[str, str], str]] = {
    ("1.1", "rostering"): "/ims/oneroster/v1p1",
    ("1.1", "resources"): "/ims/oneroster/v1p1",
    ("1.2", "rostering"): "/ims/oneroster/rostering/v1p2",
    ("1.2", "resources"): "/ims/oneroster/resources/v1p2",
}

Rows = Callable[[pictures.Picture], AbstractBitMap]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    `path` is below the service's base, with `{listing}` where the id of a record of that listing
    stands. The last id of a single is the record itself; all others are parents, which have to be
    seen by the application too. `within` narrows the listing to what belongs to the parents' rows.
    """

    operation: str
    version: str
    service: str
    path: str
    listing: model.Listing
    scopes: frozenset[str]
    single: bool = False
    parents: tuple[str, ...] = ()
    within: relations.Within | None = None

    @property
    def url(self) -> str:
        """The template below the server's root."""
        return BASES[self.version, self.service] + self.path


@dataclass(frozen=True, slots=True)
class Found:
    """A route and the decoded ids of its path."""

    route: Route
    ids: tuple[str, ...] = ()


def _used_as_terms(picture: pictures.Picture) -> AbstractBitMap:
    """Sessions that classes name as terms, whatever their type: semesters are common there, and
    no reference that is served may lead to a 404.
    """
    view = picture.view
    return view.roster.relation("classes", "terms").gather(view.rows["classes"])


ALSO: Final[Mapping[str, Rows]] = {"terms": _used_as_terms}
"""Listing -> rows that it answers by id, as a single or a parent, beyond those that it lists."""

# listing -> words of "getAll…" and "get…"
NAMES: Final[Mapping[str, tuple[str, str]]] = {
    "academicSessions": ("AcademicSessions", "AcademicSession"),
    "classes": ("Classes", "Class"),
    "courses": ("Courses", "Course"),
    "demographics": ("Demographics", "Demographics"),
    "enrollments": ("Enrollments", "Enrollment"),
    "gradingPeriods": ("GradingPeriods", "GradingPeriod"),
    "orgs": ("Orgs", "Org"),
    "resources": ("Resources", "Resource"),
    "schools": ("Schools", "School"),
    "students": ("Students", "Student"),
    "teachers": ("Teachers", "Teacher"),
    "terms": ("Terms", "Term"),
    "users": ("Users", "User"),
}


def _core(version: str) -> Iterator[Route]:
    for name, (plural, singular) in NAMES.items():
        listing = model.LISTINGS[name]
        service = "resources" if name == "resources" else "rostering"
        wanted = scopes.core(version, listing.collection)
        yield Route(f"getAll{plural}", version, service, f"/{name}", listing, wanted)
        yield Route(
            f"get{singular}",
            version,
            service,
            f"/{name}/{{{name}}}",
            listing,
            wanted,
            single=True,
        )


# operation, path, what it lists, which of it. Students and teachers of a class are those enrolled
# as such, whatever else they are, so these list users; at a school they are so by their own role.
# The last two are beyond the standard: ClassLink has them, and its clients ask.
_RELATED: Final[tuple[tuple[str, str, str, relations.Within], ...]] = (
    ("getClassesForSchool", "/schools/{schools}/classes", "classes",
     relations.naming("classes", "school")),
    ("getCoursesForSchool", "/schools/{schools}/courses", "courses", relations.courses_of_school),
    ("getEnrollmentsForSchool", "/schools/{schools}/enrollments", "enrollments",
     relations.enrollments_of_school),
    ("getStudentsForSchool", "/schools/{schools}/students", "students",
     relations.people_of_school("student")),
    ("getTeachersForSchool", "/schools/{schools}/teachers", "teachers",
     relations.people_of_school("teacher")),
    ("getTermsForSchool", "/schools/{schools}/terms", "terms", relations.terms_of_school),
    ("getEnrollmentsForClassInSchool", "/schools/{schools}/classes/{classes}/enrollments",
     "enrollments", relations.in_school(relations.naming("enrollments", "class"))),
    ("getStudentsForClassInSchool", "/schools/{schools}/classes/{classes}/students", "users",
     relations.in_school(relations.enrolled("student"))),
    ("getTeachersForClassInSchool", "/schools/{schools}/classes/{classes}/teachers", "users",
     relations.in_school(relations.enrolled("teacher"))),
    ("getStudentsForClass", "/classes/{classes}/students", "users", relations.enrolled("student")),
    ("getTeachersForClass", "/classes/{classes}/teachers", "users", relations.enrolled("teacher")),
    ("getClassesForCourse", "/courses/{courses}/classes", "classes",
     relations.naming("classes", "course")),
    ("getClassesForTerm", "/terms/{terms}/classes", "classes",
     relations.naming("classes", "terms")),
    ("getGradingPeriodsForTerm", "/terms/{terms}/gradingPeriods", "gradingPeriods",
     relations.naming("academicSessions", "parent")),
    ("getClassesForStudent", "/students/{students}/classes", "classes",
     relations.classes_of("student")),
    ("getClassesForTeacher", "/teachers/{teachers}/classes", "classes",
     relations.classes_of("teacher")),
    ("getClassesForUser", "/users/{users}/classes", "classes", relations.classes_of(None)),
    ("getResourcesForClass", "/classes/{classes}/resources", "resources",
     relations.named_by("classes", "resources")),
    ("getResourcesForCourse", "/courses/{courses}/resources", "resources",
     relations.named_by("courses", "resources")),
    ("getResourcesForUser", "/users/{users}/resources", "resources",
     relations.named_by("users", "resources")),
    ("getUsersForClass", "/classes/{classes}/users", "users", relations.enrolled(None)),
    ("getUsersForSchool", "/schools/{schools}/users", "users", relations.people_of_school(None)),
)  # fmt: skip
_NEWER: Final = frozenset({"getResourcesForUser"})  # users of 1.1 have no resources


def _related(version: str) -> Iterator[Route]:
    for operation, path, name, within in _RELATED:
        if version == "1.1" and operation in _NEWER:
            continue
        listing = model.LISTINGS[name]
        yield Route(
            operation,
            version,
            "resources" if name == "resources" else "rostering",
            path,
            listing,
            scopes.related(version, listing.collection),
            parents=tuple(_PARENT.findall(path)),
            within=within,
        )


_PARENT: Final = re.compile(r"\{(\w+)\}")

ROUTES: Final[tuple[Route, ...]] = tuple(
    route for version in model.VERSIONS for route in (*_core(version), *_related(version))
)


def origin_form(target: str) -> str:
    """The path of a request's target. Proxies may send a whole URL, which every server has to
    take; its host says nothing here.
    """
    return target if target.startswith("/") else _ABSOLUTE.sub("", target, count=1) or "/"


_ABSOLUTE: Final = re.compile(r"https?://[^/?]*", re.IGNORECASE)


class Router:
    """Finds the route of a raw path."""

    def __init__(self, routes: Iterable[Route] = ROUTES, prefix: str = "") -> None:
        """`prefix` is the path of the public URL; a proxy may strip it or leave it on."""
        self._prefix = prefix
        self._plain: dict[str, Found] = {}
        self._shapes: dict[tuple[str, ...], Route] = {}
        for route in routes:
            segments = route.url.split("/")
            shape = tuple("" if part.startswith("{") else part for part in segments)
            if shape in self._shapes:
                raise AssertionError(f"two routes have the shape of {route.url}")
            self._shapes[shape] = route
            if "{" not in route.path:
                self._plain[route.url] = Found(route)
        self._bases = {
            base: base.count("/") + 1 for base in sorted(set(BASES.values()), reverse=True)
        }

    def find(self, path: str) -> Found | None:
        """The route of a path as it stands in the request line, without query."""
        found = self._plain.get(path)
        if found is not None:
            return found
        path = self._below(path)
        return self._plain.get(path) or self._with_ids(path)

    def version(self, path: str) -> str:
        """In whose shape an error about this path is told; 1.2 where the path does not say."""
        older = BASES["1.1", "rostering"]
        path = self._below(path)
        return "1.1" if path == older or path.startswith(older + "/") else "1.2"

    def _below(self, path: str) -> str:
        path = origin_form(path)
        if self._prefix and path.startswith(self._prefix + "/"):
            path = path.removeprefix(self._prefix)
        if "//" in path:
            path = self._joined(path)
        return path.removesuffix("/")

    def _joined(self, path: str) -> str:
        """Without the second slash where a client put a URL with one at its end before a path with
        one at its beginning. Anywhere else two slashes are an id that is empty.
        """
        path = "/" + path.lstrip("/")
        for base in self._bases:
            if path.startswith(base + "//"):
                return base + "/" + path.removeprefix(base).lstrip("/")
        return path

    def _with_ids(self, path: str) -> Found | None:
        depth = next((n for base, n in self._bases.items() if path.startswith(base + "/")), None)
        if depth is None:
            return None
        segments = path.split("/")
        # below a base, names and ids take turns: /schools/{id}/classes/{id}/students
        shape = tuple(
            "" if index >= depth and (index - depth) % 2 else segment
            for index, segment in enumerate(segments)
        )
        route = self._shapes.get(shape)
        if route is None:
            return None
        ids = tuple(urllib.parse.unquote(segment) for segment in segments[depth + 1 :: 2])
        return Found(route, ids)
