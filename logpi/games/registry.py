"""The systems that learn games from self-play, by name."""

from __future__ import annotations

from typing import Any

from logpi.games.alphago_zero import alphago_zero
from logpi.games.alphazero import alphazero

SYSTEMS: dict[str, Any] = {"alphazero": alphazero, "alphago_zero": alphago_zero}
