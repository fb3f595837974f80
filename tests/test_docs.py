"""The documentation does what it says: its Python runs, its commands exist, its links lead on."""

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import dunia
import stacgen
import test_architecture
from stacgen import cli
from stacgen.library import Upstream

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
CLI = DOCS / "reference" / "cli.md"
COMMANDS: tuple[str, ...] = tuple(vars(typer.main.get_command(cli.app))["commands"])

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^]]*\]\((?P<target>[^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.finditer(page.read_text())
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
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name)
def test_python_of_a_page_runs_from_top_to_bottom(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, name(page), "exec"), names)  # noqa: S102 - our own pages


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
        command, *words = shlex.split(found, comments=True)
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


def test_the_architecture_page_draws_the_layers_that_are_tested() -> None:
    layers = "\n".join(row for row in test_architecture.LAYERS if row != "__main__")
    assert f"{layers}\n" in blocks(DOCS / "architecture.md", "text")
