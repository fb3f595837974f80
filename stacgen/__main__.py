"""`python -m stacgen`."""

from stacgen.cli import main

if __name__ == "__main__":
    main()
