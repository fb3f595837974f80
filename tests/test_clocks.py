"""Clocks that are wrong, and clocks that run backwards between two runs."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import dunia
from crashes import Reader, Tried, Work, tree
from stacgen.catalog import validate
from stacgen.io.folder import Folder

DAYS = 24 * 3600
"""Seconds of one."""

SHIFTS = {"ahead": (3, 3), "behind": (-400, -400), "in any order": (-1, 1)}
"""Days by which the time of each file is off, at least and at most."""


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("part", ["**/*", "**/scenes/**/*", "**/*.parquet", "**/B09/**/*.json"])
def test_whatever_times_files_have_a_run_adds_what_is_new_and_the_next_writes_nothing(
    tmp_path: Path, part: str, shift: str
) -> None:
    store, rng = Tried(Folder(tmp_path / "out")), random.Random(14)
    Work(bands={"B01": 2, "B09": 1}).run(store)
    files = sorted(path for path in (tmp_path / "out").glob(part) if path.is_file())
    assert files
    for path in files:
        os.utime(path, (time.time() + DAYS * rng.uniform(*SHIFTS[shift]),) * 2)
    work = Work(bands={"B01": 2, "B09": 3})
    assert len(work.run(store).built) == 2
    quiet = Folder(tmp_path / "quiet")
    work.run(quiet)
    assert tree(store) == tree(quiet)
    before = len(store.changes)
    work.run(store)
    assert store.changes[before:] == []
    assert validate.validate(store, problems=None).findings == ()


def test_a_clock_that_runs_backwards_between_runs_costs_nothing(
    server: dunia.Server, tmp_path: Path
) -> None:
    """Real processes: the first believes that it is three days later than the second does."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is not on this machine: apt-get install faketime")
    dunia.publish(server, [dunia.landscape(number) for number in range(3)])
    store = Folder(tmp_path / "out")

    def build(limit: int, *clock: str) -> None:
        command = [*clock, sys.executable, "-m", "stacgen", "build", "29PKR", "B09"]
        command += ["--year", "2025", "--limit", str(limit), "--quiet", "-o", store.address]
        environment = {**os.environ, "STACGEN_API": server.base}
        subprocess.run(command, check=True, env=environment)

    build(2, faketime, "-f", "+3d")
    build(3)
    assert len(Reader(store).walk().items) == 3 + 3
    before = {entry.key: entry for entry in store.list("")}
    build(3)
    assert {entry.key: entry for entry in store.list("")} == before
    assert validate.validate(store, problems=None).findings == ()
