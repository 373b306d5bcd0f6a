"""What numbers a flag may have."""

from __future__ import annotations

from logpi.errors import LogpiError

SEEDS = (0, 2**31 - 1)  # which engines take too


def within(flag: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside of what is allowed; not-a-number is outside of everything.

    Raises:
        LogpiError: it is.
    """
    if not low <= value <= high:
        raise LogpiError(f"{flag} {value}; allowed: {low} to {high}")
