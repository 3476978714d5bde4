"""Chunks of the corpus, written ahead by other processes while a training goes on."""

import itertools
import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cai_app.pocket.corpus import MIXTURE, PLAIN_MIXTURE, Batch, Corpus, batches
from cai_app.pocket.shipped import shipped_texts

CHUNK_TOKENS = 500_000
BATCHES_A_STEP = 2


@dataclass(frozen=True)
class Writer:
    """What decides every chunk: the same writer and number give the same chunk."""

    seed: int
    tokenizer: Path
    step_tokens: int
    plain_chunks: int

    def __call__(self, chunk: int) -> tuple[list[list[Batch]], Counter[str]]:
        """One chunk's optimiser steps (each BATCHES_A_STEP batches of unlike length), and how
        many documents of each sort are in it."""
        from transformers import AutoTokenizer

        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        texts = shipped_texts()
        filled, counts = batches(
            Corpus.load(texts.root, texts.shipped),
            AutoTokenizer.from_pretrained(self.tokenizer),
            f"{self.seed}-{chunk}",
            CHUNK_TOKENS,
            batch_tokens=self.step_tokens // BATCHES_A_STEP,
            mixture=PLAIN_MIXTURE if chunk < self.plain_chunks else MIXTURE,
        )
        steps = range(0, len(filled) - BATCHES_A_STEP + 1, BATCHES_A_STEP)
        return [filled[i : i + BATCHES_A_STEP] for i in steps], counts


def ahead(
    write: Writer, first: int, workers: int
) -> Iterator[tuple[int, list[list[Batch]], Counter[str]]]:
    """Chunks in order from `first`, written by worker processes."""
    with ProcessPoolExecutor(workers) as pool:
        waiting: deque[Future[Any]] = deque()
        for chunk in itertools.count(first):
            while len(waiting) < workers + 1:
                waiting.append(pool.submit(write, chunk + len(waiting)))
            groups, counts = waiting.popleft().result()
            yield chunk, groups, counts
