"""Standard streams that are closed, full or gone; warnings as errors; a user without a home."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dunia
from servers import Service
from test_build import tree

EXAMPLE = Path(__file__).parents[1] / "catalogs"
COMMANDS = {
    "search": ["search", str(EXAMPLE)],
    "table": ["search", str(EXAMPLE), "--table"],
    "plot": ["plot", f"{EXAMPLE}/32TLS/B01", "--json"],
    "validate": ["validate", ".", "--json", "--schemas", str(EXAMPLE)],  # of one broken document
    "frames": ["frames", "29PKR", "B09", "--year", "2025", "--api", "@BASE@", "--json"],
    "build": ["build", "29PKR", "B09", "--year", "2025", "--api", "@BASE@", "-o", "out", "--json"],
    "doctor": ["doctor", "--api="],
    "help": ["--help"],
}
STDOUT = {
    "closed": (">&-", "it is closed"),
    "full": (">/dev/full", "no space left on device"),
    "ended": ("| true", "its reader has gone"),
}


def run(command: list[str], redirected: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run stacgen in a shell with its streams redirected; the exit code is its own."""
    words = " ".join(f"'{each}'" for each in [sys.executable, "-m", "stacgen", *command])
    script = f"{words} {redirected}; exit ${{PIPESTATUS[0]}}"
    return subprocess.run(
        ["bash", "-c", script], check=False, capture_output=True, text=True, cwd=folder
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        *((name, "full") for name in COMMANDS),
        *((name, fault) for name in ("search", "build") for fault in ("closed", "ended")),
    ],
)
def test_stdout_that_takes_nothing_is_a_sentence_and_exit_code_4(
    name: str, fault: str, server: dunia.Server, tmp_path: Path
) -> None:
    dunia.publish(server, [dunia.landscape(0)])
    (tmp_path / "catalog.json").write_text("{")
    command = [part.replace("@BASE@", server.base) for part in COMMANDS[name]]
    redirected, reason = STDOUT[fault]
    done = run(command, redirected, tmp_path)
    assert done.returncode == 4, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"Error: The result cannot be written to stdout: {reason}."
    )
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_stderr_that_takes_nothing_stops_no_build(server: dunia.Server, tmp_path: Path) -> None:
    """Nor does it get into a file that is opened in its place."""
    dunia.publish(server, [dunia.landscape(0), dunia.landscape(1)])
    command = ["build", "29PKR", "B09", "--year", "2025", "--api", server.base, "-v", "--json"]
    kept: list[set[str]] = []
    for redirected in ("2>/dev/null", "2>/dev/full", "2>&-", "2>&- <&-"):
        root = tmp_path / f"{len(kept)}"
        done = run([*command, "-o", str(root)], redirected, tmp_path)
        if ">&- 2" not in redirected:
            assert done.returncode == 0, done.stderr
            assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == [
                "built"
            ] * 2
        kept.append({name for name in tree(root) if name.endswith((".tif", ".json"))})
    assert len(kept[0]) > 4
    assert kept[1] == kept[2] == kept[3] == kept[0]


def test_a_command_without_output_needs_no_stdout(server: dunia.Server, tmp_path: Path) -> None:
    dunia.publish(server, [dunia.landscape(0)])
    command = ["build", "29PKR", "B09", "--year", "2025", "--api", server.base, "-o", "out"]
    done = run(command, ">&-", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Built 1 frame")


@pytest.mark.parametrize(
    "command",
    [
        ["build", "29PKR", "B09", "--year", "2025", "--limit", "1", "--sample", "-o", "out"],
        ["plot", f"{EXAMPLE}/32TLS/B01", "--json", "--point", "7.1", "46.4"],
        ["search", str(EXAMPLE), "--bbox", "5", "46", "8", "49"],
    ],
    ids=["build", "plot", "search"],
)
def test_warnings_may_be_errors(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stacgen", *command],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr


HOMELESS = """
import os, sys
from pathlib import Path
from stacgen.io import bucket
from stacgen.io.stores import open_store

os.environ.pop("HOME", None)
os.setuid(54321)
try:
    sys.exit(f"There is a home: {Path.home()}")
except RuntimeError:
    pass
store = open_store(sys.argv[1])
store.write("x.json", b"{}", "application/json")
assert store.read("x.json") == b"{}"
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root becomes another")
def test_a_user_without_a_home_may_have_a_bucket(moto: Service) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, moto.bucket()],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **moto.environment},
    )
    assert done.returncode == 0, done.stderr
