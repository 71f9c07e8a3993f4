"""Housekeeping: what is over its time, or too much, goes; what a person still has to decide about stays.

`sweep.prune` does it all, under one lock of the database, so that only one runs wherever it is started. `rules` says
what goes; `tasks`, `steps`, `artifacts`, `orphans`, `logs` and `records` each know one place where things pile up.
"""
