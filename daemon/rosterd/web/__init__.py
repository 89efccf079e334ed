"""What answers over HTTP: vendors on one listener, operators on others.

Handlers read the World that is served now and ask the loops; they touch no edge. Vendors' requests
are decided by one table of routes; operators' by another, in which no route exists without saying
who may use it.
"""
