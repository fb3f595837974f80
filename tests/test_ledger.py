"""What is left of a process once a run has shown what it filed."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from items import Scene, file
from stacgen.errors import OutputError
from stacgen.store.folder import Folder

SCENES = [Scene(day="2025-03-02"), Scene(day="2025-03-02", band="B01")]


@pytest.fixture(params=[True, False], ids=["at work", "at rest"])
def is_at_work(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether Python looks for cycles before a run, as it does but where a caller said no."""
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()


class Watched(Folder):
    """A folder that notes whether Python looks for cycles while a mirror of scenes is written."""

    def __init__(self, root: Path, *, fails: bool = False) -> None:
        super().__init__(root)
        self.fails = fails
        self.seen: list[bool] = []

    def create(self, key: str, content: bytes, media_type: str) -> bool:
        """As a folder, or not at all."""
        if key.endswith("scenes/items.parquet"):
            self.seen.append(gc.isenabled())
            if self.fails:
                raise OutputError("The disk is full.")
        return super().create(key, content, media_type)


def test_python_looks_for_no_cycles_in_documents_and_does_so_after_if_it_did_before(
    tmp_path: Path,
    *,
    is_at_work: bool,
) -> None:
    store = Watched(tmp_path)
    file(store, SCENES, together=True)
    assert store.seen == [False]
    assert gc.isenabled() is is_at_work


def test_it_does_so_after_a_failure_too(tmp_path: Path, *, is_at_work: bool) -> None:
    store = Watched(tmp_path, fails=True)
    with pytest.raises(OutputError, match="disk is full"):
        file(store, SCENES, together=True)
    assert store.seen == [False]
    assert gc.isenabled() is is_at_work
