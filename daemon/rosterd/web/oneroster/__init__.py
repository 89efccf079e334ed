"""The OneRoster REST API, 1.1 and 1.2.

`routes` is the one table; `parameters` reads a query, `kept` finds or makes the listing it asks
for, `answers` turns rows into a body with its headers, and `serving` does these in order.
"""
