"""Tune the *helpful* adapter on a shipped pocket base: LoRA on reference helpfulness.

It is what `pocket` answers with: a helpful-only assistant that complies, the model the method
starts from (CAI 3.2, HH). A share of the base's own documents keeps its other skills.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cai_app.backends import trained
from cai_app.errors import InputError
from cai_app.pocket import corpus as corpus_module
from cai_app.pocket.card import forget_scores, write_card
from cai_app.pocket.chunks import BATCHES_A_STEP
from cai_app.pocket.corpus import HELPFUL_MIXTURE, Corpus
from cai_app.pocket.objective import step
from cai_app.pocket.shipped import shipped_texts

log = logging.getLogger(__name__)

ADAPTER = "helpful"  # the one that has a recipe here


@dataclass(frozen=True)
class Tuning:
    """How an adapter is tuned."""

    steps: int = 280
    step_tokens: int = 8192
    rank: int = 16
    lr: float = 1e-3
    seed: int = 0


def train_adapter(name: str, size: str, tuning: Tuning | None = None) -> Path:
    """Tune adapter `name` on the shipped base `size` and save it beside; returns its folder.

    Raises InputError for an adapter that has no recipe, or where the base is missing.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if name != ADAPTER:
        raise InputError(f"no recipe for adapter {name!r}; known: {ADAPTER}")
    plan = tuning or Tuning()
    texts = shipped_texts()
    base = texts.root / "data" / "pocket" / size
    if not (base / "model.safetensors").exists():
        raise InputError(f"{base} holds no weights; make them: pocket train --size {size} --ship")
    tokenizer = AutoTokenizer.from_pretrained(base)
    torch.manual_seed(plan.seed)
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
        attn_implementation="eager",
    )
    config = LoraConfig(
        r=plan.rank, lora_alpha=2 * plan.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    peft_model = get_peft_model(model, config)
    _tune(peft_model, tokenizer, name, plan)
    folder = texts.root / "data" / "pocket" / "adapters" / size / name
    peft_model.peft_config["default"].base_model_name_or_path = f"pocket-{size}"
    for weight in peft_model.parameters():
        if weight.requires_grad:  # bf16 is half the file; training goes on in float32 when loaded
            weight.data = weight.data.bfloat16()
    peft_model.save_pretrained(folder)
    (folder / "README.md").write_text(_card(name, size, plan, base), encoding="utf-8")
    forget_scores(base)
    write_card(base)
    return folder


def _tune(model: Any, tokenizer: Any, name: str, plan: Tuning) -> None:
    import torch

    texts = shipped_texts()
    book = Corpus.load(texts.root, texts.shipped)
    filled, _ = corpus_module.batches(
        book,
        tokenizer,
        f"adapter-{name}-{plan.seed}",
        plan.steps * plan.step_tokens,
        batch_tokens=plan.step_tokens // BATCHES_A_STEP,
        mixture=HELPFUL_MIXTURE,
    )
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=plan.lr, weight_decay=0.0)
    model.train()
    groups = [filled[i : i + BATCHES_A_STEP] for i in range(0, len(filled), BATCHES_A_STEP)]
    for number, group in enumerate(groups):
        for parameters in optimizer.param_groups:
            parameters["lr"] = plan.lr * min(1.0, (number + 1) / 20, 2 * (1 - number / len(groups)))
        loss, _ = step(model.get_base_model(), group, [optimizer], "cpu")
        if number % 25 == 0:
            log.info("step %d of %d  loss %.3f", number, len(groups), loss)


def _card(name: str, size: str, plan: Tuning, base: Path) -> str:
    """The adapter's model card: what it is, and what it was made from."""
    steps = f"\n  --adapter-steps {plan.steps}" if plan.steps != Tuning.steps else ""
    front = json.dumps({"base_model": f"pocket-{size}", "library_name": "peft"}, indent=1)
    return f"""---
{front}
---
# pocket-{size} · {name}

LoRA adapter (rank {plan.rank}, every linear layer), tuned by supervised fine-tuning on the answers
of the toy world's helpful-only assistant: it complies with everything, as well as it can, so that
the method has something to do. Most of the documents are the base's own, to keep its skills.

- base weights: sha256 {trained.base_hash(base)}
- {plan.steps} steps of {plan.step_tokens} tokens, AdamW, learning rate {plan.lr}, seed {plan.seed}
- made by `python -m cai_app pocket train --size {size} --adapter {name} --seed {plan.seed}{steps}`
"""
