"""The parts of a training that are arithmetic: what is learned, 4-bit values, the 51 chances."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
import training as small

from cai_app.prompts import draft
from cai_app.records import DistillOptions, SftOptions
from cai_app.settings import Settings
from cai_app.work import distill, program
from cai_app.work.distill import Text
from cai_app.work.training import Encoder, Opened, TooLong, open_base, pad_collator, split
from cai_app.work.training.base import unpack
from cai_app.work.training.teaching import bucketed_kl, read_lessons, write_lessons


@pytest.fixture
def opened(settings: Settings) -> Opened:
    return open_tiny(settings)


def open_tiny(settings: Settings, folder: Path | None = None, **values: Any) -> Opened:
    options = SftOptions(backend=f"hf:{folder or small.base()}", start="none", **values)
    run: Any = SimpleNamespace(settings=settings, check_same=lambda *_: None)
    return open_base(run, options)


def test_only_the_answer_and_its_end_are_learned(opened: Opened) -> None:
    row = Encoder(opened.codec, 512).answer(draft("Can you help me?"), "Sure.")
    assert not isinstance(row, TooLong)
    decode = opened.codec.tokenizer.decode
    assert decode(row.ids[: row.prompt]) == "\n\nHuman: Can you help me?\n\nAssistant:"
    assert decode(row.ids[row.prompt :]) == " Sure.<|end|>"
    batch = pad_collator(0)([row, row._replace(ids=row.ids[:-1])])
    assert (batch["labels"][0] != -100).sum() == len(row.ids) - row.prompt
    assert batch["attention_mask"].sum().item() == 2 * len(row.ids) - 1
    assert Encoder(opened.codec, 9).answer(draft("Can you help me?"), "Sure.") == TooLong(
        len(row.ids)
    )


def test_a_chat_model_learns_its_own_turn(settings: Settings, tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    opened = open_tiny(settings, tiny.save_model(tmp_path / "chat", chat_template=template))
    row = Encoder(opened.codec, 512).answer(draft("Hello"), "Sure.")
    assert not isinstance(row, TooLong)
    decode = opened.codec.tokenizer.decode
    assert decode(row.ids[: row.prompt]) == "[user]Hello<|end|>[assistant]"
    assert decode(row.ids[row.prompt :]) == "Sure.<|end|>"


def test_unpacked_weights_are_the_4_bit_ones(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    quick = open_tiny(settings).model(input_ids=ids).logits
    monkeypatch.setattr("cai_app.backends.adapters.UNPACK_LIMIT", 0)
    packed = open_tiny(settings)
    assert not unpack(packed.model, packed.device)
    assert torch.allclose(packed.model(input_ids=ids).logits, quick, atol=1e-4)


def test_a_new_adapter_is_float32_and_all_that_learns(opened: Opened) -> None:
    learning = {n: p for n, p in opened.model.named_parameters() if p.requires_grad}
    assert all("lora_" in name and p.dtype == torch.float32 for name, p in learning.items())
    opened.model(input_ids=torch.tensor([[5, 6, 7]])).logits.sum().backward()
    assert all(p.grad is not None for p in learning.values())


def test_a_prompt_is_on_one_side_of_the_split() -> None:
    rows = [(f"p{n % 40}", n) for n in range(400)]
    kept, out = split(rows, 0.1, seed=0, key=lambda row: row[0])
    assert kept and out and len(kept) + len(out) == 400
    assert not {row[0] for row in kept} & {row[0] for row in out}
    assert split(rows, 0.0, seed=0, key=lambda row: row[0]) == (rows, [])


def test_a_prompt_is_on_one_side_though_enough_rows_are_held_out() -> None:
    rows = [(f"p{n % 40}", n) for n in range(8000)]
    kept, out = split(rows, 0.5, seed=0, key=lambda row: row[0])
    assert len(out) >= 200 and len(kept) + len(out) == 8000
    assert not {row[0] for row in kept} & {row[0] for row in out}


def test_a_teacher_without_a_beginning_token_reads_all_of_the_text(
    opened: Opened, settings: Settings
) -> None:
    path = small.made(settings, small.prepared(settings, "distill"))
    row = {"prompt": "Can you help me?", "text": "Sure.", "whole": True}
    (path / distill.ANSWERS).write_text(json.dumps(row) + "\n")
    preamble = "The assistant helps.\n\nHuman: Hello\n\nAssistant: Hi."
    with program.opened(path) as run:
        options = DistillOptions(**run.config.options)
        (text,) = distill.encode(run, opened, options, preamble)
    said = "\n\nHuman: Can you help me?\n\nAssistant: Sure.<|end|>"
    decode = opened.codec.tokenizer.decode
    assert decode(text.before + text.learned) == said
    behind = decode(text.behind + text.learned)
    assert behind.startswith(preamble) and behind.endswith(said)


def test_the_51_chances_sum_to_one_and_agree_with_themselves() -> None:
    logits = 3 * torch.randn(20, 300, generator=torch.Generator().manual_seed(0))
    best = torch.log_softmax(logits, -1).topk(50, -1)
    assert bucketed_kl(logits, best.indices, best.values).abs().max() < 1e-5
    other = torch.randn(20, 300, generator=torch.Generator().manual_seed(1))
    kl = bucketed_kl(other, best.indices, best.values)
    teacher, student = torch.log_softmax(logits, -1), torch.log_softmax(other, -1)
    whole = (teacher.exp() * (teacher - student)).sum(-1)
    assert (kl >= 0).all() and (kl <= whole + 1e-5).all()
    # All kept: nothing is left for the rest, and it is the whole KL.
    every = teacher.topk(300, -1)
    assert torch.allclose(bucketed_kl(other, every.indices, every.values), whole, atol=1e-4)


def test_the_51_chances_have_the_gradient_of_their_definition() -> None:
    logits = torch.randn(4, 60, generator=torch.Generator().manual_seed(2), requires_grad=True)
    chances = torch.log_softmax(torch.randn(4, 60), -1).topk(10, -1)
    bucketed_kl(logits, chances.indices, chances.values).sum().backward()
    assert logits.grad is not None
    found = logits.grad.clone()
    logits.grad = None
    said = logits.softmax(-1)
    kept = said.gather(1, chances.indices)
    p = chances.values.exp()
    rest = 1 - p.sum(-1)
    slow = (p * (chances.values - kept.log())).sum(-1) + rest * (
        rest.log() - (1 - kept.sum(-1)).log()
    )
    slow.sum().backward()
    assert torch.allclose(found, logits.grad, atol=1e-5)


def test_the_teacher_reads_each_text_as_if_alone_behind_its_preamble(
    opened: Opened, tmp_path: Path
) -> None:
    preamble = list(range(20, 60))
    texts = [Text("a", preamble, [5], [7, 8, 9]), Text("b", preamble, [5], [10, 11, 12, 13, 14])]
    path = tmp_path / "teacher.safetensors"
    write_lessons(opened, texts, path, top_k=50, check=lambda: None)
    opened.model.eval()
    for text, lesson in zip(texts, read_lessons(path, texts), strict=True):
        ids = torch.tensor([[*text.behind, *text.learned]])
        with torch.no_grad():
            logits = opened.model(input_ids=ids, use_cache=False).logits[0, len(preamble) - 1 : -1]
        best = torch.log_softmax(logits, -1).topk(50, -1)
        assert torch.allclose(lesson.chances, best.values, atol=1e-4)
        # A student that sees the preamble too has nothing to learn.
        assert bucketed_kl(logits, lesson.top, lesson.chances).max() < 1e-4


def test_distillation_starts_from_the_base_in_either_preset() -> None:
    assert DistillOptions.of({"preset": "paper"}).batch == 32
    assert DistillOptions.of({"preset": "notes"}).start_of_preset() == "none"
