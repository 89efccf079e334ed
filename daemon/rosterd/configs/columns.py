"""Checks of custom templates: that each column can be filled, before anybody waits for a file."""

from collections.abc import Iterator

from rosterd import documents, errors, loading, templates
from rosterd.configs import drafts

Problems = Iterator[errors.Problem]


def problems(located: loading.Located, template: documents.ExportTemplate) -> Problems:
    """Everything that is wrong with the columns of one template."""
    before: set[str] = set()
    for number, file in enumerate(template.files):
        if any(other.name.lower() == file.name.lower() for other in template.files[:number]):
            message = f"{file.name} is there already; a file has one place"
            yield located.problem(("files", number, "name"), message, code="same-place")
        headers: set[str] = set()
        for place, column in enumerate(file.columns):
            loc: drafts.Loc = ("files", number, "columns", place)
            if column.header in headers:
                message = f"the column {column.header} is there already; give this one another name"
                yield located.problem((*loc, "header"), message, code="header-twice")
            headers.add(column.header)
            own = {f"{file.name}:{each.header}" for each in file.columns if each is not column}
            there = before | own if column.otherwise == "blank" else before
            yield from _column(located, loc, file, column, there)
        before |= {f"{file.name}:{header}" for header in headers}


def _column(
    located: loading.Located,
    loc: drafts.Loc,
    file: documents.TemplateFile,
    column: documents.Column,
    there: set[str],
) -> Problems:
    named = column.first_of or ((column.field,) if column.field is not None else ())
    for place, text in enumerate(named):
        where = (*loc, "firstOf", place) if column.first_of else (*loc, "field")
        try:
            if column.repeat is not None:
                templates.listed(file.rows, column.repeat.over, text)
            else:
                templates.resolve(file.rows, text)
        except templates.PathError as error:
            yield located.problem(where, str(error), code="unknown-field")
    if column.transform is not None and column.transform not in templates.TRANSFORMS:
        known = ", ".join(templates.TRANSFORMS)
        hint = loading.nearest(column.transform, list(templates.TRANSFORMS)) or f"; known: {known}"
        message = f"there is no transform {column.transform}{hint}"
        yield located.problem((*loc, "transform"), message, code="unknown-name")
    if column.in_file is not None and column.in_file not in there:
        hint = loading.nearest(column.in_file, sorted(there))
        message = (
            f"no earlier file has {column.in_file}; write FILE:HEADER of one before, or of this one"
            f" with otherwise: blank{hint}"
        )
        yield located.problem((*loc, "inFile"), message, code="unknown-name")
