"""Custom files as a delivery has them: what they left out is told, and nobody is lost with a file."""

import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from rosterd import access, documents, errors, pictures
from rosterd.exporting import customs
from tests.unit import districts


def template(*columns: dict[str, Any], **more: Any) -> documents.ExportTemplate:
    file = {"name": "people.csv", "rows": "users", "columns": columns, **more}
    return documents.ExportTemplate.model_validate_json(
        orjson.dumps({"name": "t", "title": "T", "files": [file]})
    )


def picture(**rules: Any) -> pictures.Picture:
    view = access.view(
        districts.roster(), districts.grant({"access": "full", **rules}), districts.TODAY
    )
    return pictures.Picture(view, "1.2")


ID = {"header": "Id", "field": "sourcedId"}
NAME = {"header": "Name", "field": "familyName", "required": True}
GRADE = {"header": "Grade", "field": "grades", "required": True}


def test_rows_that_are_left_out_are_told_in_counts_that_name_nobody(tmp_path: Path) -> None:
    written = customs.write(picture(), template(ID, GRADE), tmp_path)

    assert written["people.csv"].rows
    assert customs.losses(written) == "people.csv leaves out <10 rows (Grade: no value)"


def test_a_file_that_loses_every_row_is_refused_in_each_packaging(tmp_path: Path) -> None:
    hidden = picture(fields={"withhold": ["users.familyName"]})
    says = r"cannot fill people.csv of t: every row is left out \(Name: no value\)"

    with pytest.raises(errors.InputError, match=says):
        customs.write(hidden, template(ID, NAME), tmp_path)
    with (
        (tmp_path / "all.zip").open("xb") as out,
        pytest.raises(errors.InputError, match=says),
    ):
        customs.zipped(hidden, template(ID, NAME), out, tmp_path)


def test_a_file_for_which_there_is_nobody_is_no_loss(tmp_path: Path) -> None:
    nobody = template(ID, NAME, where="sourcedId='nobody'")

    with (tmp_path / "all.zip").open("xb") as out:
        written = customs.zipped(picture(), nobody, out, tmp_path)

    assert customs.losses(written) == ""
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.read("people.csv") == b"Id,Name\r\n"
