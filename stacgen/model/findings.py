"""Findings of a validation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    key: str
    """Of the file."""

    rule: str
    """What it breaks, in a word."""

    text: str
    """A sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was looked at, and what was found."""

    documents: int
    cogs: int
    """That were opened."""

    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...] = ()
    """Schemas that were not available, in sentences."""
