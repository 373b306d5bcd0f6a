"""What the check of an environment or of a game's rules has found, and how to fix it."""

from __future__ import annotations

from dataclasses import asdict, dataclass


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
