"""Findings as lines of a terminal, and as records."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from stacgen.doctor.findings import Finding, Mark

_NAME = 23
"""Columns of a name; longer ones have a line of their own."""

_INDENT = 2 + 4 + 2 + _NAME + 2
"""Columns before the text."""

_SIGNS = {Mark.OK: "ok", Mark.ABSENT: "-", Mark.WARN: "warn", Mark.FAIL: "FAIL"}
_COLORS = {Mark.OK: "32", Mark.ABSENT: "2", Mark.WARN: "33", Mark.FAIL: "1;31"}
"""Of the terminal, by number; the words say the same."""


def lines(findings: Iterable[Finding], *, width: int, colored: bool) -> Iterator[str]:
    """A table without frame, as it grows: headings, and under each a line or more a finding.

    Args:
        findings: Those of a heading one after the other.
        width: Columns of the terminal.
        colored: Whether marks have colours, too.
    """
    part = ""
    for each in findings:
        if each.part != part:
            part = each.part
            yield _painted(part, "1", colored=colored)
        yield from _line(each, width=width, colored=colored)


def _line(finding: Finding, *, width: int, colored: bool) -> Iterator[str]:
    mark = _painted(f"{_SIGNS[finding.mark]:4}", _COLORS[finding.mark], colored=colored)
    head = f"  {mark}  {finding.name:{_NAME}}  "
    advice = f"-> {finding.advice}" if finding.advice else ""
    if len(f"{finding.text} {advice}") <= width - _INDENT:
        texts = [f"{finding.text} {advice}".rstrip()]
    else:
        texts = _wrapped(finding.text, width) + (_wrapped(advice, width) if advice else [])
    if len(finding.name) > _NAME:
        yield head.rstrip()
    else:
        yield head + texts.pop(0)
    for text in texts:
        yield " " * _INDENT + text


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width - _INDENT, 20), break_on_hyphens=False) or [""]


def _painted(text: str, color: str, *, colored: bool) -> str:
    return f"\033[{color}m{text}\033[0m" if colored else text


def verdict(findings: Iterable[Finding]) -> str:
    """The last line: how much is wrong, and how much there is to know."""
    marks = [each.mark for each in findings]
    wrong, odd = marks.count(Mark.FAIL), marks.count(Mark.WARN)
    if not wrong and not odd:
        return "All is well."
    warnings = f"{odd} warning{'s' * (odd > 1)}" if odd else ""
    if not wrong:
        return f"Nothing is wrong; {warnings}."
    things = "1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong"
    return f"{things}{'; ' if odd else ''}{warnings}."


def as_record(finding: Finding) -> dict[str, str]:
    """A finding as a JSON object."""
    return {key: str(value) for key, value in asdict(finding).items()}
