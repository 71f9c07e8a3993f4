"""The command line `optexity-server`."""
