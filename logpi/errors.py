"""What is wrong: the error that ends a command with a message, and the findings of a check."""

from __future__ import annotations

from dataclasses import asdict, dataclass


class LogpiError(ValueError):
    """Says what is wrong, where, what is allowed and the next step; the command line prints it and exits 1."""


@dataclass(frozen=True)
class Finding:
    """Result of one check, and how to fix what it found."""

    level: str  # "ok", "warn" or "error"
    what: str
    fix: str = ""


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    name: str  # of what was checked
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.level != "error" for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        """All fields, and ``ok``."""
        return {**asdict(self), "ok": self.ok}
