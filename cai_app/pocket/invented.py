"""Words that nobody knows: they can be copied, and not recalled."""

import random
from collections.abc import Sequence

SYLLABLES = (
    "ba", "do", "fi", "ga", "ki", "lo", "mu", "na", "po", "ra", "si", "te", "vo", "wa",
    "lin", "mar",
)  # fmt: skip


def name(rng: random.Random) -> str:
    """A name nobody has: two or three syllables."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.choice((2, 2, 3))))


def nonsense(rng: random.Random, things: Sequence[str]) -> str:
    """Words that nothing foretells: invented ones, and things of the world."""
    words = [
        name(rng) if rng.random() < 0.5 else rng.choice(things) for _ in range(rng.randrange(3, 11))
    ]
    return " ".join(words)


def called(rng: random.Random, words: Sequence[str]) -> str:
    """What somebody or something might be called: a coined word, or one beside a known one."""
    known = rng.choice(words)
    return rng.choice(("{0}", "{0}", "{1} {0}", "{0} {1}")).format(coined(rng, words), known)


def coined(rng: random.Random, words: Sequence[str]) -> str:
    """Syllables, or the front of one of these words with the back of another."""
    if rng.random() < 0.3:
        return name(rng)
    front, back = rng.choice(words), rng.choice(words)
    return front[: rng.randrange(2, len(front))] + back[rng.randrange(1, len(back) - 1) :]
