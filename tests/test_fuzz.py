"""Whatever is read from elsewhere ends in a value or in one of our errors; `fuzz.py` goes on."""

import time
from collections.abc import Iterator
from random import Random

import pytest

import fuzz
import targets

CASES = 1500
"""Of each target."""

PIECES = (b"\0\0\1", b"\xff" * 8, b"\x47", b"-1", b"1e400", b"#EXTINF:", b'"', b"@", b"\0", b"\xc3")


def changed(samples: list[bytes], random: Random) -> bytes:
    """A sample with a few bytes changed, lost, repeated, or taken from another."""
    content = bytearray(random.choice(samples))
    for _ in range(random.randrange(1, 5)):
        at, size = random.randrange(len(content) + 1), random.choice((1, 1, 4, 188))
        match random.randrange(4):
            case 0:
                content[at : at + size] = random.randbytes(len(content[at : at + size]))
            case 1:
                del content[at : at + size]
            case 2:
                content[at:at] = random.choice(PIECES)
            case _:
                other = random.choice(samples)
                start = random.randrange(len(other) + 1)
                content[at:at] = other[start : start + size]
    return bytes(content)


def cases(target: str) -> Iterator[bytes]:
    kept = [file.read_bytes() for file in sorted((fuzz.CORPUS / target).iterdir())]
    assert len(kept) > 10
    samples = [*targets.seeds(target), *kept]
    yield from samples
    random = Random(target)
    for _ in range(CASES):
        yield changed(samples, random)


@pytest.mark.parametrize("target", targets.TARGETS)
def test_nonsense_ends_in_a_value_or_an_error_of_ours_and_soon(target: str) -> None:
    for content in cases(target):
        began = time.monotonic()
        try:
            targets.TARGETS[target](content)
        except Exception as error:
            error.add_note(f"of {content!r}")
            raise
        assert time.monotonic() - began < 5, content


def test_the_corpus_is_small() -> None:
    files = [file for file in fuzz.CORPUS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 200_000
    assert {file.parent.name for file in files} == set(targets.TARGETS)
