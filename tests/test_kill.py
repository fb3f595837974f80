"""Real processes that are killed, stopped, or run out of disk; and what the kernel saw of one."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import dunia
import stacgen
from conftest import Figures
from crashes import Reader, Work, tree
from stacgen.api.build import Upstream
from stacgen.io.folder import Folder

WHOLE = Work(bands={"B01": 10, "B09": 10})
BUILD = """
import sys
from crashes import Crew
from stacgen.api import build as library
from stacgen.__main__ import main
library.Labour.crew = lambda _, *told: Crew(*told)
main()
"""
"""The command, without pixels."""

EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143}
STRACE = shutil.which("strace")


@pytest.fixture
def api(server: dunia.Server) -> dunia.Server:
    server.content.update(WHOLE.api.content)
    return server


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The tree of a build that nothing disturbs."""
    store = Folder(tmp_path_factory.mktemp("whole"))
    WHOLE.run(store)
    return tree(store)


def command(api: dunia.Server, root: Path) -> list[str]:
    words = ["build", "29PKR", "B01,B09", "--year", "2025", "-o", str(root), "--api", api.base]
    return [sys.executable, "-c", BUILD, *words]


def environment() -> dict[str, str]:
    here = Path(__file__).parent
    path = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def strike(api: dunia.Server, root: Path, blow: signal.Signals, after: float) -> tuple[int, str]:
    """Begin a build and strike it some time after its first file; its exit code, what it said."""
    with subprocess.Popen(
        command(api, root), env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not (root / "29PKR").exists():
            time.sleep(0.005)
        time.sleep(after)
        process.send_signal(blow)
        said = process.communicate(timeout=60)[1]
    return process.returncode, said


def finish(root: Path, whole: dict[str, bytes]) -> None:
    """What a struck build left is sound, and the next build brings it to its end."""
    store = Folder(root)
    Reader(store).walk()
    WHOLE.run(store)
    assert tree(store) == whole
    Reader(store).walk()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.*")}
    WHOLE.run(store)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.*")} == before


def strike_often(
    api: dunia.Server, folder: Path, blow: signal.Signals, whole: dict[str, bytes], times: int
) -> int:
    """Strike builds at times spread over their length; how many came to their end before."""
    early = 0
    chance = random.Random(int(blow))
    for number in range(times):
        root = folder / str(number)
        code, said = strike(api, root, blow, chance.uniform(0, 0.25))
        is_done = code == 0 or "Built 20 frames" in said  # it may be struck while Python ends
        early += is_done
        if blow in EXIT and not is_done:
            assert code == EXIT[blow], said
            assert "What was finished is in the catalog" in said
        finish(root, whole)
        shutil.rmtree(root)
    return early


@pytest.mark.parametrize(
    ("blow", "times"), [(signal.SIGKILL, 6), (signal.SIGTERM, 2), (signal.SIGINT, 2)]
)
def test_a_process_that_is_struck_leaves_a_catalog_and_the_next_finishes_it(
    api: dunia.Server, tmp_path: Path, whole: dict[str, bytes], blow: signal.Signals, times: int
) -> None:
    assert strike_often(api, tmp_path, blow, whole, times) < times


@pytest.mark.full
@pytest.mark.parametrize(
    ("blow", "times"), [(signal.SIGKILL, 200), (signal.SIGTERM, 50), (signal.SIGINT, 50)]
)
def test_many_processes_that_are_struck(
    api: dunia.Server,
    tmp_path: Path,
    whole: dict[str, bytes],
    blow: signal.Signals,
    times: int,
    figures: Figures,
) -> None:
    early = strike_often(api, tmp_path, blow, whole, times)
    figures(f"builds struck by {blow.name} and finished by the next", times - early)


def test_sigterm_files_what_is_done_as_ctrl_c_does(
    api: dunia.Server, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    """It comes between the frames of the second band, by an answer that is late."""
    root = tmp_path / "out"
    playlist = next(path for path in api.content if "B09" in path and path.endswith(".m3u8"))

    def late(_: dunia.Request) -> None:
        process.send_signal(signal.SIGTERM)
        time.sleep(1)

    api.faults[playlist] = late
    with subprocess.Popen(
        command(api, root), env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "Terminated. What was finished is in the catalog; run again for the rest." in said
    reader = Reader(Folder(root)).walk()
    assert len([key for key in reader.items if "B01" in key]) == 10
    assert len([key for key in reader.items if "/scenes/" in key]) == 10
    finish(root, whole)


def traced(
    arguments: list[str], root: Path, api: dunia.Server
) -> "subprocess.CompletedProcess[str]":
    """A build under strace; skips where it may not trace."""
    if STRACE is None:
        pytest.skip("strace is not on this machine")
    done = subprocess.run(
        [STRACE, "-f", "-qq", *arguments, *command(api, root)],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
    )
    if "ptrace" in done.stderr and not root.exists():
        pytest.skip("strace may not trace here")
    return done


@pytest.mark.parametrize("call", ["fsync", "rename", "link"])
def test_a_disk_that_says_it_is_full_ends_a_build_with_exit_code_4(
    api: dunia.Server, tmp_path: Path, whole: dict[str, bytes], call: str
) -> None:
    """The kernel says so: strace has it answer ENOSPC from some call on."""
    root = tmp_path / "out"
    inject = ["-e", f"inject={call}:error=ENOSPC:when=7+", "-o", str(tmp_path / "log")]
    done = traced(["-e", f"trace={call}", *inject], root, api)
    assert done.returncode == 4, done.stderr
    assert "No space left on device" in done.stderr
    finish(root, whole)


@pytest.mark.full
@pytest.mark.parametrize("call", ["fsync", "rename", "link", "mkdir", "unlink"])
def test_a_process_that_is_killed_at_any_call_of_the_kernel(
    api: dunia.Server, tmp_path: Path, whole: dict[str, bytes], call: str, figures: Figures
) -> None:
    points = 0
    for number in range(1, 400, 5):
        root = tmp_path / str(number)
        inject = ["-e", f"inject={call}:signal=KILL:when={number}", "-o", str(tmp_path / "log")]
        done = traced(["-e", f"trace={call}", *inject], root, api)
        finish(root, whole)
        shutil.rmtree(root)
        if done.returncode == 0:
            break
        points += 1
    figures(f"builds killed at a {call} and finished by the next", points)


def calls(log: Path, root: Path) -> Iterator[tuple[str, list[str]]]:
    """What the kernel was asked: the call, and the paths that it names, from the root on."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        thread, _, what = line.partition(" ")
        if what.endswith("<unfinished ...>"):  # another thread came between
            begun[thread] = what.removesuffix("<unfinished ...>")
            continue
        if "resumed>" in what:
            what = begun.pop(thread) + what.partition("resumed>")[2]
        found = re.match(r" *(\w+)\((.*)\) += 0", what)
        if found is not None and str(root.parent) in found[2]:
            paths = re.findall(r'[<"](/[^>"]*)[>"]', found[2])
            yield found[1], [path.removeprefix(f"{root}/") for path in paths]


def test_every_file_is_on_the_disk_before_its_name_and_its_name_before_the_next_file(
    api: dunia.Server, tmp_path: Path
) -> None:
    root, log = tmp_path / "out", tmp_path / "log"
    trace = ["-y", "-e", "trace=fsync,rename,link,mkdir", "-o", str(log)]
    assert traced(trace, root, api).returncode == 0
    flushed, pending, placed = set[str](), set[str](), 0
    for call, paths in calls(log, root):
        path = paths[-1]
        folder = os.path.dirname(path) or str(root)  # noqa: PTH120 - a part of a key
        if call == "fsync":
            flushed.add(path)
            pending.discard(path)
        elif call == "mkdir" and not path.startswith(".stacgen"):
            pending.add(folder)
        elif call in ("rename", "link"):
            placed += 1
            assert paths[0] in flushed, f"{path} has its name before it is on the disk"
            is_scene = "/scenes/" in path and "/T29" in path  # these are put all at once
            assert is_scene or not pending, f"{path} comes before {pending}"
            pending.add(folder)
    assert not pending
    assert placed == 90


def test_a_real_build_that_is_terminated_is_finished_by_the_next(
    server: dunia.Server, tmp_path: Path
) -> None:
    """With pixels, and threads that decode while the signal comes."""
    dunia.publish(server, [dunia.landscape(number) for number in range(6)], each=2)
    root = tmp_path / "out"
    words = ["build", "29PKR", "B09", "--year", "2025", "-o", str(root), "--api", server.base]
    last = "/streams/29PKR/B09/2025/seg_002.ts"

    def late(_: dunia.Request) -> None:
        deadline = time.monotonic() + 20
        while not list(root.glob("29PKR/B09/2025/*/*.json")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)

    server.faults[last] = late
    with subprocess.Popen(
        [sys.executable, "-m", "stacgen", *words], stderr=subprocess.PIPE, text=True
    ) as process:
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 143, said
    found = len(Reader(Folder(root)).walk().items)
    assert found >= 2  # a frame and its scene
    server.faults.clear()
    report = stacgen.build(
        "29PKR", "B09", years=[2025], output=root, upstream=Upstream(api=server.base)
    )
    assert len(report.built) + len(report.skipped) == 6
    assert len(Reader(Folder(root)).walk().items) == 12
    assert json.loads((root / "catalog.json").read_bytes())
