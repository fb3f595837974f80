"""`python -m stacgen.doctor`: the same where the command line itself cannot be loaded."""

import argparse
import json
import shutil
import sys

from stacgen import __version__, streams
from stacgen.doctor import Mark, as_record, examine, lines, verdict
from stacgen.errors import StacgenError


def main() -> None:
    """Examine what the arguments name, and exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser("python -m stacgen.doctor", description=__doc__)
    parser.add_argument("root", nargs="?")
    parser.add_argument("--api", default="")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    streams.guard()
    try:
        _tell(asked)
    except StacgenError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(error.exit_code)


def _tell(asked: argparse.Namespace) -> None:
    seen = list(examine(__version__, root=asked.root, api=asked.api))
    width = min(shutil.get_terminal_size().columns, 80)
    shown = (json.dumps(as_record(each)) for each in seen) if asked.as_json else None
    for line in shown or lines(seen, width=width, colored=False):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    sys.stderr.write(verdict(seen) + "\n")
    sys.exit(any(each.mark is Mark.FAIL for each in seen))


if __name__ == "__main__":
    main()
