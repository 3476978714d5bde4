"""The prefix tree: what it keeps, what it drops, and that neither ever shows in a result."""

import functools
import random

import pytest
import tiny
import torch

from cai_app.backends.cache import PrefixTree
from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.records import Completion, Sampling


def kv(tokens: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.zeros(1, 1, tokens, 4), torch.zeros(1, 1, tokens, 4))]


LOGITS = torch.zeros(8)
COST = 2 * 4 * 4 * 2 + 32  # of a node of two tokens, in bytes


def test_a_conversation_shares_its_beginning_and_adapters_share_nothing() -> None:
    tree = PrefixTree(budget=10**6)
    shots = tree.add("x", [], (1, 2), kv(2), LOGITS)
    left = tree.add("x", [shots], (3, 4), kv(2), LOGITS)
    tree.add("x", [shots], (5, 6), kv(2), LOGITS)
    assert tree.find("x", [(1, 2), (3, 4), (9,)]) == [shots, left]
    assert tree.find("x", [(1,), (2,)]) == []  # other cuts are another prefix
    assert tree.find("y", [(1, 2)]) == []
    assert tree.bytes == 3 * COST


def test_the_least_recently_used_leaf_goes_first() -> None:
    tree = PrefixTree(budget=3 * COST)
    shots = tree.add("x", [], (1, 2), kv(2), LOGITS)
    old = tree.add("x", [shots], (3, 4), kv(2), LOGITS)
    tree.add("x", [shots], (5, 6), kv(2), LOGITS)
    tree.find("x", [(1, 2), (3, 4)])
    tree.add("x", [shots, old], (7, 8), kv(2), LOGITS)
    assert len(tree.find("x", [(1, 2), (3, 4), (7, 8)])) == 3
    assert len(tree.find("x", [(1, 2), (5, 6)])) == 1
    assert tree.bytes == 3 * COST


def test_streams_that_compute_one_beginning_side_by_side_share_its_node() -> None:
    tree = PrefixTree(budget=2 * COST)
    first, second = (tree.add("x", [], (1, 2), kv(2), LOGITS) for _ in range(2))
    assert first is second and tree.bytes == COST
    for n in range(3, 9):  # both are dropped, once
        tree.add("x", [], (n, n), kv(2), LOGITS)
    assert tree.bytes == 2 * COST and tree.find("x", [(1, 2)]) == []
    late = tree.add("x", [first], (3, 4), kv(2), LOGITS)
    assert tree.add("x", [first], (3, 4), kv(2), LOGITS) is not late
    assert tree.bytes == 2 * COST


def story(cache_bytes: int) -> list[object]:
    """Results of a random tree of prompts, branches, adapters and stops."""
    rng = random.Random(4)
    folder = tiny.home().data / "pocket" / "m"
    adapters = folder.parent / "adapters" / "m"
    backends = [
        HuggingFaceBackend("x", folder, adapter=path, cache_bytes=cache_bytes)
        for path in (None, adapters / "helpful", adapters / "sl-cai")
    ]
    texts = [tiny.TEXT[at : at + 60] for at in range(0, 300, 60)]
    results: list[object] = []
    for step in range(30):
        backend = rng.choice(backends)
        prompt = tiny.prompt(*rng.sample(texts, rng.randint(1, 4)))
        sampling = Sampling(seed=step, max_tokens=rng.randint(1, 12))
        what = rng.randrange(4)
        if what == 0:
            results.append("".join(backend.stream(prompt, sampling)))
        elif what == 1:
            results.append(backend.choice_logprobs([prompt], [" (A)", " (B)"]))
        elif what == 2:
            made: list[Completion] = backend.generate([prompt] * 2, [sampling] * 2)
            results.append(made)
        else:
            stream = backend.stream(prompt, Sampling(max_tokens=50))
            next(iter(stream), None)
    for backend in backends:
        backend.close()
    return results


@functools.cache
def roomy() -> list[object]:
    """The story told with room for everything."""
    return story(10**9)


@pytest.mark.parametrize("budget", [0, 30_000])
def test_a_tiny_budget_never_changes_a_result(budget: int) -> None:
    assert story(budget) == roomy()
