"""Whether a pocket adapter still judges and criticises as its base does: a small paired check.

A labeller that has lost its judgement writes labels that look like any others. What was found is
kept beside the adapter, so that it is measured once.
"""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cai_app import files
from cai_app.backends import folders, trained
from cai_app.backends.base import Backend
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.measure_critiques import critiqued
from cai_app.pocket.measure_judging import both_orders, judged
from cai_app.pocket.reference import Reader
from cai_app.pocket.shipped import shipped_texts
from cai_app.pocket.tally import Bench, Unseen, fill
from cai_app.prompts import critique

log = logging.getLogger(__name__)

KEPT = "labeller.json"
CASES = 200
MOST_LOST = 0.05  # of either score, against the base

Open = Callable[[], Backend]
Scores = dict[str, float]


def check(adapter: Path, base: Path, backend: Open, plain: Open) -> str | None:
    """Why an adapter may not label, with the numbers; None where it may.

    `backend` opens the base with the adapter, `plain` the base alone; neither is opened where the
    same weights have been measured before.
    """
    known = folders.adapter_hash(adapter), trained.base_hash(base)
    found = _kept(adapter, known)
    if found is None:
        log.info("checking %s as a labeller, once", trained.name_of(adapter))
        found = {"adapter_hash": known[0], "base_hash": known[1], "n": CASES}
        for name, open in (("adapter", backend), ("base", plain)):
            opened = open()
            try:
                found[name] = measure(opened)
            finally:
                opened.close()
        try:
            files.replace(adapter / KEPT, json.dumps(found, indent=1) + "\n")
        except OSError as error:  # an adapter that lies where nothing can be written
            log.warning("%s is not kept: %s", KEPT, error)
    return refusal(trained.name_of(adapter), found)


def refusal(name: str, found: dict[str, Any]) -> str | None:
    """The sentence for scores that fell by more than MOST_LOST."""
    lost = [
        f"{what} {found['adapter'][what]:.1%} against the base's {found['base'][what]:.1%}"
        for what in found["base"]
        if found["base"][what] - found["adapter"][what] > MOST_LOST
    ]
    if not lost:
        return None
    return (
        f"adapter {name} is refused as a labeller, as its scores fell by over "
        f"{MOST_LOST * 100:.0f} points: {'; '.join(lost)} (n={found['n']}); label with the base "
        "(@none) or with helpful"
    )


def measure(backend: Backend, cases: int = CASES) -> Scores:
    """Share of clear comparisons judged on the right side (mean of both orders), and of critiques
    that find a fault where there is one and none where there is none."""
    texts = shipped_texts()
    bench = Bench(backend, Corpus.load(texts.root, texts.shipped), cases)
    sort = Unseen("", bench.author("labeller"), "scene")
    pairs = list(fill(cases, lambda: judged(sort), lambda pair: pair.clear))
    orders = both_orders(bench, pairs, bench.shots("judge"))
    right = sum(pair.right(chances) for pair, chances in zip(pairs, orders, strict=True))
    asked = [critiqued(sort) for _ in range(cases)]
    shots, reader = bench.shots("critique"), Reader(bench.corpus.world)
    prompts = [critique(one.request, one.reply.text, one.principle, shots=shots) for one in asked]
    written = bench.complete(prompts)
    flagged = sum(
        reader.flags_rightly(done.text, bool(one.found))
        for one, done in zip(asked, written, strict=True)
    )
    return {"judging": right / cases, "critiques": flagged / cases}


def _kept(adapter: Path, known: tuple[str, str]) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((adapter / KEPT).read_bytes())
    except (OSError, ValueError):
        return None
    return found if (found.get("adapter_hash"), found.get("base_hash")) == known else None
