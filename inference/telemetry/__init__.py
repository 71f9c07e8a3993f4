"""What the server tells of itself to monitoring: counters, what `GET /metrics` shows, and traces."""
