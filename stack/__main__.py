"""`python -m stack` is the `tuopin` command."""

from stack.command import main

main()
