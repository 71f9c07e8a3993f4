"""Northwind, the back office of a clinic that does not exist: one process, no database, no outside request.

It is a Django project of its own and knows nothing of the server that automates it. Start it with
`python -m demo.portal`.
"""
