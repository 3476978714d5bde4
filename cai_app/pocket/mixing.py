"""Acts that nobody wrote: the beginning of one with the end of another of its kind.

With a few hundred acts a small model learns every one by heart, and then names one of those for an
act it never saw. Put together from their halves there are tens of thousands, so that a critique
can only be written by looking at what was asked, and words that nobody knows stand in some of
them. Why such an act is wrong, and what would be kinder, is what its kind has in common. Answers
are mixed too, where they are quoted only: a fine response is kept by copying it, not by knowing it.
"""

import random
import re
from dataclasses import replace

from cai_app.pocket.invented import coined
from cai_app.pocket.world import HARMLESS, Act, World

COINED = 0.25  # of the beginnings: words that nobody knows
EXCHANGED = 0.2  # of the ends: a word or two replaced
_WORD = re.compile(r"(?<![$\w])[a-z]{4,}\b")


def mixed(world: World, act: Act, rng: random.Random) -> Act:
    """`act` with the beginning of another of its kind, or a coined one.

    Never an act that was written: it may be held out, or its combinations with people and things.
    Where nothing fits, the act itself. A beginning that acts of several kinds have, as "take", is
    left out: the same words would be harmful here and harmless there.
    """
    verb, rest = act.halves
    also = act.also
    if len(rest.split()) >= 4 and rng.random() < COINED:
        start = coined(rng, world.words)
    else:
        person = rest.split()[0] == "$p"  # "visit Mia", but never "boil Mia"
        known = world.beginnings[act.kind]
        fitting = [a for a in known if (a.halves[1].split()[:1] == ["$p"]) == person]
        other = rng.choice(fitting or [act])
        start, also = other.halves[0], other.also
    if rng.random() < EXCHANGED:
        rest = _exchanged(world, rest, rng)
    do = f"{start} {rest}"
    if start == verb or do in world.written:
        return act
    return replace(
        act,
        id=f"{act.id}~{start}",
        do=do,
        also=also,
        reasons=act.reasons[1:],
        coulds=act.coulds[1:],
    )


def quoted(world: World, act: Act, rng: random.Random) -> Act:
    """An act as replies speak of it that are only quoted: a harmless one has an answer and a tip
    that belong to others.

    Their words are never exchanged: what a revision keeps of them is learned as well, and comes
    back garbled where nobody asked for it.
    """
    if act.kind != HARMLESS:
        return act
    known = [a for a in world.by_kind[HARMLESS] if not a.held_out]
    return replace(act, answers=rng.choice(known).answers, tip=rng.choice(known).tip)


def _exchanged(world: World, text: str, rng: random.Random) -> str:
    """The text with one or two of its longer words exchanged for things, or invented words."""
    for _ in range(rng.choice((0, 1, 1, 2))):
        words = list(_WORD.finditer(text))
        if not words:
            break
        found = rng.choice(words)
        word = coined(rng, world.words) if rng.random() < 0.3 else rng.choice(world.things)
        text = text[: found.start()] + word + text[found.end() :]
    return text
