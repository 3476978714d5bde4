"""Put a trained model where the program looks for it, with its vocabulary and model card."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

from cai_app.pocket.card import forget_scores, write_card
from cai_app.pocket.corpus import MIXTURE, Corpus
from cai_app.pocket.shipped import shipped_texts

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
         "tokenizer_config.json")  # fmt: skip


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
    if told := (trained.get("before") or {}).get("note"):
        facts["note"] = f"Of the weights that this training began with: {told}"
    (folder / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    forget_scores(folder)
    write_card(folder)
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


def vocabulary(documents: int = 60_000) -> list[str]:
    """Every word of a large sample of the corpus, lower case: what pocket has ever seen.

    Nothing invented counts: names nobody has, coined words, echoes.
    """
    texts = shipped_texts()
    corpus = Corpus.load(texts.root, texts.shipped)
    corpus = replace(corpus, world=replace(corpus.world, invented=0))
    meant = {sort: share for sort, share in MIXTURE.items() if sort != "echo"}
    words: set[str] = set()
    for _, document in islice(corpus.documents("vocabulary", meant, mixing=0), documents):
        for segment in document:
            words.update(re.findall(r"[a-z]+", segment.text.lower()))
    return sorted(words)
