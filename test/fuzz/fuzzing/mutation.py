"""Damage to bytes and texts, as transmission, bad drivers and bad people do it."""

from __future__ import annotations

from random import Random

EXTREMES = (0, 1, 2, 127, 128, 255, 256, 30_000, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1)
"""Whole numbers at which programs go wrong."""


def mutated(random: Random, data: bytes) -> bytes:
    """The bytes after up to four changes: flipped, replaced, cut out, repeated, inserted, or the end left off."""
    held = bytearray(data)
    for _ in range(random.randint(1, 4)):
        if not held:
            return bytes(held)
        start = random.randrange(len(held))
        end = min(len(held), start + random.choice((1, 1, 2, 4, 16, 256)))
        change = random.randrange(6)
        if change == 0:
            held[start] ^= 1 << random.randrange(8)
        elif change == 1:
            held[start:end] = random.randbytes(end - start)
        elif change == 2:
            del held[start:end]
        elif change == 3:
            held[start:start] = held[start:end] * random.choice((1, 2, 50))
        elif change == 4:
            width = random.choice((1, 2, 4))
            held[start : start + width] = (random.choice(EXTREMES) % 256**width).to_bytes(width, "big")
        else:
            del held[start:]
    return bytes(held)


def text(random: Random, *, longest: int = 1200) -> str:
    """Text of any characters, those included that are no text alone."""
    size = random.choice((0, 1, 3, 20, 100, longest))
    if random.random() < 0.2:
        return random.randbytes(size).decode("utf-8", random.choice(("replace", "surrogateescape", "ignore")))
    alphabets = ("abc ", "mark the red mug in green, please.", "\0\t\n\r\x7f ", "äöü漢字🤖‮‍\u0301", "\ud800\udfff�")
    alphabet = random.choice(alphabets)
    return "".join(random.choice(alphabet) for _ in range(size))


def plain(random: Random, *, depth: int = 3) -> object:
    """Anything that JSON, YAML or a parameter may hold."""
    kind = random.randrange(10 if depth else 8)
    if kind == 0:
        return random.choice((*EXTREMES, -1, -(2**63), 2**63, 10**30))
    if kind == 1:
        return random.choice((0.0, -0.0, 0.5, 1e308, 5e-324, float("nan"), float("inf"), -float("inf")))
    if kind == 2:
        return text(random, longest=200)
    if kind == 3:
        return random.choice((None, True, False))
    if kind == 4:
        return random.randint(-100, 100)
    if kind < 8:
        return random.choice(("", "cpu", "auto", "torch", "../../etc/passwd", "/dev/zero", "household"))
    if kind == 8:
        return [plain(random, depth=depth - 1) for _ in range(random.randrange(4))]
    return {text(random, longest=20): plain(random, depth=depth - 1) for _ in range(random.randrange(4))}


def disturbed(random: Random, value: object) -> object:
    """The same nested value with one part of it replaced, left out or added."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        held = dict(value)
        key = random.choice(list(held))
        change = random.random()
        if change < 0.1:
            del held[key]
        elif change < 0.2:
            held[text(random, longest=20)] = plain(random)
        else:
            held[key] = disturbed(random, held[key])
        return held
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        return [*value[:at], disturbed(random, value[at]), *value[at + 1 :]]
    return plain(random)
