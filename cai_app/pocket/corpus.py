"""The corpus as an endless, seeded stream of token rows, written while training goes on.

Chunk n depends only on (seed, n), so a training resumes with the very rows it would have seen.
Documents are batched with others of their length: on a CPU that beats packing them into rows,
where attention over a row of 512 cost more than all matrices together.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cai_app.pocket import principles, world
from cai_app.pocket.documents import Author, Document, Shipped

WINDOW = 2048
# Share of documents; few-shot documents are several times longer than the rest.
MIXTURE: dict[str, float] = {
    "dialogue": 20,
    "preamble": 6,
    "chain": 24,
    "direct": 11,
    "chain_with_shots": 3.5,
    "verdict": 18,
    "verdict_with_shots": 4,
    "reasoned": 7,
    "reasoned_with_shots": 0.8,
    "counting": 1.5,
    "prose": 1.5,
}
# The helpful adapter: mostly what the helpful-only assistant says, the rest to keep its skills.
HELPFUL_MIXTURE: dict[str, float] = {
    "helpful_dialogue": 45,
    "preamble": 8,
    "chain": 18,
    "direct": 8,
    "chain_with_shots": 3,
    "verdict": 10,
    "verdict_with_shots": 3,
    "reasoned": 4,
    "reasoned_with_shots": 1,
}


@dataclass(frozen=True)
class Batch:
    """Documents of like length: ids and loss weights (rows × longest), and how many tokens."""

    ids: np.ndarray
    weights: np.ndarray
    tokens: int


@dataclass(frozen=True)
class Corpus:
    """World, wordings and shipped texts; documents come out by the mixture."""

    world: world.World
    wordings: principles.Wordings
    shipped: Shipped

    @classmethod
    def load(cls, root: Path, shipped: Shipped) -> "Corpus":
        """Read everything under `root` (the repository's data and constitutions)."""
        pocket = root / "data" / "pocket"
        return cls(world.load(pocket), principles.load(pocket, root / "constitutions"), shipped)

    def author(self, seed: str) -> Author:
        """A writer of documents with its own generator."""
        return Author(self.world, self.wordings, self.shipped, random.Random(seed))

    def documents(
        self, seed: str, mixture: dict[str, float] | None = None
    ) -> Iterator[tuple[str, Document]]:
        """Endless (sort, document) pairs."""
        author = self.author(seed)
        shares = mixture or MIXTURE
        sorts, weights = list(shares), list(shares.values())
        while True:
            sort = author.rng.choices(sorts, weights)[0]
            if sort == "direct":
                yield sort, author.chain(direct=True)
            else:
                write: Callable[[], Document] = getattr(author, sort)
                yield sort, write()


def encode(document: Document, tokenizer: Any) -> tuple[list[int], list[float]]:
    """Token ids and weights: BOS, the segments one by one, EOS.

    The token after a stretch the assistant wrote ends it, so it weighs as much as what it ends.
    """
    ids, weights = [tokenizer.bos_token_id], [0.0]
    before = 0.0
    pieces = tokenizer([s.text for s in document], add_special_tokens=False)["input_ids"]
    for segment, piece in zip(document, pieces, strict=True):
        start = len(weights)
        ids += piece
        weights += [segment.weight] * len(piece)
        if before >= 0.5 and piece:
            weights[start] = max(weights[start], 1.0)
        before = segment.weight
    return [*ids, tokenizer.eos_token_id], [*weights, 1.0 if before >= 0.5 else 0.1]


def batches(
    corpus: Corpus,
    tokenizer: Any,
    seed: str,
    tokens: int,
    *,
    batch_tokens: int,
    mixture: dict[str, float] | None = None,
) -> tuple[list[Batch], Counter[str]]:
    """About `tokens` tokens in batches of documents of like length, shuffled by the seed.

    Sorting by length wastes little on padding and keeps attention as short as the documents are;
    also returned: how many documents of each sort there were.
    """
    encoded: list[tuple[list[int], list[float]]] = []
    counts: Counter[str] = Counter()
    total = 0
    for sort, document in corpus.documents(seed, mixture):
        ids, weights = encode(document, tokenizer)
        encoded.append((ids[:WINDOW], weights[:WINDOW]))
        counts[sort] += 1
        total += len(encoded[-1][0])
        if total >= tokens:
            break
    rng = np.random.default_rng(int.from_bytes(seed.encode()[-8:]))
    encoded.sort(key=lambda item: len(item[0]))
    filled: list[Batch] = []
    start = 0
    for end in range(1, len(encoded) + 1):
        longest = len(encoded[min(end, len(encoded) - 1)][0])
        if end == len(encoded) or (end + 1 - start) * longest > batch_tokens:
            filled.append(_batch(encoded[start:end], rng))
            start = end
    return [filled[i] for i in rng.permutation(len(filled))], counts


def _batch(items: list[tuple[list[int], list[float]]], rng: np.random.Generator) -> Batch:
    """Padded on the right, where a causal model never looks from."""
    shape = len(items), max(len(ids) for ids, _ in items)
    ids = np.zeros(shape, dtype=np.int64)
    weights = np.zeros(shape, dtype=np.float32)
    for row, (tokens, weight) in enumerate(items):
        ids[row, : len(tokens)] = tokens
        weights[row, : len(tokens)] = weight
    # Light tokens: a fifth of them at five times the weight costs less and means the same.
    light = (weights > 0) & (weights < 0.5)
    weights[light] *= 5 * (rng.random(int(light.sum())) < 0.2)
    return Batch(ids, weights, sum(len(tokens) for tokens, _ in items))
