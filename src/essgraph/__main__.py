"""``python -m essgraph``: the command line."""

from essgraph.cli import main

main()
