"""Let what reads from elsewhere read nonsense, led by coverage, for as long as told.

    pip install atheris                          (Linux, Python 3.11 to 3.13)
    python tests/fuzz.py playlist --minutes 60   or transport, hevc, api

Begins with what is sound and with `tests/corpus`. A finding is an exception that is none of ours, a
call that takes longer than 5 s, or more than 1 GB of memory; it ends the run, and the bytes are
written to a file. With `--keep`, what led to new code is added to the corpus, the smallest of it.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

CORPUS = Path(__file__).parent / "corpus"
_MOST, _LARGEST = 40, 4096
"""Files kept for a target, and bytes of each."""

_CALLS = 500_000
"""Of a process."""

_LIMITS = ("-timeout=5", "-rss_limit_mb=1024", "-max_len=65536")


def main() -> None:
    """Fuzz, in a process of its own, since libFuzzer ends the one that it runs in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=("playlist", "transport", "hevc", "api"))
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--keep", action="store_true", help="add to the corpus")
    options = parser.parse_args()
    own = CORPUS / options.target
    own.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * options.minutes
    with TemporaryDirectory() as found:
        code = 0
        while not code and (left := round(end - time.monotonic())) > 0:
            code = _fuzz(options.target, found, str(own), f"-max_total_time={left}")
        if options.keep and not code:
            _keep(Path(found), own)
    sys.exit(code)


def _fuzz(target: str, *words: str) -> int:
    """So many calls; the exit code is not 0 after a finding.

    Atheris loses memory wherever two arrays of numpy are compared, so each process must end.
    """
    program = f"import fuzz; fuzz.within({target!r})"
    ways = [*words, f"-runs={_CALLS}", *_LIMITS, f"-artifact_prefix={Path.cwd()}/"]
    command = [sys.executable, "-c", program, *ways]
    return subprocess.run(command, cwd=Path(__file__).parent, check=False).returncode


def within(target: str) -> None:
    """Hand the target over to libFuzzer, which reads the command line."""
    import atheris  # noqa: PLC0415 - not among the dependencies of the tests

    with atheris.instrument_imports(include=["stacgen", "m3u8"]):
        import targets  # noqa: PLC0415 - here, where it is watched
    for number, seed in enumerate(targets.seeds(target)):
        (Path(sys.argv[1]) / f"seed{number}").write_bytes(seed)
    atheris.Setup(sys.argv, targets.TARGETS[target])
    atheris.Fuzz()


def _keep(found: Path, own: Path) -> None:
    """Of what was found and what is there, each of which led to new code, the smallest."""
    contents = {file.read_bytes() for folder in (found, own) for file in folder.iterdir()}
    for file in own.iterdir():
        file.unlink()
    small = sorted((each for each in contents if len(each) <= _LARGEST), key=lambda x: (len(x), x))
    for number, content in enumerate(small[:_MOST]):
        (own / f"{number:02}").write_bytes(content)


if __name__ == "__main__":
    main()
