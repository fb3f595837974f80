"""A folder where the operating system has no locks, as on Windows: fcntl is taken away."""

import json
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

WITHOUT_FCNTL = "import sys; sys.modules['fcntl'] = None\n"

ADD = """
from pathlib import Path
from stacgen.catalog.compare_and_swap import update
from stacgen.io.folder import Folder
import json
store = Folder(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    mine = f"{sys.argv[2]}-{n}"
    update(store, "x.json", "application/json",
           lambda found: json.dumps([*json.loads(found or b"[]"), mine]).encode())
"""

TRY = """
from pathlib import Path
from stacgen.io.folder import Folder
store = Folder(Path(sys.argv[1]))
version = store.read_versioned("x.json")[1]
print(store.means, store.swap("x.json", b"2", "", version), store.swap("x.json", b"3", "", version))
"""

BUILD = """
from stacgen.__main__ import main
sys.argv = ["stacgen", "build", "29PKR", "B09", "--year", "2025", "--limit", "2", "--sample"]
main()
"""


def start(script: str, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WITHOUT_FCNTL + script, *arguments]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def test_processes_without_locks_of_the_system_lose_nothing(tmp_path: Path) -> None:
    writers, each = 4, 15
    running = [start(ADD, str(tmp_path), str(n), str(each)) for n in range(writers)]
    for process in running:
        finish(process)
    held = json.loads((tmp_path / "x.json").read_bytes())
    assert sorted(held) == sorted(f"{n}-{i}" for n in range(writers) for i in range(each))
    assert [path.name for path in tmp_path.rglob("*")] == ["x.json"]


def test_a_token_of_a_dead_process_is_passed_over_when_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("1")
    finish(start(TRY, str(tmp_path)))
    (tmp_path / "x.json").write_text("1")
    hidden = tmp_path / ".stacgen"
    hidden.mkdir()
    name = sha256(b"x.json").hexdigest()[:16]
    dead = hidden / f"{name}.{'0' * 16}"
    dead.write_bytes(b"")
    waiting = start(TRY, str(tmp_path))
    time.sleep(2)
    assert waiting.poll() is None  # the holder may yet live
    os.utime(dead, (time.time() - 600,) * 2)
    assert finish(waiting) == "a lease of files True False\n"
    assert (tmp_path / "x.json").read_bytes() == b"2"
    assert not hidden.exists()


def test_a_build_without_locks_of_the_system_is_a_build(tmp_path: Path) -> None:
    said = finish(start(BUILD, cwd=tmp_path))
    assert "Built 2 frames" in said
    assert "Built 0 frames" in finish(start(BUILD, cwd=tmp_path))
    assert (tmp_path / "catalogs" / "catalog.json").is_file()


HOLD = """
import time
from pathlib import Path
from stacgen.io import lease
from stacgen.io.folder import Folder
lease.EXPIRY = float(sys.argv[3])
with Folder(Path(sys.argv[1])).hold("update", sys.argv[2]) as holder:
    print(holder, flush=True)
    time.sleep(float(sys.argv[4]))
"""


def test_a_lock_without_those_of_the_system_names_its_holder_and_expires(tmp_path: Path) -> None:
    with start(HOLD, str(tmp_path), "the first", "3", "600") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "None\n"
        time.sleep(4)  # in which it is renewed
        assert finish(start(HOLD, str(tmp_path), "the second", "3", "0")) == "the first\n"
        first.kill()
    time.sleep(4)
    assert finish(start(HOLD, str(tmp_path), "the third", "3", "0")) == "None\n"
    assert list(tmp_path.rglob("*")) == []
