"""The documentation does what it says: its Python runs, its commands exist, its links lead on."""

import contextlib
import io
import os
import re
import runpy
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import dunia
import stacgen
import test_architecture
from stacgen import cli
from stacgen.api.build import Upstream

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
CLI = DOCS / "reference" / "cli.md"
COMMANDS: tuple[str, ...] = tuple(vars(typer.main.get_command(cli.app))["commands"])

TUTORIALS = [
    DOCS / "tutorials" / f"{each}.md"
    for each in ("build", "look", "load", "search", "publish", "update", "scale")
]
NOT_RUN = {"installs": 5, "a bucket": 2, "a cluster": 1}
"""Why blocks of the tutorials do not run, as the line before them says, and how many."""

ELSEWHERE = re.compile(r"^<!-- in a venv of its own: .*?^```$", re.MULTILINE | re.DOTALL)
"""Recipes with packages that are not here: `test_recipes.py` runs them."""

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^]]*\]\((?P<target>[^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.finditer(ELSEWHERE.sub("", page.read_text()))
    return [block["body"] for block in found if block["language"] == language]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `catalogs` holds 29PKR B09 2025, as after the commands of the README."""
    place = tmp_path_factory.mktemp("docs")
    with dunia.Server().running() as server:
        dunia.publish(server, [dunia.landscape(number) for number in range(5)])
        report = stacgen.build(
            "29PKR",
            "B09",
            years=[2025],
            output=place / "catalogs",
            upstream=Upstream(api=server.base),
        )
    assert len(report.built) == 5
    return place


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac, which Python hides
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python") and page not in TUTORIALS], ids=name
)
def test_python_of_a_page_runs_from_top_to_bottom(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, name(page), "exec"), names)  # noqa: S102 - our own pages


STEP = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>\n]+) -->\n)?" + BLOCK.pattern, re.MULTILINE | re.DOTALL
)


class Reader:
    """Somebody who does what a tutorial says, in a folder and with a free port for 8000."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, object] = {}
        self._servers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]

    def follow(self, page: Path) -> None:
        """Run the blocks in order, and compare what they print with the text that follows."""
        said = ""
        for step in STEP.finditer(page.read_text()):
            if step["reason"] is None:
                body = step["body"].replace(":8000", f":{self._port}")
                body = body.replace("--port 8000", f"--port {self._port}")
                match step["language"]:
                    case "sh":
                        said = self._shell(body)
                    case "python":
                        said = self._python(body)
                    case "text" if said:
                        assert rounded(said) == rounded(step["body"])
                        said = ""

    def leave(self) -> None:
        """End the servers that were begun."""
        for server in self._servers:
            server.send_signal(signal.SIGINT)
            assert server.wait(10) == 0

    def _python(self, body: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(body, "tutorial", "exec"), self._names)  # noqa: S102 - our own pages
        return said.getvalue()

    def _shell(self, body: str) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if body.endswith("&\n"):
            command = ["bash", "-c", f"exec {body[:-2]}"]
            self._servers.append(
                subprocess.Popen(command, cwd=self._folder, env={**os.environ, "PATH": path})
            )
            self._wait()
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", body],
            cwd=self._folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _wait(self) -> None:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port)).close()
                return
            time.sleep(0.1)
        pytest.fail("nothing is served")


def rounded(text: str) -> str:
    """Without what differs from one FFmpeg to another: sizes, and digits behind the point."""
    text = re.sub(r"[\d.]+ [kM]B", "SIZE", text)
    return re.sub(r"(?<=\.\d)\d+(e\+\d+)?", "", text).strip()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has followed the first tutorial."""
    place = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        Reader(place).follow(TUTORIALS[0])
    return place


@pytest.fixture
def follower(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Somebody in a copy of that folder."""
    shutil.copytree(begun, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    someone = Reader(tmp_path / "copy")
    try:
        yield someone
    finally:
        someone.leave()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of odc-stac, which Python hides
@pytest.mark.parametrize("page", TUTORIALS[1:], ids=name)
def test_a_tutorial_does_and_prints_what_it_says(page: Path, follower: Reader) -> None:
    follower.follow(page)


def test_tutorials_say_which_blocks_do_not_run_and_these_are_few() -> None:
    assert sorted(TUTORIALS) == sorted((DOCS / "tutorials").glob("*.md"))
    steps = [each for page in TUTORIALS for each in STEP.finditer(page.read_text())]
    assert Counter(each["reason"] for each in steps if each["reason"]) == NOT_RUN
    assert sum(each["language"] in ("sh", "python") for each in steps) > 3 * sum(NOT_RUN.values())


def options(command: str) -> set[str]:
    """The options that a command has, short ones included."""
    group: Any = typer.main.get_command(cli.app)
    named = (option for each in group.commands[command].params for option in each.opts)
    return {option for option in named if option.startswith("-")} | {"--help", "-h"}


def test_the_reference_of_commands_is_what_the_generator_writes() -> None:
    render = runpy.run_path(str(DOCS / "generate_cli.py"))["render"]
    assert CLI.read_text() == render(), "run: python docs/generate_cli.py"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_the_reference(command: str) -> None:
    section = CLI.read_text().partition(f"## stacgen {command}\n")[2].partition("\n## ")[0]
    assert len(options(command)) > 2
    assert options(command) <= set(OPTION.findall(section))


def test_every_command_is_in_the_reference() -> None:
    sections = re.findall(r"^## stacgen (\w+)$", CLI.read_text(), re.MULTILINE)
    assert sections == list(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_the_pages_have_the_options_they_use(page: Path) -> None:
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    for found in re.findall(r"\bstacgen (\w+.*)$", text, re.MULTILINE):
        command, *words = shlex.split(found.partition(" | ")[0], comments=True)
        assert command in COMMANDS
        used = {word for word in words if re.match(r"--?[a-z]", word)}
        assert used <= options(command), found


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_to_files(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    for target in LINK.findall(text):
        if not re.match(r"https?://", target):
            path = (page.parent / target.partition("#")[0]) if target[0] != "#" else page
            assert path.is_file(), target


def test_the_readme_holds_the_two_commands_each_in_a_block_of_its_own() -> None:
    commands = blocks(ROOT / "README.md", "sh")
    assert "pip install . && stacgen build 29PKR B09 --year 2025 --sample\n" in commands
    assert "pip install '.[test]' && pytest\n" in commands


def test_the_architecture_page_draws_the_floors_that_are_tested() -> None:
    assert "\n".join(test_architecture.FLOORS) + "\n" in blocks(DOCS / "architecture.md", "text")
    text = (DOCS / "architecture.md").read_text()
    for dependency, doors in test_architecture.DOORS.items():
        assert all(f"`{door}`" in text for door in doors), dependency


def test_the_architecture_page_names_files_that_are_there() -> None:
    text = (DOCS / "architecture.md").read_text().partition("## Where to change what")[2]
    named = re.findall(r"`([a-z_/]+[.]py)`", text)
    assert len(named) >= 6
    assert all((ROOT / "stacgen" / each).is_file() for each in named)
