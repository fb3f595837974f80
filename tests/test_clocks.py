"""Clocks that were wrong when a catalog was built."""

import os
import time
from pathlib import Path

import pytest

from crashes import Tried, Work
from stacgen import pipeline
from stacgen.store.folder import Folder

AHEAD = 3 * 24 * 3600
"""Seconds by which the clock was in the future."""


@pytest.mark.parametrize("part", ["**/*", "**/scenes/**/*", "**/*.parquet", "**/B09/**/*.json"])
def test_a_build_after_one_with_its_clock_in_the_future_comes_to_rest(
    tmp_path: Path, part: str
) -> None:
    """Whatever has a time in the future, a run adds what is new and the next one writes nothing."""
    store = Tried(Folder(tmp_path))
    Work(bands={"B01": 2, "B09": 1}).run(store)
    later = (time.time() + AHEAD,) * 2
    files = [path for path in tmp_path.glob(part) if path.is_file()]
    assert files
    for path in files:
        os.utime(path, later)
    work = Work(bands={"B01": 2, "B09": 3})
    assert len(work.run(store).built) == 2
    work.run(store)  # heals what the first had no reason to look at
    before = len(store.changes)
    work.run(store)
    assert store.changes[before:] == []
    assert pipeline.validate(Folder(tmp_path), problems=None).findings == ()
