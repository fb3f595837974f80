"""The command as a process: what it prints where, and how it exits."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dunia

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def upstream() -> Iterator[dunia.Server]:
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(5)])
        yield server


@pytest.fixture
def run(upstream: dunia.Server, tmp_path: Path) -> Run:
    """Run stacgen in an empty folder against the server."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        upstream.faults.clear()
        environment = {**os.environ, "STACGEN_API": upstream.base, "COLUMNS": "100", **variables}
        return subprocess.run(
            [sys.executable, "-m", "stacgen", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return call


BUILD = ("build", "29PKR", "B09", "--year", "2025")


def test_build_says_what_it_built_where_and_how_to_look(run: Run, tmp_path: Path) -> None:
    done = run(*BUILD)
    assert done.returncode == 0
    assert done.stdout == ""
    assert "Built 5 frames" in done.stderr
    assert "0 there already, 0 failed: catalogs" in done.stderr
    look = re.search(r"Look: rio info (\S+\.tif)", done.stderr)
    assert look is not None
    assert (tmp_path / look[1]).is_file()
    again = run(*BUILD)
    assert "Built 0 frames (0.0 MB), 5 there already, 0 failed: catalogs" in again.stderr


def test_json_is_a_line_a_frame_on_stdout(run: Run) -> None:
    records = [json.loads(line) for line in run(*BUILD, "--json").stdout.splitlines()]
    assert [record["status"] for record in records] == ["built"] * 5
    assert {"id", "datetime", "href", "size", "saturated", "cleaned"} <= set(records[0])
    again = [json.loads(line) for line in run(*BUILD, "--json").stdout.splitlines()]
    assert [record["status"] for record in again] == ["skipped"] * 5


def test_quiet_says_nothing_and_verbose_a_line_a_frame(run: Run) -> None:
    quiet = run(*BUILD, "-q", "--limit", "1")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    verbose = run(*BUILD, "-v").stderr
    assert verbose.count("built   T29PKR_") == 4
    assert verbose.count("skipped T29PKR_") == 1


def test_a_failed_frame_is_named_and_the_exit_code_is_1(run: Run, upstream: dunia.Server) -> None:
    path = "/streams/29PKR/B09/2025/seg_001.ts"
    whole = upstream.content.pop(path)
    try:
        done = run(*BUILD, "--json")
    finally:
        upstream.content[path] = whole
    assert done.returncode == 1
    assert "FAILED  T29PKR_20250322T112109_05.11_B09_60m: " in done.stderr
    assert "4 frames" in done.stderr
    failed = [json.loads(line) for line in done.stdout.splitlines() if "failed" in line]
    assert failed[0]["status"] == "failed"
    assert "404" in failed[0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["build", "29PKX", "B09", "--year", "2025"], 2, "29PKX"),
        (["build", "29PKR", "B10", "--year", "2025"], 2, "cirrus"),
        (["build", "29PKR", "B13", "--year", "2025"], 2, "There is no band 'B13'"),
        (["build", "29PKR", "B09"], 2, "Say which years"),
        (["build", "29PKR", "B09", "--year", "2018"], 2, "no stream for 29PKR B09 2018"),
        (["build", "29PKR", "B09", "--year", "2024"], 3, "no stream for 29PKR B09 2024"),
        ([*BUILD, "--start", "2025-04-01", "--end", "2025-03-01"], 2, "lies before the start"),
        ([*BUILD, "--datetime", "2025-08-01/.."], 2, "5 frames from 2025-03-02"),
        ([*BUILD, "--datetime", "../.."], 2, "open at both ends"),
        ([*BUILD, "--datetime", "2025-03-01/..", "--start", "2025-03-01"], 2, "not both"),
        ([*BUILD, "--start", "yesterday"], 2, "'yesterday' is no date or time"),
        ([*BUILD, "--max-cloud", "120"], 2, "no percentage"),
        ([*BUILD, "--limit", "0"], 2, "asks for nothing"),
        ([*BUILD, "--tci-path", "", "--max-cloud", "20"], 2, "--max-cloud cannot be answered"),
        ([*BUILD, "--unknown-cloud", "keep"], 2, "--unknown-cloud is for --max-cloud or"),
        ([*BUILD, "--tci-path", "/x/{year}/{month}"], 2, "may hold {tile} and {year}"),
        ([*BUILD, "--compress", "lzw", "--level", "3"], 2, "Compression lzw has levels none"),
        ([*BUILD, "--blocksize", "100"], 2, "A block of 100 pixels"),
        ([*BUILD, "--api", "ftp://x"], 2, "is no http(s) URL"),
        ([*BUILD, "--store-option", "region"], 2, "NAME=VALUE"),
        ([*BUILD, "-o", "ftp://x/y"], 2, "neither a folder nor a bucket"),
        ([*BUILD, "-o", "/proc/catalogs"], 4, "cannot be used"),
        (["index", "/nowhere"], 4, "There is no catalog at /nowhere, and no Item"),
    ],
)
def test_bad_input_is_one_sentence_and_an_exit_code(
    run: Run, arguments: list[str], code: int, sentence: str
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_a_usage_error(run: Run) -> None:
    assert run(*BUILD, "--colour", "red").returncode == 2


def test_a_dry_run_tells_the_size_and_writes_nothing(run: Run, tmp_path: Path) -> None:
    done = run(*BUILD, "--dry-run")
    assert re.search(r"29PKR B09 2025: would build 5 frames from 2 segments \(\d", done.stderr)
    assert not (tmp_path / "catalogs").exists()


def test_frames_is_a_table_that_fits_a_terminal(run: Run) -> None:
    done = run("frames", "29PKR", "B09", "--year", "2025", COLUMNS="80")
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert max(map(len, lines)) <= 80
    assert "2025-03-02 11:21:09" in lines[1]
    assert done.stderr == ""


def test_frames_as_json_can_be_filtered(run: Run) -> None:
    done = run("frames", "29PKR", "B09", "--year", "2025", "--json", "--max-cloud", "15")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["cloud_cover"] for record in records] == [0, 10]


