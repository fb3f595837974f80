"""The lock is whole, and an audit that was not answered says so."""

import re
import runpy
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ["requirements.lock", ".ci/tools.txt"]
PINNED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+) \\\n(?P<hashes>(?: {4}--hash=.+\n)+)", re.MULTILINE
)


def pinned(lock: str) -> dict[str, str]:
    found = PINNED.finditer((ROOT / lock).read_text())
    return {str(canonicalize_name(each["name"])): each["version"] for each in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_one_version_with_its_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    plain = PINNED.sub("", text)
    left = [
        line for line in plain.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert left == []
    assert len(pinned(lock)) > 30
    for each in PINNED.finditer(text):
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |\n)", each["hashes"])
        assert len(hashes) == each["hashes"].count("\n"), each["name"]


def test_the_lock_has_what_the_project_declares_in_versions_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = chain(project["dependencies"], *project["optional-dependencies"].values())
    lock = pinned("requirements.lock")
    for line in declared:
        wanted = Requirement(line)
        version = lock[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{line}, and the lock has {version}"


def test_the_tools_are_those_of_the_list() -> None:
    lines = (ROOT / ".ci" / "tools.in").read_text().splitlines()
    wanted = [Requirement(line).name for line in lines if line and line[0] not in "#-"]
    assert set(wanted) <= set(pinned(".ci/tools.txt"))
    same = pinned("requirements.lock")
    for name, version in pinned(".ci/tools.txt").items():
        assert same.get(name, version) == version


AUDIT = runpy.run_path(str(ROOT / ".ci" / "audit.py"))
FLAW = {"id": "PYSEC-2026-1872", "aliases": ["CVE-2024-47081"], "fix_versions": ["2.32.4"]}


def test_a_flaw_is_told_with_the_version_that_mends_it() -> None:
    answer = AUDIT["read"]([{"name": "requests", "version": "2.32.3", "vulns": [FLAW]}])
    *_, line, last = AUDIT["told"](Path("lock"), {"pypi": answer})
    assert line == "lock: requests 2.32.3: PYSEC-2026-1872 (CVE-2024-47081), mended in 2.32.4"
    assert last == "lock: asked pypi about 1 packages: 1 known flaw"


def test_what_was_skipped_does_not_count_as_asked() -> None:
    skipped = {"name": "av", "skip_reason": "not found"}
    none = AUDIT["read"]([skipped])
    assert (none.asked, none.flaws) == (0, [])
    assert "NOT ASKED" in AUDIT["told"](Path("lock"), {"pypi": none})[-1]
    some = AUDIT["read"]([skipped, {"name": "requests", "version": "2.34.2", "vulns": []}])
    told = AUDIT["told"](Path("lock"), {"pypi": some})
    assert told == [
        "lock: not asked about av: not found",
        "lock: asked pypi about 1 packages: no known flaw",
    ]


@pytest.fixture
def proxy() -> Iterator[str]:
    """A way out that leads nowhere: every connection is refused with a status."""

    class _Refusing(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(("options", "code"), [([], 0), (["--must-answer"], 1)])
def test_where_nobody_answers_it_says_so_and_is_bad_only_where_an_answer_is_due(
    options: list[str], code: int, proxy: str, tmp_path: Path
) -> None:
    if not _is_there("pip_audit"):
        pytest.skip("pip-audit is not here: pip install -r .ci/tools.txt")
    lock = tmp_path / "lock"
    lock.write_text(f"requests==2.34.2 --hash=sha256:{'0' * 64}\n")
    environment = {"HTTPS_PROXY": proxy, "https_proxy": proxy, "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", lock, *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "NOT ASKED" in done.stdout
    assert "no known flaw" not in done.stdout


def _is_there(module: str) -> bool:
    command = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
