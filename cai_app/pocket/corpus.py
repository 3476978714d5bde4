"""The corpus as an endless, seeded stream of token rows, written while training goes on.

Chunk n depends only on (seed, n), so a training resumes with the very rows it would have seen.
Documents are batched with others of their length: on a CPU that beats packing them into rows,
where attention over a row of 512 cost more than all matrices together.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cai_app.pocket import loading, plain_texts, principles, two_step, world
from cai_app.pocket.documents import Author
from cai_app.pocket.segments import KNOWN, Document, Shipped

WINDOW = 2048
MIXING = 0.2  # of the scenes: see mixing.py
ASKING = 0.06  # of the requests: who asks says who they are, which an advertiser would use
HEADS = ("part", "asked", "worth", "act", "kind", "found")
COPY = "copy"
SORTS = two_step.SORTS | plain_texts.SORTS  # what a module of its own writes
# Share of documents; few-shot documents are several times longer than the rest.
MIXTURE: dict[str, float] = {
    "dialogue": 38,
    "preamble": 18,
    "chain": 17,
    "direct": 17,
    "chain_with_shots": 3,
    "verdict": 8,
    "verdict_with_shots": 2.5,
    "reasoned": 9,
    "reasoned_with_shots": 1.5,
    "two_step_verdict": 6,
    "two_step_reasoned": 6,
    "counting": 1.6,
    "prose": 1,
    "echo": 3,
}
# The same without few-shots, for the first part of a training: they are long and teach little.
PLAIN_MIXTURE = {sort: share for sort, share in MIXTURE.items() if not sort.endswith("_shots")}
# The helpful adapter: a third is what the helpful-only assistant says, the rest keeps its skills.
HELPFUL_MIXTURE: dict[str, float] = {
    "helpful_dialogue": 36,
    "preamble": 24,
    "chain": 20,
    "direct": 6,
    "chain_with_shots": 3,
    "verdict": 8,
    "verdict_with_shots": 3,
    "reasoned": 4,
    "reasoned_with_shots": 1,
    "two_step_verdict": 4,
    "two_step_reasoned": 4,
}


@dataclass(frozen=True)
class Batch:
    """Documents of like length (rows × longest): ids and loss weights; how many tokens.

    `chances` is how likely the token itself is, and `others` the token that is right otherwise:
    1 and 0 but for the letters of a verdict, whose known chance is learned as a soft target.
    `marks` has, by head, rows of (row, column, value): see segments.Mark. Under "copy" are rows
    of (row, column before a copied token, column of the token it copies).
    """

    ids: np.ndarray
    weights: np.ndarray
    chances: np.ndarray
    others: np.ndarray
    marks: dict[str, np.ndarray]
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
        return cls(loading.load(pocket), principles.load(pocket, root / "constitutions"), shipped)

    def author(self, seed: str) -> Author:
        """A writer of documents with its own generator."""
        return Author(self.world, self.wordings, self.shipped, random.Random(seed))

    def documents(
        self, seed: str, mixture: dict[str, float] | None = None, mixing: float = MIXING
    ) -> Iterator[tuple[str, Document]]:
        """Endless (sort, document) pairs."""
        author = replace(self.author(seed), mixing=mixing, asking=ASKING)
        shares = mixture or MIXTURE
        sorts, weights = list(shares), list(shares.values())
        while True:
            sort = author.rng.choices(sorts, weights)[0]
            if sort == "direct":
                yield sort, author.chain(direct=True)
            elif sort in SORTS:
                yield sort, SORTS[sort](author)
            else:
                write: Callable[[], Document] = getattr(author, sort)
                yield sort, write()


class Encoded(NamedTuple):
    """One document as tokens, with each token's weight, chance and alternative (see Batch)."""

    ids: list[int]
    weights: list[float]
    chances: list[float]
    others: list[int]
    marks: list[tuple[str, int, float]]  # head, token, value


