"""An app for one test: a `post_execute_in_worker` receiver that hangs while the file `hang` is in the data folder.

In stock django-q2 the worker holds its timer's lock there, and killing it freezes the cluster.
"""
