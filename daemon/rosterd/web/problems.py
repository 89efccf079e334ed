"""Errors as OneRoster says them, each version in its own shape.

A refusal is raised where it is noticed, with one neutral code; what the versions call it stands in
one table here. Descriptions name a parameter, a field or a rule, never a value: values of queries
and paths are personal data, and a description ends up in other people's logs.
"""

from collections.abc import Mapping
from typing import Final

import orjson

# neutral code -> code of 1.2, code of 1.1; the codes are short, so they stay readable in logs.
_CODES: Final[Mapping[str, tuple[str, str]]] = {
    "invalid_data": ("invaliddata", "invalid data"),
    "invalid_filter": ("invalid_filter_field", "invalid_filter_field"),
    "invalid_selection": ("invalid_selection_field", "invalid_selection_field"),
    "blank_selection": ("invalid_selection_field", "invalid_blank_selection_field"),
    "invalid_sort": ("invaliddata", "invalid_sort_field"),
    "invalid_sort_of_resources": ("invalid_sort_field", "invalid_sort_field"),  # theirs alone
    "unauthorized": ("unauthorisedrequest", "unauthorized"),
    "forbidden": ("forbidden", "forbidden"),
    "unknown_object": ("unknownobject", "unknown object"),
    "busy": ("server_busy", "server_busy"),
    "failed": ("internal_server_error", "internal_server_error"),
    # Neither version has a code for a method that does not exist; 1.2 may leave it out.
    "unsupported": ("", "unsupported"),
}


def minor_codes(service: str) -> list[str]:
    """Every code that a 1.2 payload of "rostering" or "resources" may name."""
    others = () if service == "resources" else ("invalid_sort_field",)
    return sorted({newer for newer, _ in _CODES.values()}.difference(("", *others)))


class Refused(Exception):
    """A request that is answered with an error. `headers` go out with it."""

    def __init__(
        self, status: int, code: str, description: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description
        self.headers = headers or {}


def body(version: str, refused: Refused) -> bytes:
    """The payload of one refusal."""
    major = "unsupported" if refused.code == "unsupported" else "failure"
    newer, older = _CODES[refused.code]
    if version == "1.1":
        return orjson.dumps({"statusInfoSet": [_older(major, "error", older, refused.description)]})
    payload: dict[str, object] = {
        "imsx_codeMajor": major,
        "imsx_severity": "error",
        "imsx_description": refused.description,
    }
    if newer:
        payload["imsx_CodeMinor"] = {
            "imsx_codeMinorField": [
                {
                    "imsx_codeMinorFieldName": "TargetEndSystem",
                    "imsx_codeMinorFieldValue": newer,
                }
            ]
        }
    return orjson.dumps(payload)


def warning(code: str, description: str) -> bytes:
    """A 1.1 warning as the second member of a body: `,"statusInfoSet":[…]`."""
    info = _older("success", "warning", _CODES[code][1], description)
    return b',"statusInfoSet":' + orjson.dumps([info])


def _older(major: str, severity: str, code: str, description: str) -> dict[str, str]:
    return {
        "imsx_codeMajor": major,
        "imsx_severity": severity,
        "imsx_codeMinor": code,
        "imsx_description": description,
    }


def invalid(description: str) -> Refused:
    """400 for a parameter that is wrong."""
    return Refused(400, "invalid_data", description)


def unknown(what: str) -> Refused:
    """404; the same for what never was and for what this application does not see."""
    return Refused(404, "unknown_object", f"there is no such {what} for this application")


def too_many(pause: int) -> Refused:
    """429 for who has used up a minute's requests; `pause` in seconds."""
    return Refused(
        429, "busy", "these are too many requests; slow down", {"Retry-After": str(pause)}
    )


def unsorted(service: str) -> Refused:
    """400 for a sort by what is no field; only the resources service has a code of its own."""
    code = "invalid_sort_of_resources" if service == "resources" else "invalid_sort"
    return Refused(400, code, "sort names no field of these records")


def not_ready() -> Refused:
    """503 while there is nothing to serve yet."""
    return Refused(
        503, "busy", "there is no roster to serve yet; try again later", {"Retry-After": "30"}
    )