def encode(document: Document, tokenizer: Any) -> Encoded:
    """BOS, the segments one by one, EOS.

    The token after a stretch the assistant wrote ends it, so it weighs as much as what it ends.
    """
    row = Encoded([tokenizer.bos_token_id], [0.0], [1.0], [0], [])
    before = 0.0
    tokens = tokenizer(
        [s.text for s in document], add_special_tokens=False, return_offsets_mapping=True
    )
    found = zip(document, tokens["input_ids"], tokens["offset_mapping"], strict=True)
    for segment, piece, offsets in found:
        start = len(row.ids)
        for mark in segment.marks:
            token = next(i for i, (_, end) in enumerate(offsets) if end >= mark.end)
            row.marks.append((mark.head, start + token, mark.value))
        row.ids.extend(piece)
        row.weights.extend([segment.weight] * len(piece))
        for i, (begin, end) in enumerate(offsets):
            if any(first <= begin and end <= last for first, last in segment.known):
                row.weights[start + i] = KNOWN
        row.chances.extend([1.0 if segment.chance is None else segment.chance] * len(piece))
        row.others.extend(piece if segment.chance is None else _other(segment.text, tokenizer))
        if before >= 0.5 and piece:
            row.weights[start] = max(row.weights[start], 1.0)
        before = segment.weight
    row.ids.append(tokenizer.eos_token_id)
    row.weights.append(1.0 if before >= 0.5 else 0.1)
    row.chances.append(1.0)
    row.others.append(0)
    row.marks.extend((COPY, at - 1, source) for at, source in copied(row.ids, row.weights))
    return row


def copied(ids: list[int], weights: list[float]) -> list[tuple[int, int]]:
    """(token, the earlier token it copies) for what the assistant says again, three in a row.

    A run goes on where it is; a new one begins at the newest earlier place with the same three.
    """
    seen: dict[tuple[int, ...], int] = {}
    found: list[tuple[int, int]] = []
    source = -1  # where the run's next token should be
    for at in range(1, len(ids)):
        if at >= 3:
            seen[ids[at - 3], ids[at - 2], ids[at - 1]] = at - 3
        if weights[at] < 0.5:
            source = -1
            continue
        if source < 0 or ids[source] != ids[at]:
            source = seen.get(tuple(ids[at : at + 3]), -1)
        if source > 0:
            found.append((at, source))
            source += 1
    return found


def _other(letter: str, tokenizer: Any) -> list[int]:
    """The tokens of the other letter of a verdict."""
    text = " (B)" if letter == " (A)" else " (A)"
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


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
    encoded: list[Encoded] = []
    counts: Counter[str] = Counter()
    total = 0
    for sort, document in corpus.documents(seed, mixture):
        encoded.append(encode(document, tokenizer))
        counts[sort] += 1
        total += len(encoded[-1].ids)
        if total >= tokens:
            break
    rng = np.random.default_rng(int.from_bytes(seed.encode()[-8:]))
    encoded.sort(key=lambda item: len(item.ids))
    filled: list[Batch] = []
    start = 0
    for end in range(1, len(encoded) + 1):
        longest = len(encoded[min(end, len(encoded) - 1)].ids)
        if end == len(encoded) or (end + 1 - start) * longest > batch_tokens:
            filled.append(_batch(encoded[start:end], rng))
            start = end
    return [filled[i] for i in rng.permutation(len(filled))], counts


def _batch(items: list[Encoded], rng: np.random.Generator) -> Batch:
    """Padded on the right, where a causal model never looks from; cut to the window."""
    shape = len(items), min(WINDOW, max(len(item.ids) for item in items))
    ids, others = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    weights, chances = np.zeros(shape, dtype=np.float32), np.ones(shape, dtype=np.float32)
    for row, item in enumerate(items):
        end = min(WINDOW, len(item.ids))
        ids[row, :end] = item.ids[:end]
        weights[row, :end] = item.weights[:end]
        chances[row, :end] = item.chances[:end]
        others[row, :end] = item.others[:end]
    marks: dict[str, list[tuple[int, int, float]]] = {head: [] for head in (*HEADS, COPY)}
    for row, item in enumerate(items):
        for head, column, value in item.marks:
            if column < shape[1] and (head != COPY or column + 1 < shape[1]):
                marks[head].append((row, column, value))
    known = {head: np.array(found, dtype=np.float32) for head, found in marks.items() if found}
    # Light tokens: a fifth of them at five times the weight costs less and means the same.
    light = (weights > 0) & (weights < KNOWN)
    weights[light] *= 5 * (rng.random(int(light.sum())) < 0.2)
    return Batch(ids, weights, chances, others, known, sum(len(item.ids) for item in items))
