"""The OneRoster standard as data and pure functions.

Everything that 1EdTech decided is here and nowhere else, so that a vendor's complaint about a
name, a word or a form has one place to be looked up in.
"""
