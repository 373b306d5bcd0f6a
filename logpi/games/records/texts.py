"""The text of a file of shogi games, in the encodings that are in use."""

from __future__ import annotations

import codecs


def decoded(data: bytes) -> str:
    """``data`` as text with plain line ends: UTF-8, with or without a mark, or UTF-16 with one, else Shift-JIS."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp932", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def one_line(text: str) -> str:
    """``text`` without line breaks and other control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
