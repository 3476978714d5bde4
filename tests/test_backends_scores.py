"""Choices, continuations and preference scores against the plain way: whole prompts, no cache."""

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny

from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.errors import BackendError, InputError
from cai_app.records import Prompt, Sampling, Turn

SHOTS, REST = tiny.TEXT[:300], tiny.TEXT[300:-4]
CHOICES = (" (A)", " (B)", " no", " You could ask")


@pytest.fixture(scope="module")
def backend() -> Iterator[HuggingFaceBackend]:
    with tiny.opened("pocket") as opened:
        yield opened


def key_of(backend: HuggingFaceBackend) -> Any:
    engine: Any = backend._engine()
    return engine.adapters.load(backend._adapter) if backend._adapter else None


def naive(backend: HuggingFaceBackend, text: str, choice: str) -> float:
    """Sum of a choice's log-probabilities from one plain pass over prompt and choice."""
    import torch

    engine: Any = backend._engine()
    before = engine.codec.tokens(text)[0]
    both = engine.codec.tokens(text + choice)[0]
    assert both[: len(before)] == before
    with torch.inference_mode():
        engine.adapters.use(key_of(backend))
        logits = engine.model(input_ids=torch.tensor([both])).logits[0].float()
    scores = torch.log_softmax(logits, -1)
    return sum(float(scores[n - 1, both[n]]) for n in range(len(before), len(both)))


def test_choices_score_as_whole_prompts_do(backend: HuggingFaceBackend) -> None:
    prompts = [tiny.prompt(SHOTS, REST[: 40 + 9 * n]) for n in range(6)] + [tiny.prompt("Hello")]
    found = backend.choice_logprobs(prompts, CHOICES)
    for prompt, row in zip(prompts, found, strict=True):
        plain = [naive(backend, prompt.text, choice) for choice in CHOICES]
        assert row == pytest.approx(plain, abs=1e-4)


def test_a_choice_of_one_token_and_a_long_one_go_together(backend: HuggingFaceBackend) -> None:
    choices = ("!", " the response is an invasion of privacy.")
    [row] = backend.choice_logprobs([tiny.prompt(SHOTS)], choices)
    assert row == pytest.approx([naive(backend, SHOTS, choice) for choice in choices], abs=1e-4)


def test_scores_are_the_same_cached_or_not_alone_or_in_a_batch(
    backend: HuggingFaceBackend,
) -> None:
    prompts = [tiny.prompt(SHOTS, REST[:50], REST[50 : 60 + n]) for n in range(12)]
    together = backend.choice_logprobs(prompts, CHOICES)
    again = backend.choice_logprobs(prompts, CHOICES)
    assert again == together
    for prompt, row in zip(prompts, together, strict=True):
        [alone] = backend.choice_logprobs([prompt], CHOICES)
        [uncut] = backend.choice_logprobs([tiny.prompt(prompt.text)], CHOICES)
        assert alone == pytest.approx(row, abs=1e-4) and uncut == pytest.approx(row, abs=1e-4)


def test_the_tokens_of_a_continuation_sum_to_its_choice(backend: HuggingFaceBackend) -> None:
    prompts = [tiny.prompt(SHOTS, REST[: 20 * n]) for n in range(1, 5)]
    found = backend.token_logprobs(prompts, CHOICES, top_k=3)
    for prompt, choice, scores in zip(prompts, CHOICES, found, strict=True):
        assert "".join(score.token for score in scores) == choice
        assert sum(s.logprob for s in scores) == pytest.approx(
            naive(backend, prompt.text, choice), abs=1e-4
        )
        for score in scores:
            values = [value for _, value in score.top]
            assert len(values) == 3 and values == sorted(values, reverse=True)
            assert score.logprob <= values[0] + 1e-6


def test_letters_of_several_tokens_are_named_whole(backend: HuggingFaceBackend) -> None:
    [scores] = backend.token_logprobs([tiny.prompt("Hello")], [" né 鱼 🐟!"])
    assert "".join(score.token for score in scores) == " né 鱼 🐟!"
    assert not any("\ufffd" in score.token for score in scores)


