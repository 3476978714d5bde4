"""Acts that nobody wrote: the beginning of one with the end of another of its kind.

With a few hundred acts a small model learns every one by heart, and then names one of those for an
act it never saw. Put together from their halves there are tens of thousands, so that a critique
can only be written by looking at what was asked. Answers are mixed too, where they are quoted
only: a fine response is kept by copying it, not by knowing it.
"""

import random
import re
from dataclasses import replace

from cai_app.pocket.world import HARMLESS, Act, World, invented

INVENTED = 0.15  # of the beginnings: words that nobody knows
_REST = re.compile(r"(?:^| )(\$\w+|the|an?|it|all|old|new) ?.*$")
_WORD = re.compile(r"(?<![$\w])[a-z]{4,}\b")


def halves(act: Act) -> tuple[str, str]:
    """The verb with its particles, and what it is done to: "hack into", "$p's wifi"."""
    verb, space, rest = act.do.partition(" ")
    found = _REST.search(rest)
    if space and found:
        verb, rest = f"{verb} {rest[: found.start()]}".rstrip(), rest[found.start() :].lstrip()
    return verb, rest


def mixed(world: World, act: Act, rng: random.Random) -> Act:
    """`act` with the beginning of another of its kind, or an invented one.

    Never an act that is held out, or shares its first word with one; and never an act that was
    written, whose combinations with people and things may be held out. Look-alikes lend no
    beginning: "kill" does not go with everything. Where nothing fits, the act itself.
    """
    verb, rest = halves(act)
    if len(rest.split()) >= 4 and rng.random() < INVENTED:
        start = invented(rng)
    else:
        person = rest.split()[0] == "$p"  # "visit Mia", but never "boil Mia"
        known = [a for a in world.by_kind[act.kind] if not a.held_out and not a.lookalike]
        starts = [halves(a) for a in known]
        fitting = [v for v, r in starts if (r.split()[:1] == ["$p"]) == person]
        start = rng.choice(fitting or [verb])
    do = f"{start} {rest}"
    if start == verb or start.split()[0] in world.kept_verbs or do in world.written:
        return act
    return replace(act, id=f"{act.id}~{start}", do=do)


def quoted(world: World, act: Act, rng: random.Random) -> Act:
    """A harmless act with an answer and a tip that belong to others, words exchanged."""
    if act.kind != HARMLESS:
        return act
    known = [a for a in world.by_kind[HARMLESS] if not a.held_out]
    answers = tuple(_exchanged(world, text, rng) for text in rng.choice(known).answers)
    return replace(act, answers=answers, tip=_exchanged(world, rng.choice(known).tip, rng))


def _exchanged(world: World, text: str, rng: random.Random) -> str:
    """The text with one or two of its longer words exchanged for things, or invented words."""
    for _ in range(rng.choice((0, 1, 1, 2))):
        words = list(_WORD.finditer(text))
        if not words:
            break
        found = rng.choice(words)
        word = invented(rng) if rng.random() < 0.3 else rng.choice(world.things)
        text = text[: found.start()] + word + text[found.end() :]
    return text
