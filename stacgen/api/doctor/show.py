"""Show findings as lines of a terminal, or as JSON lines."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from stacgen.api.doctor.findings import Finding, Mark

_WIDTH = 80
"""Columns that are used, of wider terminals, too."""

_NAME = 23
"""Columns of a name; longer ones have a line of their own."""

_INDENT = 2 + 4 + 2 + _NAME + 2
"""Columns before the text."""

_SIGNS = {Mark.OK: "ok", Mark.ABSENT: "-", Mark.WARN: "warn", Mark.FAIL: "FAIL"}
_COLORS = {Mark.OK: "32", Mark.ABSENT: "2", Mark.WARN: "33", Mark.FAIL: "1;31"}
"""Of the terminal, by number; the words say the same."""


def tell(findings: Iterable[Finding], *, as_json: bool, colored: bool) -> bool:
    """Write each finding to stdout as it comes, and the sum of them to stderr.

    Returns:
        True if something is wrong.
    """
    marks = []
    part = ""
    for each in findings:
        marks.append(each.mark)
        if as_json:
            lines = [json.dumps(asdict(each))]
        else:
            heading = [] if each.part == part else [_painted(each.part, "1", colored=colored)]
            lines = [*heading, *_lines(each, colored=colored)]
        part = each.part
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
    sys.stderr.write(_verdict(marks.count(Mark.FAIL), marks.count(Mark.WARN)) + "\n")
    return Mark.FAIL in marks


def _lines(finding: Finding, *, colored: bool) -> Iterator[str]:
    room = max(min(shutil.get_terminal_size().columns, _WIDTH) - _INDENT, 20)
    mark = _painted(f"{_SIGNS[finding.mark]:4}", _COLORS[finding.mark], colored=colored)
    advice = f"-> {finding.advice}" if finding.advice else ""
    texts = [f"{finding.text} {advice}".rstrip()]
    if len(texts[0]) > room:
        wrapped = (
            textwrap.wrap(each, room, break_on_hyphens=False) for each in (finding.text, advice)
        )
        texts = [line for lines in wrapped for line in lines]
    if len(finding.name) > _NAME:
        texts.insert(0, "")
    yield f"  {mark}  {finding.name:{_NAME}}  {texts[0]}".rstrip()
    for text in texts[1:]:
        yield " " * _INDENT + text


def _painted(text: str, color: str, *, colored: bool) -> str:
    return f"\033[{color}m{text}\033[0m" if colored else text


def _verdict(wrong: int, odd: int) -> str:
    warnings = f"{odd} warning{'s' * (odd > 1)}" if odd else ""
    if not wrong:
        return f"Nothing is wrong; {warnings}." if odd else "All is well."
    things = "1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong"
    return f"{things}{'; ' if odd else ''}{warnings}."
