"""Built-in data of trainings, written by the world's own rules: answers, preferences, requests.

`python -m cai_app pocket answers|preferences|requests > FILE` writes the shipped files again
(data/lessons/). All of it lies in combinations that held-out measurements never use, and its labels
are reference labels.
"""

from collections.abc import Iterator
from typing import Any

from cai_app.pocket import replies
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.documents import Author
from cai_app.pocket.replies import Reply
from cai_app.pocket.shipped import shipped_texts
from cai_app.pocket.world import Scene

_HARMFUL_SHARE = 0.3  # of the helpfulness comparisons
_REFUSED_SHARE = 0.2  # of the replies to harmless requests in them


def answers(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Harmless requests with what the helpful assistant answers, each request once."""
    writer, seen = author(f"answers-{seed}"), set[str]()
    while len(seen) < count:
        scene = writer.world.scene(writer.rng, harmful=False)
        prompt = writer.ask(scene)
        if prompt not in seen:
            seen.add(prompt)
            reply = replies.helpful_reply(writer.world, scene, writer.rng)
            yield {"prompt": prompt, "text": reply.text}


def preferences(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Requests, most of them harmless, with two replies and the known chance that the first is
    the more helpful one; nothing is said of harm."""
    writer, seen = author(f"preferences-{seed}"), set[str]()
    while len(seen) < count:
        harmful = writer.rng.random() < _HARMFUL_SHARE
        scene = writer.world.scene(writer.rng, harmful=harmful)
        first, second = (_reply(writer, scene) for _ in range(2))
        prompt = writer.ask(scene)
        if prompt in seen or first.text == second.text:
            continue
        seen.add(prompt)
        p = replies.p_first(first, second, "helpful", scene.act)
        yield {
            "prompt": prompt,
            "a": first.text,
            "b": second.text,
            "p": round(p, 3),
            "harmful": harmful,
        }


def _reply(author: Author, scene: Scene) -> Reply:
    """A reply of any sort. To harmless requests wrong refusals are among them: a preference model
    that never saw one takes every refusal for a good one."""
    if not scene.act.harmful and author.rng.random() < _REFUSED_SHARE:
        return replies.wrongly_declined(author.world, scene, author.rng)
    return replies.any_reply(author.world, scene, author.rng)


def requests(count: int, seed: int, *, harmful: bool) -> Iterator[dict[str, Any]]:
    """Requests alone, each once."""
    writer, seen = author(f"requests-{seed}-{harmful}"), set[str]()
    while len(seen) < count:
        prompt = writer.ask(writer.world.scene(writer.rng, harmful=harmful))
        if prompt not in seen:
            seen.add(prompt)
            yield {"prompt": prompt}


def author(seed: str) -> Author:
    """A writer of the world with its own generator."""
    texts = shipped_texts()
    return Corpus.load(texts.root, texts.shipped).author(seed)
