"""`python -m stacgen`."""

import sys


def main() -> None:
    """Run the command; where a library that it needs is missing, say so in a sentence."""
    try:
        from stacgen import cli  # noqa: PLC0415 - Typer and rich, either of which may be missing
    except ImportError as error:
        sys.exit(
            f"Error: The command line cannot be loaded: {error}."
            " Ask python -m stacgen.doctor what is missing."
        )
    cli.main()


if __name__ == "__main__":
    main()
