"""Pre-train a pocket model from scratch: plain PyTorch, read from top to bottom.

Documents batched by length, loss weighted to what the assistant writes, Muon on the matrices and
AdamW on the rest, learning rate flat and then linear to zero, checkpoints to resume from. CPU or
GPU by the same command. Chunks of the corpus are written by other processes meanwhile.
"""

import json
import logging
import math
import os
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cai_app.errors import InputError
from cai_app.pocket import chunks
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.grow import widen
from cai_app.pocket.objective import reading_heads, step
from cai_app.pocket.shipped import shipped_texts

log = logging.getLogger(__name__)

SIZES: dict[str, dict[str, int]] = {  # every linear layer's features are multiples of 64 (NF4)
    "s": {
        "hidden_size": 128,
        "num_hidden_layers": 2,
        "intermediate_size": 320,
        "num_attention_heads": 4,
    },
    "m": {
        "hidden_size": 192,
        "num_hidden_layers": 5,
        "intermediate_size": 512,
        "num_attention_heads": 4,
    },
    "l": {
        "hidden_size": 384,  # twice m, so that it can grow out of it (grow.py)
        "num_hidden_layers": 5,
        "intermediate_size": 640,
        "num_attention_heads": 8,
    },
}


@dataclass(frozen=True)
class Plan:
    """One training: how large, how long, where. `minutes` counts training time of all sessions."""

    size: str = "m"
    tokens: int = 60_000_000
    minutes: float | None = None
    seed: int = 0
    step_tokens: int = 8192
    muon_lr: float = 0.01
    adam_lr: float = 0.003
    lr_scale: float = 1.0
    """Both rates times this; less than 1 when going on from trained weights"""
    decay: float = 0.4
    device: str = "auto"
    workers: int = 1
    compile: bool = False
    plain_chunks: int = 0
    """So many chunks come first without few-shot documents, which are long and teach little"""


@dataclass
class Progress:
    """What a resumed training must know."""

    step: int = 0
    chunk: int = 0
    tokens: int = 0
    seconds: float = 0.0


