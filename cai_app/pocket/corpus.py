"""The corpus as an endless, seeded stream of token rows, written while training goes on.

Chunk n depends only on (seed, n), so a training resumes with the very rows it would have seen.
Documents are packed into rows of 512, 1,024 or 2,048 tokens; attention and positions stop at
document borders.
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

LENGTHS = (512, 1024, 2048)
# Share of documents; few-shot documents are several times longer than the rest.
MIXTURE: dict[str, float] = {
    "dialogue": 20,
    "preamble": 9,
    "chain": 23,
    "direct": 11,
    "chain_with_shots": 4,
    "verdict": 17,
    "verdict_with_shots": 4.5,
    "reasoned": 7,
    "reasoned_with_shots": 1.2,
    "counting": 1.5,
    "prose": 2,
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
class Row:
    """One packed row: token ids, loss weight of each token, and which document each is in."""

    ids: np.ndarray
    weights: np.ndarray
    documents: np.ndarray


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
        return cls(
            world.load(pocket), principles.load(pocket, root / "constitutions"), shipped
        )

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


def rows(
    corpus: Corpus, tokenizer: Any, seed: str, tokens: int, mixture: dict[str, float] | None = None
) -> tuple[dict[int, list[Row]], Counter[str]]:
    """About `tokens` tokens, packed by length; and how many documents of each sort they hold."""
    open_rows: dict[int, list[list[tuple[list[int], list[float]]]]] = {n: [] for n in LENGTHS}
    counts: Counter[str] = Counter()
    total = 0
    for sort, document in corpus.documents(seed, mixture):
        ids, weights = encode(document, tokenizer)
        ids, weights = ids[: LENGTHS[-1]], weights[: LENGTHS[-1]]
        length = next(n for n in LENGTHS if len(ids) <= n)
        _place(open_rows[length], length, (ids, weights))
        counts[sort] += 1
        total += len(ids)
        if total >= tokens:
            break
    return {n: [_row(parts, n) for parts in filled] for n, filled in open_rows.items()}, counts


def _place(
    filled: list[list[tuple[list[int], list[float]]]], length: int, item: tuple[list[int], list[float]]
) -> None:
    """First fit among the last few rows: packs to about 95 % and costs nothing."""
    for parts in filled[-8:]:
        if sum(len(ids) for ids, _ in parts) + len(item[0]) <= length:
            parts.append(item)
            return
    filled.append([item])


def _row(parts: list[tuple[list[int], list[float]]], length: int) -> Row:
    ids = np.zeros(length, dtype=np.int64)
    weights = np.zeros(length, dtype=np.float32)
    documents = np.full(length, -1, dtype=np.int64)
    at = 0
    for number, (tokens, weight) in enumerate(parts):
        ids[at : at + len(tokens)] = tokens
        weights[at : at + len(tokens)] = weight
        documents[at : at + len(tokens)] = number
        at += len(tokens)
    return Row(ids, weights, documents)
