"""Training data and weights that let a pocket model go beyond what was written for it."""

import random
from dataclasses import replace

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from cai_app.errors import InputError
from cai_app.pocket import mixing
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.documents import JUDGED_KINDS
from cai_app.pocket.grow import widen
from cai_app.pocket.shipped import shipped_texts


@pytest.fixture(scope="module")
def book() -> Corpus:
    texts = shipped_texts()
    return Corpus.load(texts.root, texts.shipped)


def _llama(width: int, heads: int, layers: int = 2) -> LlamaForCausalLM:
    torch.manual_seed(width)
    return LlamaForCausalLM(
        LlamaConfig(
            hidden_size=width,
            num_attention_heads=heads,
            num_hidden_layers=layers,
            intermediate_size=width + 64,
            vocab_size=64,
            tie_word_embeddings=True,
        )
    ).eval()


def test_a_grown_model_says_what_the_small_one_says() -> None:
    small, large = _llama(64, 2), _llama(128, 4)
    ids = torch.randint(0, 64, (2, 30))
    with torch.no_grad():
        before = small(ids).logits
        assert not torch.allclose(large(ids).logits, before, atol=1e-2)
        assert torch.allclose(widen(small, large)(ids).logits, before, atol=1e-4)


def test_the_halves_of_a_grown_model_do_not_learn_the_same() -> None:
    large = widen(_llama(64, 2), _llama(128, 4))
    large(torch.randint(0, 64, (2, 30))).logits.square().mean().backward()
    first, second = large.model.layers[0].self_attn.o_proj.weight.grad.split(64, dim=0)
    assert (first - second).abs().max() > 0.1 * first.abs().max()


def test_a_model_of_another_depth_is_refused_with_both_shapes() -> None:
    with pytest.raises(InputError, match=r"\(128, 4, 2\), not to \(128, 4, 3\)"):
        widen(_llama(64, 2), _llama(128, 4, 3))


def test_mixed_acts_are_of_their_kind_and_never_a_written_or_a_held_out_one(book: Corpus) -> None:
    rng, world = random.Random(0), book.world
    known = [act for act in world.acts if not act.held_out]
    changed = 0
    for _ in range(5000):
        act = rng.choice(known)
        new = mixing.mixed(world, act, rng)
        if new is act:
            continue
        changed += 1
        assert new.kind == act.kind
        assert new.do not in world.written
    assert changed > 2500


def test_look_alikes_lend_their_verbs_to_nothing(book: Corpus) -> None:
    rng, world = random.Random(1), book.world
    known = [act for act in world.by_kind["harmless"] if not act.held_out]
    starts = {act.halves[0] for act in known if act.lookalike}
    starts -= {act.halves[0] for act in known if not act.lookalike}
    assert {"kill", "shoot"} < starts
    for _ in range(5000):
        act = rng.choice(known)
        new = mixing.mixed(world, act, rng)
        assert new is act or not any(new.do.startswith(f"{start} ") for start in starts)


def test_only_training_documents_have_mixed_acts(book: Corpus) -> None:
    written = book.author("x")
    assert all("~" not in written.pair()[0].act.id for _ in range(300))
    training = replace(book.author("x"), mixing=0.5)
    assert sum("~" in training.pair()[0].act.id for _ in range(300)) > 60


def test_words_of_kept_out_acts_are_known_from_others_of_their_kind(book: Corpus) -> None:
    world = book.world
    for act in world.acts:
        if act.held_out and act.kind in JUDGED_KINDS:
            others = [a for a in world.by_kind[act.kind] if not a.held_out]
            assert any(other.do.split()[0] == act.do.split()[0] for other in others), act.id


def test_training_never_does_to_a_thing_what_a_kept_out_act_does_to_it(book: Corpus) -> None:
    writer = replace(book.author("kept"), mixing=0.5)
    kept = writer.world.kept_pairs
    assert ("snatch", "coat") in kept
    scenes = [writer._scene(harmful=True) for _ in range(20_000)]
    assert sum(scene.act.do.startswith("snatch ") for scene in scenes) > 50
    assert not any((scene.act.do.split()[0], scene.thing) in kept for scene in scenes)


def test_a_mixed_act_is_wrong_for_what_its_kind_has_in_common(book: Corpus) -> None:
    writer = replace(book.author("mixed"), mixing=1.0)
    scenes = [writer._scene(harmful=True) for _ in range(2000)]
    mixed = [scene.act for scene in scenes if "~" in scene.act.id]
    assert len(mixed) > 1000
    for act in mixed:
        shared = {a.reasons[1:] for a in writer.world.by_kind[act.kind]}
        assert act.reasons in shared and len(act.coulds) == 5
