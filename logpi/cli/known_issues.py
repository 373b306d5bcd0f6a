"""What is said before a game of another package is used."""

from __future__ import annotations

import sys

from logpi.games import PGX


def tell(game: str) -> None:
    """One note on standard error where ``game`` has defects that are known.

    Raises:
        LogpiError: it is one of pgx's that cannot be used here.
    """
    if not game.startswith(PGX):
        return
    from logpi.games.rules.pgx import remarks

    found = remarks(game.removeprefix(PGX))
    if found:
        print(f"logpi: {game} has the rules of the package pgx: {'; '.join(found)} (docs/pgx.md)", file=sys.stderr)