def test_unknown_figures_show_as_unknown(run: Run) -> None:
    done = run("frames", "29PKR", "B09", "--year", "2025", "--tci-path", "/nowhere")
    assert done.stdout.count("unknown") == 10
    (note,) = done.stderr.splitlines()
    assert note.startswith("Note: cloud and nodata known for 0 of 5 frames of 29PKR B09 2025: ")
    assert "no TCI metadata at http" in note
    assert "--tci-path" in note


def test_frames_of_unknown_cloud_are_kept_or_dropped_where_that_is_said(run: Run) -> None:
    limited = ["frames", "29PKR", "B09", "--year", "2025", "--tci-path", "", "--max-cloud", "20"]
    refused = run(*limited)
    assert refused.returncode == 2
    assert "frame 0 (2025-03-02T11:21:09.024Z), frame 1 (" in refused.stderr
    assert "Say --unknown-cloud keep or --unknown-cloud drop" in refused.stderr
    kept = run(*limited, "--unknown-cloud", "keep", "--json")
    assert len(kept.stdout.splitlines()) == 5
    assert kept.stderr.startswith("Note: --max-cloud cannot judge 5 frames of 29PKR B09 2025, kept")
    dropped = run(*limited, "--unknown-cloud", "drop")
    assert dropped.returncode == 2
    assert (
        "No frame of 29PKR B09 2025 has at most 20 % cloud; it is known of none." in dropped.stderr
    )
    assert run(*limited, "--unknown-cloud", "guess").returncode == 2


def test_help_is_short_has_an_example_and_the_exit_codes(run: Run) -> None:
    overview = run("--help").stdout
    assert "Example: stacgen build 29PKR B09 --year 2025 --sample" in overview
    assert "Exit codes: 0 done, 1 some frames failed" in overview
    assert len(overview.splitlines()) < 35
    build = run("build", "--help").stdout
    assert "stacgen build 29PKR B09 --year 2025" in build
    assert len(build.splitlines()) < 75


def test_the_version_is_that_of_the_package(run: Run) -> None:
    import stacgen  # noqa: PLC0415 - only here

    assert run("--version").stdout.strip() == stacgen.__version__


def on_a_terminal(command: list[str], cwd: Path, **variables: str) -> str:
    """What a command writes when stderr is a terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **variables}
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=slave
    ) as process:
        os.close(slave)
        said = b""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    said += os.read(master, 65536)
                except OSError:
                    break
            elif process.poll() is not None:
                break
    os.close(master)
    return said.decode()


def test_progress_shows_on_a_terminal_only(upstream: dunia.Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stacgen", *BUILD, "--force", "--api", upstream.base]
    shown = on_a_terminal(command, tmp_path)
    assert "29PKR B09 2025" in shown
    assert re.search(r"\d/5", shown)
    assert "MB" in shown
    assert "frames/s" in shown
    assert "\x1b[" in shown
    hidden = on_a_terminal([*command, "-q"], tmp_path)
    assert "29PKR" not in hidden


def test_no_color_is_honoured(upstream: dunia.Server, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "stacgen", *BUILD, "--tci-path", "/nowhere"]
    command += ["--api", upstream.base]
    coloured = on_a_terminal(command, tmp_path)
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", coloured)
    plain = on_a_terminal([*command, "--force"], tmp_path, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*(3[0-9]|38;5;\d+)m", plain)
