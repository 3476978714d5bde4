"""The documents that pocket is trained on, each in the exact form in which the program asks.

A document is a row of segments, each with a loss weight: 1 on what the assistant writes, 0.1 on
the rest, 0 on what is only quoted (a chain's given response must not teach the base how to
answer; shipped few-shots must not be learned by heart), but 0.4 on what a quoted reply says of an
act, once it has begun.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from string import Template
from typing import Any

from cai_app.pocket import casting, replies
from cai_app.pocket.principles import Wording, Wordings
from cai_app.pocket.replies import Reply
from cai_app.pocket.segments import (
    ASIDE,
    FOUND,
    QUOTED,
    VERDICT,
    WRITTEN,
    Document,
    Mark,
    Segment,
    Shipped,
    asked_marks,
    form,
    options,
    part_marks,
)
from cai_app.pocket.world import KINDS, SORTS, WITHHELD, Scene, World, held_out

JUDGED_KINDS = tuple(kind for kind in KINDS if kind not in WITHHELD)


@dataclass(frozen=True)
class Author:
    """Writes documents of every sort from the world; all randomness comes from `rng`."""

    world: World
    wordings: Wordings
    shipped: Shipped
    rng: random.Random
    mixing: float = 0.0
    """Share of scenes whose act is put together from two (training only)"""
    asking: float = 0.0
    """Share of requests in which the human says who they are (training only)"""
    any_phrasing: bool = False
    """Whether requests may be phrased as training never does (measurements only)"""

    def _scene(self, **which: Any) -> Scene:
        """A scene as World.scene draws it, or a mixed one."""
        scene = self.world.scene(self.rng, **which)
        if self.mixing and self.rng.random() < self.mixing:
            scene = casting.mixed(self.world, scene, self.rng)
        return self._cast(scene)

    def _cast(self, scene: Scene, *, first: bool = True) -> Scene:
        """The scene with what only training has in it; only in a `first` turn does the human say
        who they are."""
        if self.mixing:
            scene = casting.coined(self.world, scene, self.rng)
        if first and self.asking and self.rng.random() < self.asking:
            scene = casting.introduced(self.world, scene, self.rng)
        return scene

    def _quoted(self, scene: Scene) -> Scene:
        """The scene for a response that is only quoted."""
        if self.mixing and self.rng.random() < self.mixing:
            return casting.quoted(self.world, scene, self.rng)
        return scene

    # -- dialogues -------------------------------------------------------------------------

    def ask(self, scene: Scene, *, follow_up: bool = False) -> str:
        """The human's request; a fifth of the phrasings are for measurements only."""
        options = self.world.phrasings["follow_up" if follow_up else "ask"]
        if not (follow_up or self.any_phrasing):
            options = [text for text in options if not held_out("ask", text, 20)]
        asked = Template(self.rng.choice(options)).substitute(do=scene.do("human"))
        return f"I am {scene.asker}. {asked}" if scene.asker else asked

    def _turn(self, scene: Scene, *, follow_up: bool = False) -> Segment:
        """The human's turn, up to where the assistant answers: there the act should be known."""
        text = form("draft", prompt=self.ask(scene, follow_up=follow_up))
        act = self.world.numbers.get(scene.act.id)
        marks = [] if act is None else [Mark(len(text), "act", act)]
        if scene.act.kind not in WITHHELD:
            marks.append(Mark(len(text), "kind", SORTS.index(scene.act.kind)))
        return Segment(text, ASIDE, marks=tuple(marks))

    def _talk(
        self, reply: Callable[[World, Scene, random.Random], Reply], turns: int, weight: float
    ) -> Document:
        document: Document = []
        for turn in range(turns):
            if self.rng.random() < 0.12:
                document += self._fact(weight)
                continue
            # Never a mixed act: what to answer to one hangs on all of its words.
            drawn = self.world.scene(self.rng, act=casting.look_alike(self.world, self.rng))
            scene = self._cast(drawn, first=turn == 0)
            said = reply(self.world, scene, self.rng)
            document += [
                self._turn(scene, follow_up=turn > 0),
                Segment(" " + said.text, weight, marks=part_marks(said, 1)),
            ]
        return document

    def _fact(self, weight: float) -> Document:
        question, reply = self.world.fact(self.rng)
        return [Segment(form("draft", prompt=question), ASIDE), Segment(" " + reply, weight)]

    def dialogue(self) -> Document:
        """A talk with the pretrained model's habits, no preamble."""
        return self._talk(replies.base_reply, self.rng.choice((1, 1, 1, 1, 2, 3)), WRITTEN)

    def helpful_dialogue(self) -> Document:
        """A talk with the helpful-only assistant: what the helpful adapter is tuned on."""
        return self._talk(replies.helpful_reply, self.rng.choice((1, 1, 1, 1, 2, 3)), WRITTEN)

    def preamble(self) -> Document:
        """Dialogues under a helpful-honest-harmless preamble, in which the assistant declines."""
        headers = [h for h in self.world.preambles["headers"] if not held_out("header", h, 20)]
        mark = self.rng.choice(self.world.preambles["separators"])
        document = [Segment(self.rng.choice(headers), ASIDE)]
        for _ in range(self.rng.choice((1, 1, 2, 3, 4, 6))):
            document += [Segment(f"\n\n{mark}", ASIDE), *self._talk(replies.good, 1, WRITTEN)]
        return document

    # -- critique and revision -------------------------------------------------------------

    def chain(self, *, direct: bool = False) -> Document:
        """One round: request, response, critique (unless direct), revision."""
        scene = self._scene(harmful=self.rng.random() < 0.75, kinds=JUDGED_KINDS)
        said = self._quoted(scene)
        reply = replies.any_reply(self.world, said, self.rng)
        principle = self.wordings.supervised(self.rng)
        found = replies.faults(reply, principle.aspect, scene.act)
        critique = replies.critique(self.world, scene, found, self.rng)
        revision = replies.revise(self.world, scene, reply, found, self.rng)
        document = [
            self._turn(scene),
            Segment(
                " " + reply.text,
                QUOTED,
                marks=part_marks(reply, 1),
                known=casting.known(self.world, said, ((reply, 1),)),
            ),
        ]
        fault = FOUND.index(found[0]) if found else 0
        if not direct:
            request = form("critique_request", request=principle.critique)
            marks = (*asked_marks(request, principle), Mark(len(request), "found", fault))
            document += [Segment(request, ASIDE, marks=marks), Segment(" " + critique, WRITTEN)]
        request = form("revision_request", request=principle.revision)
        marks = (*asked_marks(request, principle), Mark(len(request), "found", fault))
        return [
            *document,
            Segment(request, ASIDE, marks=marks),
            Segment(" " + revision.text, WRITTEN),
        ]

    def chain_with_shots(self) -> Document:
        """A chain behind few-shots: the shipped ones, or others of the same form."""
        direct = self.rng.random() < 0.5
        shipped = self.shipped.direct if direct else self.shipped.critique
        if shipped and self.rng.random() < 0.5:
            return [Segment(shipped, QUOTED), *self.chain(direct=direct)]
        shots = [self.chain(direct=direct) for _ in range(self.rng.choice((2, 3, 4, 5)))]
        return [segment for shot in shots for segment in shot]

    # -- judging ---------------------------------------------------------------------------

    def pair(
        self, unseen: str | None = None, kinds: tuple[str, ...] = JUDGED_KINDS
    ) -> tuple[Scene, Reply, Reply]:
        """Two different replies to one request, of any sort, revised, or good."""
        harmful = self.rng.random() < 0.8
        scene = self._scene(harmful=harmful, unseen=unseen, kinds=kinds)
        said = self._quoted(scene)
        first = replies.any_reply(self.world, said, self.rng)
        while True:
            draw = self.rng.random()
            if draw < 0.3:
                second = replies.good(self.world, said, self.rng)
            elif draw < 0.5:
                aspect = self.rng.choice(replies.ASPECTS[:8])
                found = replies.faults(first, aspect, scene.act)
                second = replies.revise(self.world, said, first, found, self.rng)
            else:
                second = replies.any_reply(self.world, said, self.rng)
            if second.text != first.text:
                break
        return (said, first, second) if self.rng.random() < 0.5 else (said, second, first)

    def verdict(self) -> Document:
        """One A/B question in the judge's template, its answer with the known chance."""
        scene, a, b = self.pair()
        for _ in range(1 if self.rng.random() < 0.4 else 6):  # most questions have a clear answer
            wording = self.wordings.question(self.rng)
            p = replies.p_first(a, b, wording.aspect, scene.act, worse=wording.worse)
            if abs(p - 0.5) > 0.25:
                break
        question = form(
            "judge",
            dialogue=form("human_turn", text=self.ask(scene)),
            question=wording.question,
            a=a.text,
            b=b.text,
        )
        letter, chance = (" (A)", p) if self.rng.random() < p else (" (B)", 1 - p)
        return [self._judged(question, scene, (a, b), wording), Segment(letter, VERDICT, chance)]

    def _judged(
        self, question: str, scene: Scene, pair: tuple[Reply, Reply], wording: Wording
    ) -> Segment:
        """The question, with what it asks, and what each response is worth, part by part."""
        marks = list(asked_marks(question, wording, before=" Options:"))
        quoted = options(question, pair)
        for reply, start in quoted:
            marks += part_marks(reply, start)
            for count, mark in enumerate(part_marks(reply, start), start=1):
                so_far = Reply(reply.parts[:count])
                worth = replies.utility(so_far, wording.aspect, scene.act)
                marks.append(Mark(mark.end, "worth", -worth if wording.worse else worth))
        return Segment(
            question, ASIDE, marks=tuple(marks), known=casting.known(self.world, scene, quoted)
        )

    def verdict_with_shots(self) -> Document:
        """A/B questions in a row: the shipped few-shots, or others."""
        if self.shipped.judge and self.rng.random() < 0.6:
            return [Segment(self.shipped.judge, QUOTED), *self.verdict()]
        return [s for _ in range(self.rng.choice((2, 3, 5, 6))) for s in self.verdict()]

    def reasoned(self) -> Document:
        """A chain-of-thought judgement: the reasoning decides, then the answer is read off."""
        scene, a, b = self.pair()
        wording = self.wordings.question(self.rng)
        p = replies.p_first(a, b, wording.aspect, scene.act, worse=wording.worse)
        letter = "A" if (self.rng.random() if p == 0.5 else p) > 0.5 else "B"
        question = form(
            "judge_cot",
            dialogue=form("judge_cot_human_turn", text=self.ask(scene)),
            question=wording.question,
            a=a.text,
            b=b.text,
        )
        return [
            self._judged(question, scene, (a, b), wording),
            *self.rationale(scene, (a, b), wording, letter),
            Segment(form("judge_cot_answer"), ASIDE),
            Segment(f" ({letter})", VERDICT),
        ]

    def rationale(
        self, scene: Scene, pair: tuple[Reply, Reply], wording: Wording, letter: str
    ) -> Document:
        """A remark on each response, by which it should be known what that one is worth as asked;
        then the letter, which weighs as much as a verdict."""
        lines: Document = []
        for side, reply in zip("AB", pair, strict=True):
            line = f"\n({side}) {self._remark(scene, reply, wording.aspect)}"
            worth = replies.utility(reply, wording.aspect, scene.act)
            mark = Mark(len(line), "worth", -worth if wording.worse else worth)
            lines.append(Segment(line, WRITTEN, marks=(mark,)))
        return [
            *lines,
            Segment("\n\nTherefore, option", WRITTEN),
            Segment(f" ({letter})", VERDICT),
            Segment(" is the best response.", WRITTEN),
        ]

    def _remark(self, scene: Scene, reply: Reply, aspect: str) -> str:
        """What is wrong with a reply under an aspect, all of it, or what it does right."""
        found = replies.faults(reply, aspect, scene.act)
        if aspect == "harm":
            found = tuple(f for f in replies.FACETS if f in reply.kinds)
        if aspect == "brand":
            return (
                "This response praises Glimmer."
                if not found
                else "This response does not mention Glimmer."
            )
        if found:
            said = replies.critique(self.world, scene, found, self.rng)
            return said.replace("The response", "This response", 1)
        virtues = self.world.facets["virtue"]
        main = next((k for k in reply.kinds if k in virtues), "fine")
        return self.rng.choice(virtues[main])

    def reasoned_with_shots(self) -> Document:
        """Chain-of-thought judgements in a row: the shipped few-shots, or others."""
        if self.shipped.cot and self.rng.random() < 0.6:
            return [Segment(self.shipped.cot, QUOTED), *self.reasoned()]
        return [s for _ in range(self.rng.choice((2, 3, 4))) for s in self.reasoned()]
