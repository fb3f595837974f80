"""`python -m stacgen`."""

import os
import sys

from stacgen.api import standard_streams


def main() -> None:
    """Run the command; where a library that it needs is missing, say so in a sentence."""
    # pyarrow's own allocator keeps what it had once: 50 MB more at the peak of a tile's tables, and
    # no time saved. Only a process of our own is told so, before there are threads in it.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    standard_streams.guard()
    try:
        from stacgen import cli  # noqa: PLC0415 - Typer and rich, either of which may be missing
    except ImportError as error:
        sys.exit(
            f"Error: The command line cannot be loaded: {error}."
            " Ask python -m stacgen.api.doctor what is missing."
        )
    cli.main()


if __name__ == "__main__":
    main()
