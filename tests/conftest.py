"""Fixtures for all tests: real PostgreSQL (tests/environment.py), nothing of ours mocked."""

from tests.empty_database import install

install()
