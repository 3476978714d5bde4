"""Pre-train a pocket model from scratch: plain PyTorch, read from top to bottom.

Documents batched by length, loss weighted to what the assistant writes, Muon on the matrices and
AdamW on the rest, learning rate flat and then linear to zero, checkpoints to resume from. CPU or
GPU by the same command. Chunks of the corpus are written by other processes meanwhile.
"""

import itertools
import json
import logging
import math
import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cai_app.errors import InputError
from cai_app.pocket import corpus as corpus_module
from cai_app.pocket.corpus import COPY, HEADS, MIXTURE, PLAIN_MIXTURE, Batch, Corpus
from cai_app.pocket.documents import FOUND, PARTS
from cai_app.pocket.replies import ASPECTS
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
        "hidden_size": 320,
        "num_hidden_layers": 6,
        "intermediate_size": 896,
        "num_attention_heads": 5,
    },
}
CHUNK_TOKENS = 500_000
BATCHES_A_STEP = 2
READING_WEIGHT = 0.3
LATE = ("worth", "found")


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
    reading = _reading(model, len(book.world.acts)).to(device)
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

    if init is not None:
        return LlamaForCausalLM.from_pretrained(init, dtype=torch.float32, use_safetensors=True)
    shape = SIZES[size]
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
    return model


def _reading(model: Any, acts: int) -> Any:
    """Linear heads that ask the middle layers what they understood (documents.Mark).

    A verdict is one letter for two hundred tokens of reading: alone it teaches a small model to
    compare only after hundreds of millions of tokens. The heads are thrown away after training.
    """
    import torch

    hidden = model.config.hidden_size
    sizes = {
        "part": len(PARTS),
        "asked": 2 * len(ASPECTS),
        "worth": 1,
        "act": acts,
        "found": len(FOUND),
    }
    return torch.nn.ModuleDict({head: torch.nn.Linear(hidden, sizes[head]) for head in HEADS})


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
    for chunk, groups, counts in _chunks(plan, folder / "model", progress.chunk):
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


def step(
    model: Any, group: list[Batch], optimizers: list[Any], device: str, reading: Any = None
) -> tuple[float, float]:
    """One optimiser step over batches of unlike lengths.

    Returns the loss of the words, a weighted mean in nats, and that of the reading heads (0
    without them).
    """
    import torch
    from torch.nn import functional as F

    total = sum(float(batch.weights[:, 1:].sum()) for batch in group)
    loss, understood = 0.0, 0.0
    for batch in group:
        ids = torch.from_numpy(batch.ids).to(device)
        weights = torch.from_numpy(batch.weights).to(device)[:, 1:]
        chosen = weights > 0
        with torch.autocast(device, dtype=torch.bfloat16):
            out = model.model(
                input_ids=ids,
                use_cache=False,
                output_hidden_states=reading is not None,
                output_attentions=reading is not None,
            )
            logits = model.lm_head(out.last_hidden_state[:, :-1][chosen])
        chances = torch.from_numpy(batch.chances).to(device)[:, 1:][chosen]
        others = torch.from_numpy(batch.others).to(device)[:, 1:][chosen]
        said = F.log_softmax(logits.float(), dim=-1)
        losses = -chances * said.gather(1, ids[:, 1:][chosen][:, None]).squeeze(1)
        losses = losses - (1 - chances) * said.gather(1, others[:, None]).squeeze(1)
        share = (losses * weights[chosen]).sum() / total
        loss += float(share.detach())
        if reading is not None:
            misread = _misread(reading, out.hidden_states, batch) / len(group)
            misread = misread + _miscopied(out.attentions, batch) / len(group)
            understood += float(misread.detach())
            share = share + READING_WEIGHT * misread
        share.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss, understood


def _misread(reading: Any, states: Any, batch: Batch) -> Any:
    """How far the heads are from what the text says: cross-entropy, or squared error of worth."""
    import torch
    from torch.nn import functional as F

    total = states[0].new_zeros((), dtype=torch.float32)
    layers = len(states) - 1
    for head, found in batch.marks.items():
        if head == COPY:
            continue
        # What is read first must be there two layers before the end, for the last ones to compare.
        depth = max(1, layers - (1 if head in LATE else 2))
        rows, columns = (torch.from_numpy(found[:, i]).long().to(states[0].device) for i in (0, 1))
        guess = reading[head](states[depth][rows, columns].float())
        known = torch.from_numpy(found[:, 2]).to(guess.device)
        if head == "worth":
            total = total + F.mse_loss(guess.squeeze(1), known)
        else:
            total = total + F.cross_entropy(guess, known.long())
    return total


def _miscopied(attentions: Any, batch: Batch) -> Any:
    """How far one attention head is from looking at the token that comes next in a copy.

    In nats. A head of the layer before must look one token back from there, so that the source
    can be found by what stands before it. Left alone, a model this small learns the sentences of
    its corpus by heart instead, and has nothing to say about an act it never saw.
    """
    import torch

    if COPY not in batch.marks:
        return attentions[0].new_zeros((), dtype=torch.float32)
    rows, before, source = torch.from_numpy(batch.marks[COPY]).long().to(attentions[0].device).T
    looked = attentions[-1][rows, -1, before, source].float()
    back = attentions[-2][rows, 0, source, source - 1].float()
    return -(looked.clamp_min(1e-6).log().mean() + back.clamp_min(1e-6).log().mean())


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


def _chunks(
    plan: Plan, tokenizer_folder: Path, first: int
) -> Iterator[tuple[int, list[list[Batch]], Counter[str]]]:
    """Chunks in order, written ahead by worker processes."""
    with ProcessPoolExecutor(plan.workers) as pool:
        ahead: deque[Future[Any]] = deque()
        for chunk in itertools.count(first):
            while len(ahead) < plan.workers + 1:
                ahead.append(pool.submit(_write_chunk, plan, tokenizer_folder, chunk + len(ahead)))
            groups, counts = ahead.popleft().result()
            yield chunk, groups, counts


def _write_chunk(
    plan: Plan, tokenizer_folder: Path, chunk: int
) -> tuple[list[list[Batch]], Counter[str]]:
    """One chunk's optimiser steps: each takes BATCHES_A_STEP batches of unlike length."""
    from transformers import AutoTokenizer

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = shipped_texts()
    book = Corpus.load(texts.root, texts.shipped)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    filled, counts = corpus_module.batches(
        book,
        tokenizer,
        f"{plan.seed}-{chunk}",
        CHUNK_TOKENS,
        batch_tokens=plan.step_tokens // BATCHES_A_STEP,
        mixture=PLAIN_MIXTURE if chunk < plan.plain_chunks else MIXTURE,
    )
    steps = range(0, len(filled) - BATCHES_A_STEP + 1, BATCHES_A_STEP)
    return [filled[i : i + BATCHES_A_STEP] for i in steps], counts
