"""`stacgen preview`, `stacgen plot` and `rio stacgen` as processes."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import gallery
from test_docs import options

ROOT = Path(__file__).parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("look")
    gallery.build(folder / "catalogs")
    return folder


@pytest.fixture
def run(root: Path) -> Run:
    """Run stacgen beside the catalog."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stacgen", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    return call


def test_preview_says_what_it_drew_and_where(run: Run, root: Path) -> None:
    (root / "out").mkdir()
    done = run("preview", "catalogs/29PKR/B09", "-o", "out/year.gif", "--width", "100")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"Drew 5 frames \(\d+ kB\): out/year\.gif\n", done.stderr)
    assert [path.name for path in (root / "out").iterdir()] == ["year.gif"]
    quiet = run("preview", "catalogs/29PKR/B09/", "-o", "sheet.png", "-q", "--max-cloud", "20")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    with Image.open(root / "sheet.png") as image:
        assert image.width == 1600


def test_plot_writes_json_to_stdout_and_words_to_stderr(run: Run, root: Path) -> None:
    place = ["--point", "-11.3", "13.9", "--reflectance"]
    done = run("plot", "catalogs/29PKR/B09", *place, "--json", "-o", "dn.svg")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert re.fullmatch(r"Drew 5 frames \(\d+ kB\): dn\.svg\n", done.stderr)
    assert (root / "dn.svg").is_file()
    assert [record["cloud_cover"] for record in records] == [0, 10, 20, 30, 40]
    assert records[0] == {
        "id": "T29PKR_20250302T112109_05.11_B09_60m",
        "datetime": "2025-03-02T11:21:09.024Z",
        "cloud_cover": 0,
        "valid_percent": 100.0,
        "mean": records[0]["mean"],
        "reflectance": records[0]["mean"] * 0.0001 - 0.1,
        "valid_pixels": 1,
        "pixels": 1,
        "covered_percent": 100.0,
    }


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["preview", "catalogs/29PKR/B09", "-o", "year.webm"], 2, "ends in none of .mp4, .gif"),
        (["preview", "catalogs/29PKR", "-o", "a.png"], 2, "There is no collection.json at"),
        (["preview", "catalogs/29PKR/B09", "-o", "/proc/x/a.png"], 4, "no folder /proc/x"),
        (["preview", "http://127.0.0.1:9/B09", "-o", "a.png"], 3, "could not be fetched"),
        (["preview", "ftp://x/y", "-o", "a.png"], 2, "neither a folder nor a bucket"),
        (["plot", "catalogs/29PKR/B09"], 2, "Say where to"),
        (["plot", "catalogs/29PKR/B09", "--json", "--point", "0", "0"], 2, "lies outside"),
        (["plot", "catalogs/29PKR/B09", "-o", "a.jpg"], 2, "ends in none of .png, .svg"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_an_exit_code(
    run: Run, arguments: list[str], code: int, sentence: str
) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("absent", "arguments", "sentence"),
    [
        ("PIL", ["preview", "x", "-o", "a.png"], "pip install 'stacgen[preview]'"),
        ("matplotlib", ["plot", "x", "-o", "a.png"], "pip install 'stacgen[plot]'"),
    ],
)
def test_without_its_extra_a_command_says_which(
    absent: str, arguments: list[str], sentence: str
) -> None:
    script = f"import sys; sys.modules[{absent!r}] = None\nfrom stacgen.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert sentence in done.stderr


@pytest.fixture
def rio(root: Path, tmp_path: Path) -> Run:
    """Run the real rio, which finds the plugin as pyproject.toml names it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"]["rasterio.rio_commands"].items()
    facts = tmp_path / "stacgen_as_here-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: stacgen-as-here\nVersion: 1\n")
    (facts / "entry_points.txt").write_text(f"[rasterio.rio_commands]\n{' = '.join(entry)}\n")
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "100"}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("rio")), *arguments]
        return subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )

    return call


def test_rio_has_the_commands_with_their_own_help(rio: Run) -> None:
    assert "  stacgen " in rio("--help").stdout
    overview = rio("stacgen", "--help").stdout
    assert "Usage: rio stacgen [OPTIONS] COMMAND" in overview
    assert "Exit codes: 0 done" in overview
    shown = rio("stacgen", "plot", "--help").stdout
    assert "Usage: rio stacgen plot" in shown
    assert all(option in shown for option in options("plot"))


def test_rio_hands_options_results_and_exit_codes_on(rio: Run, run: Run) -> None:
    arguments = ["plot", "catalogs/29PKR/B09", "--json", "--point", "-11.3", "13.9"]
    done = rio("stacgen", *arguments)
    assert done.stdout == run(*arguments).stdout != ""
    assert done.returncode == 0
    failed = rio("stacgen", "plot", "catalogs/29PKR")
    assert failed.returncode == 2
    assert failed.stderr.startswith("Error: Say where to")


def test_rio_itself_loads_nothing_of_stacgen_before_it_is_called() -> None:
    script = "import stacgen.rio, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "stacgen.rio" in loaded
    assert not loaded & {"stacgen.cli", "typer", "numpy"}
