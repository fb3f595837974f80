"""SECURITY.md claims nothing that no test and no module stands for."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text()
DEFENDED = TEXT[TEXT.index("## What is defended") : TEXT.index("## What is not defended")]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in DEFENDED.splitlines()
    if line.startswith("| ") and not line.startswith(("| Threat", "| ---"))
]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_claim_names_a_module_and_a_test_that_exist() -> None:
    assert len(ROWS) > 20
    for threat, _, modules, tests in ROWS:
        for module in re.findall(r"`([^`]+)`", modules) or [f"none for: {threat}"]:
            assert (ROOT / module).is_file(), module
        for named in re.findall(r"`([^`]+)`", tests) or [f"none for: {threat}::"]:
            path, _, function = named.partition("::")
            assert function in functions(ROOT / path), named


def test_the_policy_says_what_readers_look_for() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert headings == [
        "Supported versions",
        "Report",
        "Whom it trusts",
        "Whom it does not trust",
        "What is defended",
        "What is not defended",
    ]


def test_links_lead_to_files() -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (ROOT / target).exists(), target