def test_adapters_differ_and_do_not_touch_each_other() -> None:
    prompts = [tiny.prompt(SHOTS, REST)]
    names = ("none", "helpful", "sl-cai", "rl-cai")
    alone = {}
    for name in names:
        with tiny.opened(f"pocket@{name}") as backend:
            alone[name] = backend.choice_logprobs(prompts, CHOICES)
    assert len({str(row) for row in alone.values()}) == 4
    with (
        tiny.opened("pocket@none") as none,
        tiny.opened("pocket") as helpful,
        tiny.opened("pocket@sl-cai") as supervised,
        tiny.opened("pocket@rl-cai") as policy,
    ):
        backends = dict(zip(names, (none, helpful, supervised, policy), strict=True))
        assert len({id(backend._base) for backend in backends.values()}) == 1
        for first, second in itertools.permutations(names, 2):
            live = backends[first].stream(prompts[0], Sampling(max_tokens=30))
            text = next(iter(live), "")
            assert backends[second].choice_logprobs(prompts, CHOICES) == alone[second]
            assert text is not None
            live.cancel()


def test_streams_of_two_adapters_at_once_are_those_of_each_alone() -> None:
    prompt, sampling = tiny.prompt(SHOTS, REST), Sampling(max_tokens=50, seed=2)
    with tiny.opened("pocket") as one, tiny.opened("pocket@sl-cai") as two:
        plain = ["".join(backend.stream(prompt, sampling)) for backend in (one, two)]
        streams = [backend.stream(prompt, sampling) for backend in (one, two)]
        assert ["".join(stream) for stream in streams] == plain
        assert plain[0] != plain[1]


def test_an_adapter_written_anew_is_loaded_anew(tmp_path: Path) -> None:
    model = tiny.home().data / "pocket" / "m"
    prompts = [tiny.prompt(SHOTS, REST)]
    folder = tiny.save_adapter(model, tmp_path / "adapter", seed=11)
    with tiny.opened(f"hf:{model}@{folder}") as backend:
        before = backend.choice_logprobs(prompts, CHOICES)
        tiny.save_adapter(model, folder, seed=12)
        after = backend.choice_logprobs(prompts, CHOICES)
        assert after != before
        assert after[0][0] == pytest.approx(naive(backend, prompts[0].text, CHOICES[0]), abs=1e-4)


def test_merged_adapters_compute_what_peft_computes(backend: HuggingFaceBackend) -> None:
    """Small models keep their NF4 weights unpacked with the adapter added; PEFT adds it live."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    folder = tiny.home().data / "pocket"
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    base = AutoModelForCausalLM.from_pretrained(
        folder / "m", dtype=torch.float32, quantization_config=config
    ).eval()
    for module in base.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    model = PeftModel.from_pretrained(base, str(folder / "adapters" / "m" / "helpful")).eval()
    engine: Any = backend._engine()
    ids = torch.tensor([engine.codec.tokens(SHOTS)[0]])
    with torch.inference_mode():
        theirs = model(input_ids=ids).logits
        engine.adapters.use(key_of(backend))
        ours = engine.model(input_ids=ids).logits
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.fixture
def alone(tmp_path: Path) -> str:
    """A model of its own, so that it is loaded anew, with an adapter."""
    model = tiny.home().data / "pocket" / "m"
    folder = shutil.copytree(model, tmp_path / "model")
    return f"hf:{folder}@{model.parent / 'adapters' / 'm' / 'helpful'}"


def test_adapters_added_live_by_peft_give_the_same(
    backend: HuggingFaceBackend, alone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of larger models and GPUs, where 4-bit weights are not kept unpacked."""
    monkeypatch.setattr("cai_app.backends.adapters.UNPACK_LIMIT", 0)
    prompts, sampling = [tiny.prompt(SHOTS, REST)], [Sampling(seed=3, max_tokens=15)]
    with tiny.opened(alone) as live, tiny.opened(alone.split("@")[0]) as bare:
        found = live.choice_logprobs(prompts, CHOICES)
        without = bare.choice_logprobs(prompts, CHOICES)
        engine: Any = live._engine()
        assert not engine.adapters.unpacked and engine.lean is None
        assert found[0] == pytest.approx(backend.choice_logprobs(prompts, CHOICES)[0], abs=1e-4)
        assert live.generate(prompts, sampling) == backend.generate(prompts, sampling)
        assert live.choice_logprobs(prompts, CHOICES) == found != without


