"""Python scripts of documents, each in a confined process of its own. docs/scripts.md says what protects the server.

`child` and the modules that it shares with the worker (`frames`, `vocabulary`) need nothing but the standard library:
the confined interpreter has nothing else. So nothing is imported here.
"""
