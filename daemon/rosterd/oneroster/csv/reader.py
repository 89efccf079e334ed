"""A package opened for import: checked as a whole first, then read collection by collection.

An author learns of every file that cannot be used at once. After that a row stands and falls for
itself. Whether a reference leads anywhere is not asked here but where the generation is built:
only there the records of other sources and of earlier deliveries are known.
"""

from collections.abc import Iterator, Mapping

from rosterd import errors
from rosterd.oneroster import vocabularies
from rosterd.oneroster.csv import files, folding, headers, lines, manifest, problems, rows, sheets

Opener = lines.Opener

_AS_THEY_ARE = frozenset({"enrollments", "demographics", "academicSessions", "resources"})
_CODED = frozenset({"courses", "classes"})


class Bundle:
    """An opened package.

    `version` is "1.1" or "1.2"; `modes` has absent, bulk or delta for every data file of the
    version by stem ("users", "roles", …); `names` the file's own name by stem, for those that are
    read. Read each collection once, in `files.READING_ORDER`; `problems` grows while reading.
    """

    def __init__(
        self,
        stated: manifest.Manifest,
        opened: Mapping[str, tuple[str, sheets.Sheet, headers.Layout]],
        found: problems.Problems,
    ) -> None:
        self.version = stated.version
        self.modes = stated.modes
        self.names = {stem: name for stem, (name, _, _) in opened.items()}
        self.problems = found
        self._opened = opened
        self._org_types: dict[str, str] = {}

    def collection(
        self, name: str, *, org_type: folding.OrgType | None = None
    ) -> Iterator[rows.Row]:
        """The rows of one collection, bulk link files folded in; none when its file is absent.

        `org_type` answers for orgs outside this package: administrators of 1.1 become those of a
        site or a district by it. Orgs must have been read before users. InputError for what makes
        the whole file unusable, also in the middle of it.
        """
        if name not in self._opened:
            return
        if name == "users" and self.version == "1.2" and "roles" not in self._opened:
            self.problems.add(self.names[name], 0, 0, "no-roles-file", "roles.csv")
        if name in _AS_THEY_ARE:
            yield from self._rows(name)
            return
        folder = self._folder(name, org_type)
        for row in self._rows(name):
            record = row.record
            if name == "orgs":
                self._org_types[record["sourcedId"]] = record.get("type", "")
            elif name in _CODED:
                self._check_subjects(name, row)
            elif name == "users":
                record = self._user(record, org_type)
            if folder is not None:
                folder.fold(record)
                self._check_roles(name, row, record)
            yield row if record is row.record else row._replace(record=record)
        if folder is not None and self.modes[name] == "bulk":
            folder.finish()

    def links(self, name: str) -> Iterator[rows.Row]:
        """The rows of one link file as they are: what a delta of a link file has to be read by.

        Records have the members that `files` names, such as `user`, `role` and `org`.
        """
        if name in self._opened:
            yield from self._rows(name)

    def untold(self, name: str) -> frozenset[str]:
        """Members of this collection's records that `collection` cannot tell.

        Their link file is absent or a delta; so what is known of them stays (an absent file is
        not an empty one). Such as `userProfiles` of users.
        """
        told = {
            file.into for file in files.links(self.version, name) if self.modes[file.name] == "bulk"
        }
        if name in self._opened:
            _, _, layout = self._opened[name]
            told |= {placed.column.member for placed in layout.placed}
        made = {file.into for file in files.links(self.version, name)}
        return frozenset(member for member in made - told if member is not None)

    def _rows(self, name: str) -> Iterator[rows.Row]:
        _, sheet, layout = self._opened[name]
        return sheet.read(layout)

    def _folder(self, name: str, org_type: folding.OrgType | None) -> folding.Folder | None:
        links = [
            folding.Links(self.names[file.name], file, self._rows(file.name))
            for file in files.links(self.version, name)
            if self.modes[file.name] == "bulk" and file.name in self._opened
        ]
        return folding.Folder(links, self._org_type(org_type), self.problems) if links else None

    def _org_type(self, outside: folding.OrgType | None) -> folding.OrgType:
        def org_type(sourced_id: str) -> str | None:
            found = self._org_types.get(sourced_id)
            return found if found or outside is None else outside(sourced_id)

        return org_type

    def _user(self, record: rows.Record, org_type: folding.OrgType | None) -> rows.Record:
        if self.version == "1.1":
            return vocabularies.from_1p1("users", record, self._org_type(org_type))
        return record

    def _check_roles(self, name: str, row: rows.Row, record: rows.Record) -> None:
        """A user without a role is kept: an application that sees an enrollment of theirs gets
        a role from it, and dropping the user would drop the enrollments too.
        """
        told = name == "users" and self.modes.get("roles") == "bulk"
        if told and row.status == "active" and "roles" not in record:
            self.problems.add(self.names[name], row.line, 1, "no-roles", "sourcedId")

    def _check_subjects(self, name: str, row: rows.Row) -> None:
        codes, subjects = row.record.get("subjectCodes"), row.record.get("subjects", ())
        if codes and len(codes) != len(subjects):
            self.problems.add(self.names[name], row.line, 0, "unequal-lists", "subjectCodes")