def test_without_nf4_the_weights_are_bf16_and_the_page_is_told(
    backend: HuggingFaceBackend, alone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.backends.weights.has_nf4", lambda device: False)
    prompts = [tiny.prompt(SHOTS, REST[:n]) for n in (30, 50, 70)]
    with tiny.opened(alone) as plain:
        assert len(plain.generate(prompts, [Sampling(max_tokens=5)] * 3)) == 3
        [row] = plain.choice_logprobs(prompts[:1], CHOICES)
        assert row != backend.choice_logprobs(prompts[:1], CHOICES)[0]
        info = plain.info()
        assert info.quantization == "bf16" and "not 4-bit" in info.note


def test_the_lean_step_is_in_use_and_gives_what_the_model_gives(
    backend: HuggingFaceBackend,
) -> None:
    import torch

    from cai_app.backends.cache import Buffers

    engine: Any = backend._engine()
    assert engine.lean is not None
    key = key_of(backend)
    ids = engine.codec.tokens(SHOTS)[0]
    cache, again = Buffers(engine.layers, 8), Buffers(engine.layers, 8)
    with torch.inference_mode():
        lean = [engine.step(key, token, n, cache) for n, token in enumerate(ids)]
        plain = engine.forward(key, engine.tensor([ids]), again, keep=len(ids))[0]
    assert torch.allclose(torch.cat(lean), plain, atol=1e-4)


def test_preference_scores_are_those_of_the_saved_classifier() -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, BitsAndBytesConfig

    folder = tiny.home().data / "pocket"
    texts = [tiny.TEXT[:n] for n in (40, 150, 90, 250)]
    with tiny.opened("pocket@pm") as backend:
        found = backend.score(texts)
        assert backend.score(texts[::-1]) == pytest.approx(found[::-1], abs=1e-4)
        engine: Any = backend._engine()
        rows = [[*engine.codec.tokens(text)[0], 0] for text in texts]
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", llm_int8_skip_modules=["score"]
    )
    base = AutoModelForSequenceClassification.from_pretrained(
        folder / "m", num_labels=1, dtype=torch.float32, quantization_config=config
    )
    model = PeftModel.from_pretrained(base, str(folder / "adapters" / "m" / "pm")).eval()
    hidden = model.get_base_model()
    with torch.inference_mode():
        plain = [
            float(hidden.score(hidden.model(torch.tensor([row])).last_hidden_state[0, -1]))
            for row in rows
        ]
    assert found == pytest.approx(plain, abs=0.05)  # their kernel may compute in bf16


def test_scoring_without_a_preference_head_names_what_to_do(backend: HuggingFaceBackend) -> None:
    with pytest.raises(BackendError, match="train preference"):
        backend.score(["text"])
    with (
        tiny.opened("pocket@none") as none,
        pytest.raises(BackendError, match="preference adapter"),
    ):
        none.score(["text"])


def test_a_preference_model_scores_and_neither_writes_nor_judges() -> None:
    prompt, sampling = tiny.prompt("Hello"), Sampling(max_tokens=2)
    with tiny.opened("pocket@pm") as backend:
        for ask in (
            lambda: backend.generate([prompt], [sampling]),
            lambda: backend.stream(prompt, sampling),
            lambda: backend.choice_logprobs([prompt], CHOICES),
            lambda: backend.token_logprobs([prompt], [" no"]),
        ):
            with pytest.raises(InputError, match="pocket@pm is a preference model"):
                ask()
        assert len(backend.score(["Hello"])) == 1
        assert backend.info().state != "failed"


def test_an_empty_choice_is_refused(backend: HuggingFaceBackend) -> None:
    with pytest.raises(InputError, match="choice"):
        backend.choice_logprobs([tiny.prompt("x")], ["", " (B)"])


TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_a_model_with_a_chat_template_gets_turns_and_prefill(tmp_path: Path) -> None:
    folder = tiny.save_model(tmp_path / "chat", chat_template=TEMPLATE)
    turns = (
        Turn(role="user", text="Can you help me?"),
        Turn(role="assistant", text="Sure."),
        Turn(role="user", text="Which is better?"),
    )
    prompt = Prompt(segments=("shots", "rest"), turns=turns, prefill="The answer is:")
    with tiny.opened(f"hf:{folder}") as backend:
        engine: Any = backend._engine()
        chunks = engine.codec.encode(prompt)
        expected = (
            "<user>Can you help me?</>\n<assistant>Sure.</>\n<user>Which is better?</>\n"
            "<assistant>The answer is:"
        )
        assert engine.codec.render(prompt)[0] == expected
        assert len(chunks) == 2
        assert engine.codec.decode(chunks[0]).endswith("Sure.</>\n")
        [row] = backend.choice_logprobs([prompt], CHOICES)
        plain = [naive(backend, expected, choice) for choice in CHOICES]
        assert row == pytest.approx(plain, abs=1e-4)
