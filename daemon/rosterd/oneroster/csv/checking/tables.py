"""The columns of all files, gradebook included, with what the standard lets each cell hold.

The rostering files are those of `files`; the gradebook's are told here alone, because rosterd does
not read them yet and a package that has them still has to be judged as a whole.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `form` is a word that `formats` knows; `words` are those it may hold."""

    name: str
    form: str
    required: bool = False
    target: str | None = None
    words: frozenset[str] = frozenset()
    extensible: bool = False

    @property
    def many(self) -> bool:
        return self.form in ("refs", "texts", "words")


_EVERY = "sourcedId*=id status=status dateLastModified=instant"

_GRADEBOOK: Mapping[str, str] = {
    "categories 1.1": "title*=text",
    "categories 1.2": "title*=text weight=integer",
    "lineItems 1.1": "title*=text description=text assignDate*=date dueDate*=date"
    " classSourcedId*=ref:classes categorySourcedId*=ref:categories"
    " gradingPeriodSourcedId*=ref:academicSessions resultValueMin*=float resultValueMax*=float",
    "lineItems 1.2": "title*=text description=text assignDate*=date dueDate*=date"
    " classSourcedId*=ref:classes categorySourcedId*=ref:categories"
    " academicSessionSourcedId*=ref:academicSessions resultValueMin=float resultValueMax=float"
    " schoolSourcedId*=ref:orgs",
    "results 1.1": "lineItemSourcedId*=ref:lineItems studentSourcedId*=ref:users"
    " scoreStatus*=word:scoreStatus score*=float scoreDate*=date comment=text",
    "results 1.2": "lineItemSourcedId*=ref:lineItems studentSourcedId*=ref:users"
    " scoreStatus*=word:scoreStatus score=float scoreDate*=date comment=text textScore=text"
    " classSourcedId=ref:classes inProgress=flag incomplete=flag late=flag missing=flag",
    "scoreScales 1.2": "title*=text type*=text orgSourcedId*=ref:orgs courseSourcedId*=ref:courses"
    " classSourcedId*=ref:classes scoreScaleValue*=scale",
    "lineItemScoreScales 1.2": "title=text lineItemSourcedId*=ref:lineItems"
    " scoreScaleSourcedId*=ref:scoreScales",
    "resultScoreScales 1.2": "title=text resultSourcedId*=ref:results"
    " scoreScaleSourcedId*=ref:scoreScales",
    "lineItemLearningObjectiveIds 1.2": "lineItemSourcedId*=ref:lineItems"
    " source*=word:objectiveSource learningObjectiveId*=text",
    "resultLearningObjectiveIds 1.2": "resultSourcedId*=ref:results source*=word:objectiveSource"
    " learningObjectiveId*=text score=float textScore=text",
}

_WORDS: Mapping[str, frozenset[str]] = {
    "scoreStatus": frozenset(
        {"exempt", "fully graded", "not submitted", "partially graded", "submitted"}
    ),
    "objectiveSource": frozenset({"case", "unknown"}),
}

ORDER = (
    "orgs", "academicSessions", "resources", "courses", "classes", "users", "userProfiles",
    "roles", "demographics", "enrollments", "classResources", "courseResources", "userResources",
    "categories", "scoreScales", "lineItems", "results", "lineItemScoreScales",
    "resultScoreScales", "lineItemLearningObjectiveIds", "resultLearningObjectiveIds",
)  # fmt: skip
"""In this order a file comes after those that it refers to, itself aside."""


@functools.cache
def columns(version: str, stem: str) -> tuple[Column, ...]:
    """The columns of a file in the standard's order."""
    known = files.FILES[version][stem].columns
    if known:
        return tuple(_own(column, version, stem) for column in known)
    return tuple(
        _told(text, version) for text in f"{_EVERY} {_GRADEBOOK[f'{stem} {version}']}".split()
    )


def variants(version: str, stem: str) -> Sequence[tuple[Column, ...]]:
    """Every header that is right: the first edition of 1.2 had one more column in users.csv."""
    present = columns(version, stem)
    retired = files.RETIRED.get((version, stem), ())
    if not retired:
        return (present,)
    place = [column.name for column in present].index("userMasterIdentifier") + 1
    more = tuple(_own(column, version, stem) for column in retired)
    return present, (*present[:place], *more, *present[place:])


_FORMS: Mapping[files.Format, str] = {
    files.Format.USER_IDS: "user-ids",
    files.Format.GRADES: "grades",
}


def _own(column: files.Column, version: str, stem: str) -> Column:
    form = _FORMS.get(column.format, column.format.value)
    if column.name in ("sourcedId", "status"):
        form = {"sourcedId": "id", "status": "status"}[column.name]
    elif form == "grades":
        # a list only where the standard of 1.2 calls it one
        form = "grades" if version == "1.2" and stem != "users" else "grade"
    target = "users" if (stem, column.name) == ("demographics", "sourcedId") else column.target
    if column.vocabulary is None or form == "status":
        return Column(column.name, form, column.required, target)
    vocabulary = vocabularies.VOCABULARIES[column.vocabulary]
    older = vocabulary.older
    if column.vocabulary == "enrollmentRole":  # readers of 1.1 differ: all its roles may be there
        older = vocabularies.VOCABULARIES["role"].older
    newer = version == "1.2"
    words = vocabulary.words if newer else older
    return Column(column.name, form, column.required, None, words, newer and vocabulary.extensible)


def _told(text: str, version: str) -> Column:
    name, _, form = text.partition("=")
    kind, _, argument = form.partition(":")
    bare = name.removesuffix("*")
    if kind == "word":
        return Column(bare, kind, name.endswith("*"), None, _WORDS[argument], version == "1.2")
    return Column(bare, kind, name.endswith("*"), argument or None)
