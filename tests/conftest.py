"""Fixtures for all tests: real PostgreSQL (tests/environment.py), nothing of ours mocked."""
