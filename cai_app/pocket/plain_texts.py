"""Documents without a request that matters: numbers, sentences of the world, words said again."""

from collections.abc import Callable
from typing import Any

from cai_app.pocket.documents import Author
from cai_app.pocket.invented import nonsense
from cai_app.pocket.segments import ASIDE, WRITTEN, Document, Segment, form
from cai_app.pocket.world import held_out


def counting(author: Author) -> Document:
    """A number sequence from somewhere below a thousand."""
    rng = author.rng
    start, length = rng.randrange(1, 990), rng.randrange(5, 40)
    while held_out("count", str(start), 20):
        start = rng.randrange(1, 990)
    return [Segment(", ".join(str(n) for n in range(start, start + length)), WRITTEN)]


def echo(author: Author) -> Document:
    """Something to say again, word for word: copying is a skill of its own."""
    words = nonsense(author.rng, author.world.things)
    asked = author.rng.choice(("Please repeat: ", "Say this again: ", "Repeat after me: "))
    return [Segment(form("draft", prompt=asked + words), ASIDE), Segment(" " + words, WRITTEN)]


def prose(author: Author) -> Document:
    """Plain sentences of the world."""
    chosen = author.rng.sample(author.world.facts["prose"], 3)
    return [Segment(" ".join(_sentence(author, entry) for entry in chosen), 0.5)]


def _sentence(author: Author, entry: dict[str, Any]) -> str:
    filled = author.world.loose(author.rng, entry["o"]).say(entry["text"], "narrator")
    return filled[0].upper() + filled[1:]


SORTS: dict[str, Callable[[Author], Document]] = {
    "counting": counting,
    "prose": prose,
    "echo": echo,
}
