"""The roster as it is served: immutable folders that an import builds and nobody changes.

A held world must keep its records, and an old view must never show new content, so nothing is
ever updated in place. An import subprocess (`building`) writes a new folder beside the former one;
what did not change is shared with it by hard links, so a generation costs what changed. The daemon
maps the files (`reading`) and keeps next to nothing in memory of its own.

    layout      what lies in a folder, and under which names
    deliveries  a folder or zip of a source, copied to safety before anybody reads it
    tables      one collection while it is built: rows, segments, references
    linking     which rows are active, and the arrays of their references
    columns     the SQLite file: texts and postings, for leaves and sorts
    asking      what is asked of that file
    building    the subprocess: from a delivery to a new folder
    processing  the subprocess that writes what a source brought, to be kept
    speaking    what both of them say, and how
    calling     starting these subprocesses and listening to them
    reading     an opened folder: pages, and the backing of a Roster
"""

from rosterd.generations.layout import clean
from rosterd.generations.reading import Generation, open_generation

__all__ = ["Generation", "clean", "open_generation"]
