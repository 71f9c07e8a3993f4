"""The API's description in OpenAPI 3.1.

A route is described in `operations.py`; what it answers with has its schema in `components.py` and its example in
`examples.py`. `schema.py` makes the document of them and of the URL map.
"""
