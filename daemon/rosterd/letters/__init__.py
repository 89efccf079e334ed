"""Letters to a vendor's developers, as plain texts.

A letter is made from `Facts` and nothing else. So what may stand in one is decided here: names of
documents, addresses of this daemon, counts as plans tell them, and a link; no record of a roster and
no secret, which is why there is no field for them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import jinja2

Template = Literal[
    "enabled", "disabled", "credentials-rotated", "permission-changed", "export-failing"
]
TEMPLATES: Final[tuple[Template, ...]] = get_args(Template)
LINKED: Final = frozenset(("enabled", "credentials-rotated"))
"""Templates that carry a link to key and secret, when there is a REST API to use them at."""

_texts: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("rosterd.letters", "texts"),
    autoescape=False,  # noqa: S701 - plain text; what is filled in is one line each
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Failing:
    """A delivery that does not get through."""

    target: str
    host: str
    file: str
    since: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that a letter can say."""

    application: str
    title: str
    reader: str
    """How the contact is called in the Application document."""
    district: str
    contact: str | None = None
    """Who answers in the district: name and address in one line."""
    base: str = ""
    """Base of the REST API; empty when it is off."""
    versions: tuple[str, ...] = ()
    link: str | None = None
    """Where key and secret are shown once."""
    link_ends: str = ""
    overlap_ends: str | None = None
    """Until when the former key goes on."""
    targets: tuple[str, ...] = ()
    """Names of the SFTP targets that are delivered to."""
    counts: Mapping[str, int | str] = field(default_factory=dict)
    """Records of each collection, as plans tell them."""
    failing: tuple[Failing, ...] = ()


def compose(template: Template, facts: Facts) -> tuple[str, str]:
    """(subject, text) of a letter."""
    text = _texts.get_template(f"{template}.txt").render(facts=facts)
    subject, _, body = text.strip().partition("\n\n")
    body = re.sub(r"\n{3,}", "\n\n", body.strip("\n")) + "\n"
    return " ".join(subject.removeprefix("Subject: ").split()), body