def train(plan: Plan, folder: Path, *, resume: bool = False, init: Path | None = None) -> Path:
    """Train into `folder` (checkpoint.pt, log.jsonl, model/); returns the model folder.

    Raises InputError for an unknown size, or where `folder` holds a training and resume is off.
    """
    import torch
    from transformers import AutoTokenizer

    if plan.size not in SIZES:
        raise InputError(f"unknown pocket size {plan.size!r}; known: {', '.join(SIZES)}")
    if (folder / "checkpoint.pt").exists() and not resume:
        raise InputError(f"{folder} holds a training; go on with --resume or name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    device = (
        plan.device if plan.device != "auto" else ("cuda" if torch.cuda.is_available() else "cpu")
    )
    texts = shipped_texts()
    book = Corpus.load(texts.root, texts.shipped)
    model_folder = folder / "model"
    if init is not None:
        tokenizer = AutoTokenizer.from_pretrained(init)
    elif not (model_folder / "tokenizer.json").exists():
        log.info("training the tokenizer")
        tokenizer = _new_tokenizer(book, plan.seed, model_folder)
    else:
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
    tokenizer.save_pretrained(model_folder)
    torch.manual_seed(plan.seed)
    model = _new_model(plan.size, tokenizer, init).to(device)
    # On a CPU four times as fast as the fused kernel, for short rows in bf16; and it shows where
    # each token looked, which the copying lesson asks.
    model.set_attn_implementation("eager")
    reading = reading_heads(model, len(book.world.acts)).to(device)
    optimizers = _optimizers(model, plan, reading)
    if plan.compile:
        model.model.compile(dynamic=True)
    progress = Progress()
    if resume and (folder / "checkpoint.pt").exists():
        state = torch.load(folder / "checkpoint.pt", map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        reading.load_state_dict(state["reading"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        progress = Progress(**state["progress"])
        log.info("resuming at %.1fM tokens", progress.tokens / 1e6)
    _loop(plan, model, reading, optimizers, progress, folder, device)
    model.to(torch.bfloat16).save_pretrained(model_folder)
    (folder / "training.json").write_text(
        json.dumps(
            {
                **asdict(plan),
                **asdict(progress),
                "before": _before(init),
                "device": device,
                "threads": torch.get_num_threads(),
            },
            indent=1,
        )
    )
    return model_folder


def _before(init: Path | None) -> dict[str, Any] | None:
    """What is known of the training whose weights this one began with."""
    facts = init / "training.json" if init else None
    return json.loads(facts.read_text()) if facts and facts.exists() else None


def _new_tokenizer(book: Corpus, seed: int, folder: Path) -> Any:
    from transformers import AutoTokenizer

    from cai_app.pocket import tokenizer as tokenizer_module

    documents = book.documents(f"{seed}-tokenizer")
    texts = ("".join(s.text for s in next(documents)[1]) for _ in range(20_000))
    tokenizer_module.build(texts, folder)
    return AutoTokenizer.from_pretrained(folder)


def _new_model(size: str, tokenizer: Any, init: Path | None) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = SIZES[size]
    first = None
    if init is not None:
        first = LlamaForCausalLM.from_pretrained(init, dtype=torch.float32, use_safetensors=True)
        if first.config.hidden_size == shape["hidden_size"]:
            return first
    config = LlamaConfig(
        **shape,
        vocab_size=len(tokenizer),
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    depth = 0.02 / math.sqrt(2 * shape["num_hidden_layers"])
    for name, weight in model.named_parameters():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            torch.nn.init.normal_(weight, std=depth)
    return model if first is None else widen(first, model)


def _optimizers(model: Any, plan: Plan, reading: Any) -> list[Any]:
    import torch

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    others += list(reading.parameters())
    return [
        torch.optim.Muon(
            matrices, lr=plan.muon_lr, weight_decay=0.01, momentum=0.95, adjust_lr_fn="original"
        ),
        torch.optim.AdamW(others, lr=plan.adam_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def _loop(
    plan: Plan,
    model: Any,
    reading: Any,
    optimizers: list[Any],
    progress: Progress,
    folder: Path,
    device: str,
) -> None:
    import torch

    rates = [optimizer.defaults["lr"] for optimizer in optimizers]
    started, saved, losses = (
        time.monotonic() - progress.seconds,
        time.monotonic(),
        deque[tuple[float, float]](maxlen=50),
    )
    model.train()
    write = chunks.Writer(plan.seed, folder / "model", plan.step_tokens, plan.plain_chunks)
    for chunk, groups, counts in chunks.ahead(write, progress.chunk, plan.workers):
        for group in groups:
            done = _done(plan, progress, time.monotonic() - started)
            scale = plan.lr_scale * _schedule(done, progress.step, plan.decay)
            for optimizer, rate in zip(optimizers, rates, strict=True):
                for parameters in optimizer.param_groups:
                    parameters["lr"] = rate * scale
            losses.append(step(model, group, optimizers, device, reading))
            progress.step += 1
            progress.tokens += sum(batch.tokens for batch in group)
            progress.seconds = time.monotonic() - started
            if progress.step % 50 == 0:
                _report(folder, progress, losses, scale)
            if done >= 1:
                break
        progress.chunk = chunk + 1
        with (folder / "exposure.jsonl").open("a") as out:
            out.write(json.dumps({"chunk": chunk, **counts}) + "\n")
        finished = _done(plan, progress, progress.seconds) >= 1
        if finished or time.monotonic() - saved > 120:
            state = {
                "model": model.state_dict(),
                "reading": reading.state_dict(),
                "optimizers": [o.state_dict() for o in optimizers],
                "progress": asdict(progress),
            }
            torch.save(state, folder / "checkpoint.tmp")
            os.replace(folder / "checkpoint.tmp", folder / "checkpoint.pt")
            saved = time.monotonic()
        if finished:
            return


def _done(plan: Plan, progress: Progress, seconds: float) -> float:
    """Share of the training that is done, by time if minutes were given, else by tokens."""
    if plan.minutes is not None:
        return seconds / (plan.minutes * 60)
    return progress.tokens / plan.tokens


def _schedule(done: float, step: int, decay: float) -> float:
    """Warm up over 100 steps, flat, then linear to zero over the last `decay` share."""
    return min(1.0, (step + 1) / 100, max(0.0, (1 - done) / decay))


def _report(
    folder: Path, progress: Progress, losses: deque[tuple[float, float]], scale: float
) -> None:
    loss, understood = (sum(column) / len(losses) for column in zip(*losses, strict=True))
    row = {
        **asdict(progress),
        "loss": round(loss, 4),
        "reading_loss": round(understood, 4),
        "lr_scale": round(scale, 3),
        "time": time.time(),
    }
    with (folder / "log.jsonl").open("a") as out:
        out.write(json.dumps(row) + "\n")
    log.info(
        "step %d  %.1fM tokens  %.0f s  loss %.3f  reading %.3f  lr ×%.2f",
        progress.step,
        progress.tokens / 1e6,
        progress.seconds,
        loss,
        understood,
        scale,
    )
