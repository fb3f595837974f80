"""Versions that are known to be bad, and what to do about each.

Of Python packages, pip-audit knows more. It does not see what is inside the wheels, FFmpeg above
all; and it does not know which flaws reach stacgen. So this table is short.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stacgen.doctor.findings import Finding, Mark
from stacgen.doctor.libraries import numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Versions of a library that have something wrong."""

    library: str
    """As `native.versions` names it."""

    since: str = ""
    """First version that has it; empty for all before `until`."""

    until: str
    """First version that has it no more."""

    why: str
    advice: str
    source: str
    """Where this is known from."""

    def holds(self, version: str) -> bool:
        """Whether a version has it."""
        return numbers(self.since) <= numbers(version) < numbers(self.until)


FLAWS = (
    Flaw(
        library="FFmpeg",
        since="8.1",
        until="8.1.3",
        why="Dolby Vision metadata within HEVC is read without looking where its parts end",
        advice="PyAV 19 has FFmpeg 9: pip install --upgrade av, with Python 3.12 or newer. Until"
        " then, decode from hosts that you trust.",
        source="release notes of FFmpeg n8.1.3 (2026-09-20), by way of FFmpegBuild 3.5.0",
    ),
    Flaw(
        library="FFmpeg",
        until="8.0",
        why="where a picture is lost, a grey one is made up and decoded on; only stacgen's own"
        " checks of packets and times notice",
        advice="pip install --upgrade av",
        source="FFmpeg commits bc1a3bf and b665211, BtbN/FFmpeg-Builds#516",
    ),
    Flaw(
        library="FFmpeg",
        since="7.0",
        until="7.0.1",
        why="a damaged HEVC stream may overflow a buffer (CVE-2024-32228)",
        advice="pip install --upgrade av",
        source="CVE-2024-32228, which names 7.0",
    ),
    Flaw(
        library="requests",
        until="2.32.4",
        why="a URL made for it gets the password of another host out of ~/.netrc (CVE-2024-47081)",
        advice="pip install --upgrade requests",
        source="PYSEC-2026-1872",
    ),
)


def flaws(versions: Mapping[str, str]) -> Iterator[Finding]:
    """What is known against some versions, by library; that nothing is, where that is so."""
    found = [
        Finding(
            part="Known flaws",
            name=f"{each.library} {version}",
            mark=Mark.WARN,
            text=f"{each.why}. Source: {each.source}",
            advice=each.advice,
        )
        for each in FLAWS
        if (version := versions.get(each.library)) and each.holds(version)
    ]
    looked = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield from found or [
        Finding(part="Known flaws", name="none", mark=Mark.OK, text=f"of {looked or 'nothing'}")
    ]
