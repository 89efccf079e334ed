"""Any text as a filter of any collection, and what it makes of a record."""

import sys

import atheris

with atheris.instrument_imports():
    from rosterd.oneroster import filters, model

_COLLECTIONS = tuple(model.COLLECTIONS)
_RECORD = {
    "sourcedId": "u",
    "familyName": "O'Brien",
    "enabledUser": "true",
    "grades": ["01", "02"],
    "roles": [{"roleType": "primary", "role": "student", "org": "school"}],
    "metadata": {"x": "y"},
}


def one(data: bytes) -> None:
    """One byte chooses collection and version, the others are the filter."""
    if not data:
        return
    collection = _COLLECTIONS[data[0] // 2 % len(_COLLECTIONS)]
    version = model.VERSIONS[data[0] % 2]
    text = data[1:].decode("utf-8", "replace")
    try:
        tree = filters.parse(text, collection, version)
    except filters.FilterError as error:
        if not 1 <= error.column <= len(text) + 1:
            raise AssertionError(f"column {error.column} of {len(text)}") from error
        return
    for missing in (True, False):
        filters.matcher(tree, missing=missing)(_RECORD)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
