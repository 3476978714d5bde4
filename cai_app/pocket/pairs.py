"""Comparisons from combinations that training never saw: the built-in set for measuring principles.

`python -m cai_app pocket pairs > data/prompts/comparisons.jsonl` writes the shipped file again.
"""

from collections.abc import Iterator

from cai_app.pocket.corpus import Corpus
from cai_app.pocket.shipped import shipped_texts


def comparisons(count: int, seed: int) -> Iterator[dict[str, str]]:
    """So many pairs, each to another request: an act in a held-out combination and two replies."""
    texts = shipped_texts()
    author = Corpus.load(texts.root, texts.shipped).author(f"pairs-{seed}")
    seen: set[str] = set()
    while len(seen) < count:
        scene, a, b = author.pair("scene")
        prompt = author.ask(scene)
        if prompt not in seen:
            seen.add(prompt)
            yield {"prompt": prompt, "a": a.text, "b": b.text, "act": scene.act.id}
