"""What runs in a script's own process. Only `executor.scripts.process` starts it."""
