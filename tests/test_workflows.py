"""What runs on GitHub: pinned, with few rights, and nothing of strangers in it."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.y*ml"))
WORKFLOWS: dict[str, Any] = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
PIN = re.compile(r"uses: (?P<action>[\w.-]+(/[\w.-]+)+)@(?P<hash>[0-9a-f]{40}) # v(?P<v>[\d.]+)")

MAY_WRITE = {
    ("release.yml", "pypi"): {"id-token"},
    ("release.yml", "attach"): {"contents"},
}
"""All else reads the contents, or nothing."""

OF_UNIX = {"fcntl", "pty", "pwd", "resource", "termios", "tty"}


def triggers(name: str) -> set[str]:
    found = WORKFLOWS[name][True]  # YAML 1.1 takes the key `on` for a boolean
    return {found} if isinstance(found, str) else set(found)


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, workflow in WORKFLOWS.items():
        for key, job in workflow["jobs"].items():
            yield name, key, job


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, _, job in jobs():
        yield from ((name, step) for step in job["steps"])


def test_there_are_workflows_for_tests_an_audit_and_releases() -> None:
    assert {"tests.yml", "audit.yml", "release.yml"} <= set(WORKFLOWS)


def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it() -> None:
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in FILES:
        for line in path.read_text().splitlines():
            if re.match(r"[\s-]*uses:", line):
                found = PIN.fullmatch(line.strip().removeprefix("- "))
                assert found, line
                pins.setdefault(found["action"], set()).add((found["hash"], found["v"]))
    assert pins
    assert all(len(each) == 1 for each in pins.values()), pins


def test_nothing_is_permitted_but_what_a_job_needs() -> None:
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {}, name
    for name, key, job in jobs():
        writes = {scope for scope, right in job["permissions"].items() if right == "write"}
        assert writes == MAY_WRITE.get((name, key), set()), (name, key)
        rest = {each: right for each, right in job["permissions"].items() if each not in writes}
        assert rest in ({}, {"contents": "read"}), (name, key)


def test_what_strangers_write_runs_nowhere() -> None:
    for name, step in steps():
        assert "${{" not in step.get("run", ""), f"{name}: hand it over in env"
    for name in WORKFLOWS:
        assert not triggers(name) & {"pull_request_target", "workflow_run", "issue_comment"}


def test_no_secret_is_where_a_pull_request_runs() -> None:
    for path in FILES:
        text = path.read_text()
        assert "secrets." not in text
        assert "github.token" not in text or triggers(path.name) == {"release"}
    for name, step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_a_release_needs_no_password_and_is_attested() -> None:
    job = WORKFLOWS["release.yml"]["jobs"]["pypi"]
    assert triggers("release.yml") == {"release"}
    assert job["environment"]["name"] == "pypi"
    (publish,) = (each for each in job["steps"] if "pypi-publish" in each["uses"])
    assert publish["with"] == {"attestations": True}
    assert not any("checkout" in each["uses"] for each in job["steps"])  # nor is anything run


def test_what_a_release_installs_is_pinned_by_hashes() -> None:
    for step in WORKFLOWS["release.yml"]["jobs"]["build"]["steps"]:
        for line in step.get("run", "").splitlines():
            if "pip" in line and "install" in line:
                assert re.search(r"--require-hashes -r \S+|--no-deps --no-index dist/", line), line


def test_scripts_that_run_are_there() -> None:
    runs = " ".join(step.get("run", "") for _, step in steps())
    named = set(re.findall(r"(?<![\w/])(?:\.ci|tests)/[\w./]+", runs))
    assert {".ci/run", ".ci/audit.py", ".ci/sbom.py"} <= named
    assert [each for each in named if not (ROOT / each).is_file()] == []


def test_every_job_ends() -> None:
    for name, key, job in jobs():
        assert job["timeout-minutes"] <= 150, (name, key)


def test_every_python_that_is_declared_is_tested_on_every_system() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [
        each.rpartition(" ")[2]
        for each in project["classifiers"]
        if re.search(r"Python :: 3\.\d+$", each)
    ]
    matrices = [job["strategy"]["matrix"] for _, _, job in jobs() if "strategy" in job]
    assert [each["python"] for each in matrices] == [declared] * 2
    assert {each.partition("-")[0] for each in matrices[1]["machine"]} == {"macos", "windows"}


def loaded(path: Path, seen: set[Path]) -> set[str]:
    """What a test module and the helpers beside it import at the top."""
    seen.add(path)
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    for name in sorted(found):
        helper = path.parent / f"{name}.py"
        if helper.is_file() and helper not in seen:
            found |= loaded(helper, seen)
    return found


def test_what_runs_on_windows_needs_nothing_of_unix() -> None:
    runs = " ".join(
        step.get("run", "") for step in WORKFLOWS["tests.yml"]["jobs"]["elsewhere"]["steps"]
    )
    named = re.findall(r"tests/\w+\.py", runs)
    assert len(named) > 10
    for path in [ROOT / each for each in named] + [ROOT / "tests" / "conftest.py"]:
        assert not loaded(path, set()) & OF_UNIX, path


def test_updates_are_asked_for_wherever_something_is_pinned() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    folders = {
        (each["package-ecosystem"], folder)
        for each in updates
        for folder in each.get("directories", [each.get("directory")])
    }
    assert folders == {("github-actions", "/"), ("pip", "/"), ("pip", "/.ci")}


def test_zizmor_finds_no_fault() -> None:
    program = shutil.which("zizmor")
    if program is None:
        pytest.skip("zizmor is not here: pip install '.[lint]'")
    done = subprocess.run(
        [program, "--offline", "--persona", "pedantic", "--no-progress", str(ROOT / ".github")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
