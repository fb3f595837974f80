"""Files that a user names: each kind of path is written to as shells and other programs do."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from items import Scene, file
from stacgen.api import destination
from stacgen.errors import OutputError
from stacgen.io.folder import Folder

CONTENT = bytes(range(256)) * 300
"""More than the buffer of a pipe holds, and no text."""

WRITE = """
import sys
from stacgen.api import destination
destination.write(sys.argv[1], bytes(range(256)) * 300, "image/png")
"""


def write(output: str | Path) -> None:
    """Write the content there."""
    destination.write(output, CONTENT, "image/png")


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    """Nothing else is left in the folder."""
    (tmp_path / "other").touch()
    write(tmp_path / "new.png")
    assert (tmp_path / "new.png").read_bytes() == CONTENT
    assert (tmp_path / "new.png").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert {path.name for path in tmp_path.iterdir()} == {"new.png", "other"}


def test_a_regular_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    """A reader that has the old file open goes on reading it."""
    path = tmp_path / "x.png"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with path.open("rb") as reader:
        write(path)
        assert reader.read() == b"old"
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    """A link that leads to no file yet makes that file."""
    (tmp_path / "data").mkdir()
    for name in ("there", "missing"):
        target, link = tmp_path / "data" / name, tmp_path / f"{name}.link"
        if name == "there":
            target.write_bytes(b"old")
        link.symlink_to(target)
        write(link)
        assert link.is_symlink()
        assert target.read_bytes() == CONTENT
    assert len(list((tmp_path / "data").iterdir())) == 2


def test_the_reader_of_a_named_pipe_gets_the_content(tmp_path: Path) -> None:
    """The pipe stays a pipe."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join(60)
    assert seen == [CONTENT]
    assert pipe.is_fifo()


def test_a_device_stays_a_device() -> None:
    """A superuser could replace it."""
    before = Path(os.devnull).stat()
    write(os.devnull)
    assert Path(os.devnull).is_char_device()
    assert Path(os.devnull).stat().st_ino == before.st_ino


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_gets_bytes_as_they_are(tmp_path: Path, name: str) -> None:
    """A file behind it is appended to, not cut short."""
    if name.startswith("/proc") and not Path("/proc/self/fd").is_dir():
        pytest.skip("This system has no /proc.")
    out = tmp_path / "out"
    out.write_bytes(b"before ")
    with out.open("ab") as file_behind:
        subprocess.run([sys.executable, "-c", WRITE, name], check=True, stdout=file_behind)
    assert out.read_bytes() == b"before " + CONTENT


def test_a_process_of_a_shell_gets_the_content(tmp_path: Path) -> None:
    """As with `-o >(cat)`."""
    script = f"{sys.executable} -c '{WRITE}' >(cat > {tmp_path}/out; touch {tmp_path}/end)"
    script += f"; while [ ! -e {tmp_path}/end ]; do sleep 0.05; done"
    subprocess.run(["bash", "-c", script], check=True, timeout=120)
    assert (tmp_path / "out").read_bytes() == CONTENT


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A missing folder, a folder, and a full device; nothing is made or left."""
    for output, said in (
        (tmp_path / "no" / "x.png", r"x\.png cannot be written: there is no folder"),
        (tmp_path, "cannot be written: it is a folder; name a file in it"),
        (Path("/dev/full"), "/dev/full cannot be written: No space left on device"),
    ):
        if output.exists() or output.name == "x.png":
            with pytest.raises(OutputError, match=said):
                write(output)
    assert list(tmp_path.iterdir()) == []


def test_search_plot_and_preview_write_as_told(tmp_path: Path) -> None:
    """Each command uses this module: pipes, standard output with a format, and kept modes."""
    file(Folder(tmp_path / "catalogs"), [Scene(day="2025-03-02"), Scene(day="2025-03-12")])

    def run(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "stacgen", *arguments, "-q"]
        return subprocess.run(command, check=True, cwd=tmp_path, stdout=subprocess.PIPE).stdout

    found = tmp_path / "found.json"
    found.touch(mode=0o600)
    run("search", "catalogs", "-o", "found.json")
    assert len(json.loads(found.read_bytes())["features"]) == 2
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert run("search", "catalogs", "-o", "-") == found.read_bytes()
    chart = run("plot", "catalogs/29PKR/B09", "-o", "-", "--format", "png")
    assert chart.startswith(b"\x89PNG")
    refused = subprocess.run(
        [sys.executable, "-m", "stacgen", "preview", "catalogs/29PKR/B09", "-o", "-"],
        check=False,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert refused.returncode == 2
    assert "--format" in refused.stderr
