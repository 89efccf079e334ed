"""Any bytes as the files of a delivery."""

import contextlib
import io
import sys

import atheris

with atheris.instrument_imports():
    from rosterd import errors
    from rosterd.oneroster.csv import files, reader

_NAMES = ("manifest.csv", *(f"{name}.csv" for name in files.READING_ORDER), "roles.csv")


def one(data: bytes) -> None:
    """Files lie between zero bytes; the first byte of each says which one it is, and whether it
    has a header that can be read.
    """
    package: dict[str, bytes] = {}
    for part in data.split(b"\0")[:8]:
        if part:
            name = _NAMES[part[0] % len(_NAMES)]
            header = _HEADERS.get(name, b"") if part[0] >= 128 else b""
            package[name] = header + part[1:]
    openers = {
        name: lambda content=content: io.BytesIO(content) for name, content in package.items()
    }
    with contextlib.suppress(errors.InputError):
        bundle = reader.read(openers, default_mode="bulk" if len(data) % 2 else None)
        for name in files.READING_ORDER:
            for row in bundle.collection(name):
                if not row.record.get("sourcedId"):
                    raise AssertionError("a row without an id came through")


def _header(name: str) -> bytes:
    file = files.FILES["1.2"].get(name.removesuffix(".csv"))
    if file is None:
        return b"propertyName,value\r\n"
    return ",".join(column.name for column in file.columns).encode() + b"\r\n"


_HEADERS = {name: _header(name) for name in _NAMES}

if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
