"""`python -m optexity_server` is the command line."""

from optexity_server.cli.main import main

main()
