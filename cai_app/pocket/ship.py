"""Put a trained model where the program looks for it, with its vocabulary and model card."""

import hashlib
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from cai_app.pocket.corpus import Corpus
from cai_app.pocket.shipped import shipped_texts
from cai_app.pocket.world import WITHHELD, World, load

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
         "tokenizer_config.json")  # fmt: skip


def base_hash(folder: Path) -> str:
    """sha256 of a base's weights; adapters state it, and belong to no other base."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def ship(training: Path, size: str) -> Path:
    """Copy the model of a training folder to `data/pocket/SIZE`; returns that folder."""
    texts = shipped_texts()
    folder = texts.root / "data" / "pocket" / size
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(training / "model" / name, folder / name)
    (folder / "vocabulary.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    trained = json.loads((training / "training.json").read_text())
    before = (trained.get("before") or {}).get("exposure", {})
    shown = Counter(before) + Counter(exposure(training))
    facts = {"training": trained, "exposure": dict(shown.most_common())}
    (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    write_card(folder, size)
    return folder


def exposure(training: Path) -> dict[str, int]:
    """How many documents of each sort the training saw."""
    total: Counter[str] = Counter()
    lines = (training / "exposure.jsonl").read_text().splitlines()
    # A chunk that a resumed training saw again, after a kill, counts once.
    chunks = {row["chunk"]: row for row in map(json.loads, lines)}
    for row in chunks.values():
        total.update({sort: count for sort, count in row.items() if sort != "chunk"})
    return dict(total.most_common())


def shipped_world() -> World:
    """The world as its files stand."""
    return load(shipped_texts().root / "data" / "pocket")


def vocabulary(documents: int = 60_000) -> list[str]:
    """Every word of a large sample of the corpus, lower case: what pocket has ever seen."""
    texts = shipped_texts()
    stream = Corpus.load(texts.root, texts.shipped).documents("vocabulary")
    words: Counter[str] = Counter()
    for _ in range(documents):
        sort, document = next(stream)
        if sort == "echo":  # invented words to repeat; nothing is known of them
            continue
        for segment in document:
            words.update(re.findall(r"[a-z]+", segment.text.lower()))
    # Words seen once or twice are invented names.
    return sorted(word for word, count in words.items() if count >= 3)


def write_card(folder: Path, size: str, scores: dict[str, dict[str, Any]] | None = None) -> None:
    """Write the model card; scores, once measured, are kept in `scores.json` beside it."""
    path = folder / "scores.json"
    if scores is not None:
        path.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    measured = json.loads(path.read_text()) if path.exists() else {}
    facts = json.loads((folder / "training.json").read_text())
    plan = facts["training"]
    config = json.loads((folder / "config.json").read_text())
    acts = shipped_world().acts
    harmful = sum(act.harmful for act in acts)
    sorts = "\n".join(f"| {k} | {v:,} |" for k, v in facts["exposure"].items())
    rows = "\n".join(_score_row(key, row) for key, row in measured.items())
    (folder / "README.md").write_text(
        f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---
# pocket-{size}

A small teaching model, trained from scratch on a toy world (`data/pocket/*.yaml`) whose harm is
vague and fictional. It knows that world and nothing else: it is no source of facts or advice.

- Llama architecture, hidden {config["hidden_size"]}, {config["num_hidden_layers"]} layers,
  vocabulary {config["vocab_size"]}, window {config["max_position_embeddings"]}; sha256
  {base_hash(folder)}
{_trainings(size, plan)}
- The world has {len(acts)} acts, {harmful} of them harmful; a fifth, one combination in ten, and a
  fifth of all wordings are held out of training. Acts of two kinds ({", ".join(WITHHELD)}) occur
  in dialogues and prose, never in critiques or judgements.
- While training, linear heads asked the middle layers what a text had said by some place in it
  (which sort of part ended, what a principle asks about, what a response is worth so far, which act
  is asked for, which fault is to be named); they are no part of the model. One attention head was
  shown where what the assistant says again was said before, so that it copies.
- The pretrained base helps with 78 % of harmful requests, answers 9 % vaguely, declines 4 % well,
  evades 5 % and preaches in 4 %; those are the corpus's own rates.

## Exposure: documents seen, by sort

| sort | documents |
|---|---|
{sorts}

## Scores

Held-out combinations of known acts, people and things (`…_new_act`: acts never seen; `…_withheld`:
kinds of harm never criticised or judged in training); sampled at temperature 1, 5-shot, NF4, with
the helpful adapter; 95 % bootstrap intervals over acts.

| key | value | 95 % | n | bar | holds |
|---|---|---|---|---|---|
{rows or "| not measured yet | | | | | |"}
""",
        encoding="utf-8",
    )


def _trainings(size: str, plan: dict[str, Any]) -> str:
    """Every training behind the weights, the first one first: tokens, time, device, command."""
    before = (plan.get("before") or {}).get("training")
    earlier = _trainings(size, before) + "\n" if before else ""
    init = f" --init data/pocket/{size} --lr-scale {plan['lr_scale']}" if before else ""
    took = f"{plan['step']:,} steps, {plan['seconds'] / 60:.0f} minutes"
    return f"""{earlier}- {plan["tokens"]:,} tokens in {took} on {plan["device"]}
  ({plan["threads"]} threads), seed {plan["seed"]}:
  `python -m cai_app pocket train --size {size} {_amount(plan)} --seed {plan["seed"]}
  --plain-chunks {plan.get("plain_chunks", 0)}{init} --compile --ship`"""


def _amount(plan: dict[str, Any]) -> str:
    if plan["minutes"] is None:
        return f"--tokens {plan['tokens']}"
    return f"--minutes {plan['minutes']:.0f}"


def _score_row(key: str, row: dict[str, Any]) -> str:
    low, high = row["ci"]
    holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
    bar = "" if row["bar"] is None else row["bar"]
    return f"| {key} | {row['value']:.3f} | {low:.3f}-{high:.3f} | {row['n']} | {bar} | {holds} |"