def read(folder: Mapping[str, Opener], *, default_mode: str | None = None) -> Bundle:
    """Open a package, given as file name -> opener (a file may be opened more than once).

    `default_mode` ("bulk" or "delta") is taken where the manifest is missing or says nothing.
    InputError with all faults of a package that cannot be used; nothing else is raised for any
    bytes.
    """
    found = problems.Problems()
    present = _present(folder, found)
    own = present.pop("manifest", manifest.NAME)
    stated = manifest.read(
        own, folder.get(own), frozenset(present) & _known_stems(), default_mode, found
    )
    chosen = _chosen(stated, present, found)
    opened: dict[str, tuple[str, sheets.Sheet, headers.Layout]] = {}
    refused: list[errors.Problem] = []
    for stem in chosen:
        file, name = files.FILES[stated.version][stem], present[stem]
        mode = stated.modes[stem]
        sheet = sheets.Sheet(
            name, folder[name], file, version=stated.version, mode=mode, found=found
        )
        try:
            opened[stem] = (name, sheet, sheet.layout())
        except errors.InputError as error:
            refused += error.problems
    if refused:
        raise problems.refusal(refused)
    return Bundle(stated, opened, found)


def _known_stems() -> frozenset[str]:
    return frozenset(stem for table in files.FILES.values() for stem in table)


def _present(folder: Mapping[str, Opener], found: problems.Problems) -> dict[str, str]:
    """Stem -> file name of what is there, `manifest` among them; other files are left alone."""
    spelled = {stem.casefold(): stem for stem in (*_known_stems(), "manifest")}
    present: dict[str, str] = {}
    twice = []
    for name in sorted(folder):
        bare, dot, ending = name.rpartition(".")
        if not dot or ending.casefold() != "csv":
            continue
        stem = spelled.get(bare.casefold())
        if stem is None:
            found.add(name, 0, 0, "extra-file", "the file")
        elif stem in present:
            twice.append(problems.problem(name, 0, 0, "same-name", f"{stem}.csv"))
        else:
            present[stem] = name
            if name != f"{stem}.csv":
                found.add(name, 0, 0, "file-name", f"{stem}.csv")
    if twice:
        raise problems.refusal(twice)
    return present


def _chosen(
    stated: manifest.Manifest, present: Mapping[str, str], found: problems.Problems
) -> list[str]:
    """Stems of the files to read. InputError when a declared file is not there: a complete set
    that was merely forgotten would look like an empty one.
    """
    table = files.FILES[stated.version]
    missing = [
        problems.problem(manifest.NAME, 0, 0, "missing-file", file.file_name)
        for file in table.values()
        if stated.modes[file.name] != "absent" and file.name not in present
    ]
    if missing:
        raise problems.refusal(missing)
    chosen = []
    for stem, name in present.items():
        if stem not in table:
            found.add(name, 0, 0, "extra-file", "the file")
        elif stated.modes[stem] == "absent":
            found.add(name, 0, 0, "not-declared", "the file")
        elif table[stem].collection is None:
            found.add(name, 0, 0, "not-imported", "the file")
        else:
            chosen.append(stem)
    return chosen
