"""`python -m stacgen.api.doctor`: the same where the command line itself cannot be loaded."""

import argparse
import sys

from stacgen import __version__
from stacgen.api import standard_streams
from stacgen.api.doctor import examine, tell
from stacgen.errors import StacgenError


def main() -> None:
    """Examine what the arguments name, and exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser("python -m stacgen.api.doctor", description=__doc__)
    parser.add_argument("root", nargs="?")
    parser.add_argument("--api", default="")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    standard_streams.guard()
    try:
        seen = examine(__version__, root=asked.root, api=asked.api)
        sys.exit(tell(seen, as_json=asked.as_json, colored=False))
    except StacgenError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
