"""`python -m datalab`."""

from datalab.cli import main

main()
