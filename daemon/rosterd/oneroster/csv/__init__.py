"""The CSV binding: which files there are, how they are read and how they are written.

Reading is lenient where real exports are and strict about what a value means; writing is exactly
the standard. Both are pure: whoever calls gives openers of files, so the same code reads a folder,
a zip and a test's bytes.
"""
