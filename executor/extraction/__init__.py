"""Data out of pages, one module per source."""
