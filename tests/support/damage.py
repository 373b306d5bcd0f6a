"""Files as they are after accidents: bytes lost, changed, doubled, or mixed with those of another file."""

TOKENS = (
    b"(",
    b")",
    b"[",
    b"]",
    b";",
    b"\\",
    b":",
    b"\0",
    b"\xff",
    b"\xe4",
    b"\n",
    b"B[",
    b"AB[aa][bb]",
    b"SZ[",
    b"GM[",
)
OTHERS = (b"SZ[19:9]", b"KM[-]", b"HA[9]", b"PL[W]", b"RE[B+", b"CA[UTF-16]", b"LPOPENING[99]", b"(;", b"tt", b"W[tt]")


def damaged(rng, good):
    """One of the ``good`` files after one to six accidents, by a generator of NumPy."""
    data = good[rng.integers(len(good))]
    for _ in range(rng.integers(1, 7)):
        data = accident(rng, data, good)
    return data


def accident(rng, data, good):
    begin, end = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    short = min(end, begin + int(rng.integers(1, 12)))
    inserted = [*TOKENS, *OTHERS][rng.integers(len(TOKENS) + len(OTHERS))]
    other = good[rng.integers(len(good))]
    made = (
        data[:begin] + data[short:],  # a few bytes lost
        data[:begin] + inserted + data[begin:],
        data[:begin] + inserted + data[short:],
        data[:begin] + data[begin:short] * 3 + data[short:],
        data[:end],  # cut short
        data[:begin] + other[begin:],  # goes on as another file
        data[:begin] + bytes([rng.integers(256)]) + data[begin + 1 :],
        data + b"\n" + other,
    )
    return made[rng.integers(len(made))]
