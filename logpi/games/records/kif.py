"""Records of shogi in the KIF format (kakinoki.o.oo7.jp/kif_format.html), one game a file, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logpi.errors import LogpiError
from logpi.games.records.record import BAD_MOVE, DAMAGED, OTHER_GAME, Fault, Record, Tell, usual_reason
from logpi.games.records.shogi_men import Men, Move, Square, moves_of
from logpi.games.records.texts import decoded, one_line
from logpi.games.rules.game import Game

FILES, RANKS = "１２３４５６７８９", "一二三四五六七八九"
NAMES = {
    **{"P": "歩", "L": "香", "N": "桂", "S": "銀", "G": "金", "B": "角", "R": "飛", "K": "玉"},
    **{"+P": "と", "+L": "成香", "+N": "成桂", "+S": "成銀", "+B": "馬", "+R": "龍"},
}
MEN = {name: man for man, name in NAMES.items()}
MEN |= {"王": "K", "竜": "+R", "杏": "+L", "圭": "+N", "全": "+S", "仝": "+S"}
EVEN = "平手"
HANDICAPS = {  # the rows of White's men, who moves first
    "香落ち": "lnsgkgsn1/1r5b1",
    "右香落ち": "1nsgkgsnl/1r5b1",
    "角落ち": "lnsgkgsnl/1r7",
    "飛車落ち": "lnsgkgsnl/7b1",
    "飛香落ち": "lnsgkgsn1/7b1",
    "二枚落ち": "lnsgkgsnl/9",
    "三枚落ち": "lnsgkgsn1/9",
    "四枚落ち": "1nsgkgsn1/9",
    "五枚落ち": "2sgkgsn1/9",
    "左五枚落ち": "1nsgkgs2/9",
    "六枚落ち": "2sgkgs2/9",
    "八枚落ち": "3gkg3/9",
    "十枚落ち": "4k4/9",
}
REST = "/ppppppppp/9/9/9/PPPPPPPPP/1B5R1/LNSGKGSNL w - 1"
# what ends a game: the result for the player to move, and ``Record.reason``
ENDS: dict[str, tuple[float | None, str]] = {
    "投了": (-1.0, "resigned"),
    "切れ負け": (-1.0, "timed out"),
    "反則負け": (-1.0, "illegal move"),
    "反則勝ち": (1.0, "illegal move"),
    "詰み": (-1.0, "played out"),
    "入玉勝ち": (1.0, "played out"),
    "千日手": (0.0, "played out"),
    "持将棋": (0.0, "played out"),
    "中断": (None, "unfinished"),
    "不詰": (None, "unfinished"),
}
HEADER = re.compile(r"([^\s：:]+)[：:](.*)")
STEP = re.compile(r"\s*([0-9]+)\s+(\S+(?:[\s　]+[歩香桂銀金角飛玉王と成馬龍竜杏圭全仝]\S*)?)")
MOVE = re.compile(
    r"(?:([１-９1-9])([一二三四五六七八九])|同[\s　]*)(成香|成桂|成銀|[^\s成不打(])(成|不成|打)?(?:\(([1-9])([1-9])\))?"
)


def to_kif(record: Record, game: Game) -> str:
    """The record as a game in KIF.

    Raises:
        LogpiError: it begins from a position that is neither the usual one nor one of the handicaps.
    """
    men = Men(record.start)
    black, white = record.players if men.black else record.players[::-1]
    lines = ["#KIF version=2.0 encoding=UTF-8"]
    lines += [f"開始日時：{record.date.replace('-', '/')}"] if record.date else []
    lines += [f"手合割：{_handicap(record.start)}", f"先手：{one_line(black)}", f"後手：{one_line(white)}"]
    lines.append("手数----指手---------消費時間--")
    for number, move in enumerate(moves_of(record.start, record.actions), 1):
        origin = "打" if move.origin is None else f"({move.origin[0]}{move.origin[1]})"
        where = f"{FILES[move.end[0] - 1]}{RANKS[move.end[1] - 1]}"
        lines.append(f"{number:4} {where}{NAMES[move.man]}{'成' if move.promotes else ''}{origin}")
    lines.append(f"{len(record.actions) + 1:4} {_end(record)}")
    return "".join(f"{line}\n" for line in lines)


def from_kif(data: bytes, path: str, wanted: Game | None, tell: Tell) -> Iterator[tuple[str, Record]]:
    """The record of a file in KIF, its main line alone; of one with a fault, the moves before it."""
    lines = decoded(data).split("\n")
    if not any(line.strip() for line in lines):
        return
    try:
        yield f"{path}, line 1", _read(lines, path, tell)
    except LogpiError as error:
        tell(Fault(f"{path}, line 1", OTHER_GAME, str(error)))


def _read(lines: list[str], path: str, tell: Tell) -> Record:
    headers = dict[str, str]()
    first = next((k for k, line in enumerate(lines) if STEP.match(line)), len(lines))
    for line in lines[:first]:
        if not line.startswith(("#", "*")) and (found := HEADER.match(line.strip())):
            headers[found[1]] = found[2].strip()
    start = _start(headers.get("手合割", EVEN))
    actions, ending = _moves(lines[first:], first + 1, Men(start), path, tell)
    mine, reason = ENDS.get(ending, (None, "unfinished"))
    outcome = mine if not mine or len(actions) % 2 == 0 else -mine
    black, white = (headers.get(a) or headers.get(b, "") for a, b in (("先手", "下手"), ("後手", "上手")))
    date = re.match(r"([0-9]{4})[/-]([0-9]{1,2})[/-]([0-9]{1,2})", headers.get("開始日時", ""), re.ASCII)
    return Record(
        "shogi",
        (white, black) if start else (black, white),
        actions,
        outcome,
        reason=usual_reason(None) if outcome is None else reason,
        date="" if date is None else f"{date[1]}-{int(date[2]):02}-{int(date[3]):02}",
        start=start,
    )


def _start(handicap: str) -> str:
    """``Record.start``; raises LogpiError."""
    if handicap == EVEN:
        return ""
    if handicap not in HANDICAPS:
        raise LogpiError(f"手合割 {handicap!r}: positions that are set up are not read; {EVEN} and handicaps are")
    return HANDICAPS[handicap] + REST


def _handicap(start: str) -> str:
    for name, rows in HANDICAPS.items():
        if (rows + REST).split()[:3] == start.split()[:3]:
            return name
    if start:
        raise LogpiError(f"KIF has no name for the start {start}; write CSA or SFEN")
    return EVEN


def _moves(lines: list[str], first: int, men: Men, path: str, tell: Tell) -> tuple[tuple[int, ...], str]:
    """(actions up to the first fault, the word that ends the game or "")."""
    actions, last = list[int](), (0, 0)
    for number, line in enumerate(lines, first):
        where = f"{path}, line {number}"
        if line.startswith("変化"):
            break  # variations follow the main line
        step = STEP.match(line)
        if step is None:
            if line.strip() and not line.startswith(("*", "#", "&", "まで")):
                tell(Fault(where, DAMAGED, f"{line.strip()[:20]!r} is not KIF"))
            continue
        if step[2] in ENDS:
            return tuple(actions), step[2]
        if int(step[1]) != len(actions) + 1:
            tell(Fault(where, BAD_MOVE, f"move {step[1]} where move {len(actions) + 1} is next"))
            break
        try:
            move = _move(step[2], men, last)
            actions.append(men.action_of(move))
        except LogpiError as error:
            tell(Fault(where, BAD_MOVE, str(error)))
            break
        men.moved(move)
        last = move.end
    return tuple(actions), ""


def _move(text: str, men: Men, last: Square) -> Move:
    """The move that ``text`` names; raises LogpiError."""
    found = MOVE.fullmatch(text)
    if found is None or found[3] not in MEN or (not found[1] and last == (0, 0)):
        raise LogpiError(f"{text!r} is not a move of KIF")
    file = found[1] and (FILES.index(found[1]) + 1 if found[1] in FILES else int(found[1]))
    end = (int(file), RANKS.index(found[2]) + 1) if file else last
    man = MEN[found[3]]
    if found[4] == "打":
        return Move(None, end, man, False)
    if not found[5]:
        raise LogpiError(f"{text!r} does not say where the man comes from")
    origin = int(found[5]), int(found[6])
    there = men.men.get(origin, "")
    if there.upper() != man or there.strip("+").isupper() != men.black:
        raise LogpiError(f"{text!r}: no {found[3]} of the player to move stands on {origin[0]}{origin[1]}")
    return Move(origin, end, man, found[4] == "成")


def _end(record: Record) -> str:
    """The word that ends a game."""
    if record.outcome is None:
        return "中断"
    mine = record.outcome if len(record.actions) % 2 == 0 else -record.outcome
    fitting = [word for word, end in ENDS.items() if end == (mine, record.reason)]
    usual = {-1.0: "投了", 0.0: "千日手", 1.0: "反則勝ち"}
    return fitting[0] if fitting else usual[mine]
