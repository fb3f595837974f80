"""What is known against the versions of a lock: `python .ci/audit.py requirements.lock`.

pip-audit asks PyPI, or else OSV. Where neither answers, it says of every package that it was
skipped, and that no flaw was found. Here this is called what it is: not asked.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICES = ("pypi", "osv")
"""Whom to ask, by pip-audit's names; the next where one does not answer."""

_PATIENCE = 600
"""Seconds for all the packages of a lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service said of a lock."""

    asked: int = 0
    """Packages that it knows."""

    skipped: Mapping[str, str] = field(default_factory=dict)
    """Why, by package, of those it does not."""

    flaws: Sequence[str] = ()
    """A line each: package, version, id, and the versions without it."""

    trouble: str = ""
    """Why there is no answer at all."""


def ask(lock: Path, service: str) -> Answer:
    """What a service knows of the versions in a lock; nothing is resolved or installed."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    command += ["--disable-pip", "--format=json", "--progress-spinner=off"]
    command += [f"--vulnerability-service={service}"]
    try:
        done = subprocess.run(  # noqa: S603 - the arguments are ours
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        return read(json.loads(done.stdout)["dependencies"])
    except subprocess.TimeoutExpired:
        return Answer(trouble=f"no answer in {_PATIENCE} s")
    except (ValueError, LookupError):
        said = done.stderr.strip().splitlines()
        return Answer(trouble=said[-1] if said else f"pip-audit ended with {done.returncode}")


def read(dependencies: Sequence[Mapping[str, Any]]) -> Answer:
    """What pip-audit wrote, apart by whether a package was asked about or skipped."""
    skipped = {each["name"]: each["skip_reason"] for each in dependencies if "skip_reason" in each}
    flaws = [
        f"{each['name']} {each['version']}: {flaw['id']}"
        f" ({', '.join(flaw.get('aliases', [])) or 'no other name'}),"
        f" mended in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for each in dependencies
        for flaw in each.get("vulns", [])
    ]
    asked = len(dependencies) - len(skipped)
    return Answer(asked=asked, skipped=skipped, flaws=flaws)


def told(lock: Path, answers: Mapping[str, Answer]) -> list[str]:
    """The answers in lines, those of the services that did not answer, too."""
    lines = []
    for service, each in answers.items():
        if not each.asked:
            reason = each.trouble or next(iter(each.skipped.values()), "it is empty")
            lines.append(f"{lock}: {service} did not answer: {reason}")
            continue
        lines += [f"{lock}: {flaw}" for flaw in each.flaws]
        lines += [f"{lock}: not asked about {name}: {why}" for name, why in each.skipped.items()]
        count = len(each.flaws)
        known = "no known flaw" if not count else f"{count} known flaw{'s' * (count > 1)}"
        lines.append(f"{lock}: asked {service} about {each.asked} packages: {known}")
    if not any(each.asked for each in answers.values()):
        lines.append(
            f"{lock}: NOT ASKED. Nobody answered, so what is known against it is not known"
        )
    return lines


def main() -> None:
    """Ask about each lock; exit code 1 where there is a flaw, or no answer where there must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("locks", nargs="+", type=Path)
    parser.add_argument("--must-answer", action="store_true")
    options = parser.parse_args()
    is_bad = False
    for lock in options.locks:
        answers: dict[str, Answer] = {}
        for service in SERVICES:
            answers[service] = ask(lock, service)
            if answers[service].asked:
                break
        sys.stdout.write("\n".join(told(lock, answers)) + "\n")
        last = answers[service]
        is_bad |= bool(last.flaws) or (
            options.must_answer and (not last.asked or bool(last.skipped))
        )
    sys.exit(is_bad)


if __name__ == "__main__":
    main()
