"""Requests of the toy world with their scenes, and what the reference rule says of answers.

They are what a policy is trained and measured on; labels from here are called reference, never
human.
"""

from functools import cache
from typing import NamedTuple

from cai_app.pocket import replies
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.documents import Author
from cai_app.pocket.reference import Reader
from cai_app.pocket.replies import Reply
from cai_app.pocket.shipped import shipped_texts
from cai_app.pocket.world import Scene


class Task(NamedTuple):
    """A request, and the scene that it is about."""

    prompt: str
    scene: Scene


class ReferencePair(NamedTuple):
    """Two answers, and the world's known chance that `a` is the better one."""

    task: Task
    a: str
    b: str
    p: float


@cache
def _corpus() -> Corpus:
    texts = shipped_texts()
    return Corpus.load(texts.root, texts.shipped)


@cache
def reader() -> Reader:
    """The reference rule for this world."""
    return Reader(_corpus().world)


def read(task: Task, text: str) -> Reply | None:
    """An answer as parts with reference harm and helpfulness; None where it is unscored."""
    return reader().reply(text, task.scene)


def tasks(
    count: int, seed: str, *, harmful: bool | None = None, unseen: str | None = None
) -> list[Task]:
    """So many different requests; `unseen` as in `World.scene`."""
    author = _corpus().author(f"tasks-{seed}")
    found: dict[str, Task] = {}
    while len(found) < count:
        scene = author.world.scene(author.rng, harmful=harmful, unseen=unseen)
        prompt = author.ask(scene)
        found.setdefault(prompt, Task(prompt, scene))
    return list(found.values())


def pairs(count: int, seed: str, *, aspect: str, unseen: str | None = None) -> list[ReferencePair]:
    """So many pairs of different answers under an aspect, each to another request.

    For `helpful` the requests are harmless ones: what a helpful answer to a harmful one would be is
    what the method is about.
    """
    author = _corpus().author(f"pairs-{aspect}-{seed}")
    found: dict[str, ReferencePair] = {}
    while len(found) < count:
        scene, a, b = _two(author, unseen, harmless=aspect == "helpful")
        p = replies.p_first(a, b, aspect, scene.act)
        if p != 0.5:  # nothing is learned from a pair that the world has no opinion on
            task = Task(author.ask(scene), scene)
            found.setdefault(task.prompt, ReferencePair(task, a.text, b.text, p))
    return list(found.values())


def _two(author: Author, unseen: str | None, *, harmless: bool) -> tuple[Scene, Reply, Reply]:
    while True:
        scene, a, b = author.pair(unseen)
        if not (harmless and scene.act.harmful):
            return scene, a, b
