"""Held-out loss by sort of document, and how much of what pocket says it has read word for word."""

import re
from dataclasses import dataclass, field, fields
from random import Random
from typing import Any

from cai_app.pocket.corpus import MIXTURE
from cai_app.pocket.documents import Author
from cai_app.pocket.measure_critiques import critiqued
from cai_app.pocket.segments import WRITTEN, Document
from cai_app.pocket.tally import Bench, Tally, fill, unseen
from cai_app.pocket.world import Scene, World
from cai_app.prompts import critique, draft
from cai_app.records import Prompt

SORTS = ("helpful_dialogue", "preamble", "chain", "direct", "verdict", "reasoned")
DOCUMENTS_A_CASE = 240  # of training, in which the sentences are looked up
# What pocket has read: the base's corpus, and the talks that the helpful adapter was tuned on.
READ = MIXTURE | {"helpful_dialogue": 6}


@dataclass(frozen=True)
class HeldOut(World):
    """The world with only those combinations that training never saw."""

    drawn: list[Scene] = field(default_factory=list)

    @classmethod
    def of(cls, world: World) -> "HeldOut":
        """The same world, held out."""
        return cls(**{one.name: getattr(world, one.name) for one in fields(world)})

    def scene(self, rng: Random, **options: Any) -> Scene:
        """Draw a scene of any act, and remember it: not every act can be unseen."""
        options["act"] = None
        self.drawn.append(super().scene(rng, **{**options, "unseen": "scene"}))
        return self.drawn[-1]


def measure_loss(bench: Bench, tally: Tally) -> None:
    """Nats a token of all that the assistant writes, in documents of held-out combinations."""
    corpus, world = bench.corpus, HeldOut.of(bench.corpus.world)
    rng = Random(f"evaluate-{bench.seed}-loss")
    author = Author(world, corpus.wordings, corpus.shipped, rng)
    for sort in SORTS:
        acts, prompts, said = list[str](), list[Prompt](), list[str]()
        for _ in range(max(1, bench.cases // len(SORTS))):
            world.drawn.clear()
            document = _document(author, sort)
            about = world.drawn[-1].act.id if world.drawn else "none"
            for n, segment in enumerate(document):
                if segment.weight >= WRITTEN:
                    acts.append(about)
                    prompts.append(_prompt(document[:n]))
                    said.append(segment.text)
        for act, scores in zip(acts, bench.backend.token_logprobs(prompts, said), strict=True):
            for score in scores:
                tally.add(f"loss_{sort}", act, -score.logprob)
                tally.add("held_out_loss", act, -score.logprob)


def _document(author: Author, sort: str) -> Document:
    if sort == "direct":
        return author.chain(direct=True)
    document: Document = getattr(author, sort)()
    return document


def _prompt(document: Document) -> Prompt:
    return Prompt(segments=("".join(segment.text for segment in document),), turns=())


def measure_texts(bench: Bench, tally: Tally) -> None:
    """How many different sentences there are, and which outputs training had, each sentence."""
    sort = unseen(bench, "texts")
    author, half = sort.author, max(1, bench.cases // 2)
    scenes = [author.world.scene(author.rng, harmful=True, unseen="scene") for _ in range(half)]
    drawn = list(fill(half, lambda: critiqued(sort), lambda case: bool(case.found)))
    shots = bench.shots("critique")
    prompts = [draft(author.ask(scene)) for scene in scenes]
    prompts += [critique(one.request, one.reply.text, one.principle, shots=shots) for one in drawn]
    scenes += [case.scene for case in drawn]
    written = [_sentences(done.text) for done in bench.complete(prompts)]
    trained = _trained(bench, {sentence for one in written for sentence in one})
    for number, (scene, sentences) in enumerate(zip(scenes, written, strict=True)):
        what = "answers" if number < half else "critiques"
        verbatim = all(sentence in trained for sentence in sentences)
        tally.add("verbatim_share", scene.act.id, verbatim)
        tally.add(f"verbatim_{what}", scene.act.id, verbatim)
        tally.texts.setdefault(f"distinct_sentences_{what}", []).extend(sentences)


def _trained(bench: Bench, wanted: set[str]) -> set[str]:
    """Those of the sentences that stand in documents that training may draw."""
    found: set[str] = set()
    stream = bench.corpus.documents("sentences", READ)
    for _ in range(DOCUMENTS_A_CASE * bench.cases):
        _, document = next(stream)
        for segment in document:
            found.update(wanted.intersection(_sentences(segment.text)))
    return found


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])(?<!Of course\.)\s+", text.strip())
