"""Frames that environments draw, as pictures of a film."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from logpi.errors import LogpiError

Frame = NDArray[np.uint8]  # [H, W, 3]


def rgb(drawn: object) -> Frame:
    """What ``render()`` gave, as uint8 [H, W, 3].

    Grey pictures [H, W] and [H, W, 1] become coloured ones, and an alpha channel is dropped. Floats and booleans lie in
    0 to 1, integers in 0 to 255.

    Raises:
        LogpiError: it is not a picture; the message tells its type, shape and range.
    """
    if not isinstance(drawn, np.ndarray) or drawn.dtype.kind not in "uifb" or drawn.size == 0:
        raise LogpiError(f"render() gave {_told(drawn)}, not an RGB array [H, W, 3]")
    picture = drawn[..., None] if drawn.ndim == 2 else drawn
    if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4):
        raise LogpiError(f"render() gave {_told(drawn)}, not an RGB array [H, W, 3]")
    picture = picture[..., : 3 if picture.shape[2] == 4 else None]
    if picture.dtype != np.uint8:
        high = 1 if picture.dtype.kind in "fb" else 255
        if not (picture.min() >= 0 and picture.max() <= high):  # NaN included
            raise LogpiError(f"render() gave {_told(drawn)}: of {picture.dtype} values from 0 to {high} are shown")
        picture = np.rint(picture * (255 / high)).astype(np.uint8)
    return np.broadcast_to(picture, (*picture.shape[:2], 3))


def check_size(frame: Frame, first: Frame) -> None:
    """Refuse a frame of another size than the film's first.

    Raises:
        LogpiError: with both sizes.
    """
    if frame.shape != first.shape:
        raise LogpiError(
            f"a frame of {frame.shape[1]} x {frame.shape[0]} pixels came after frames of {first.shape[1]} x "
            f"{first.shape[0]}; a film has one size, and ends here: let render() draw each frame in the same size"
        )


def one_colour(frame: Frame) -> bool:
    """Whether every pixel is alike."""
    return bool((frame == frame[:1, :1]).all())


class Shows:
    """Whether the frames of a film so far show anything: more than one colour, or another one than the first."""

    anything = False
    _first: Frame | None = None

    def add(self, frame: Frame) -> None:
        """Take one more frame into account."""
        if not self.anything:
            self._first = frame[:1, :1].copy() if self._first is None else self._first
            self.anything = not one_colour(frame) or bool((frame[:1, :1] != self._first).any())


def _told(drawn: object) -> str:
    if not isinstance(drawn, np.ndarray):
        return type(drawn).__name__
    reach = f" from {drawn.min()} to {drawn.max()}" if drawn.size and drawn.dtype.kind in "uifb" else ""
    return f"{drawn.dtype}{list(drawn.shape)}{reach}"
