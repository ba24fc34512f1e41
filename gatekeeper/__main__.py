"""`python -m gatekeeper`: the same command as `gatekeeper`."""

from gatekeeper.cli import main

main()
