"""Judgements in two steps: which of two questions counts depends on what the human wants.

"If the human wants to steal, choose the response that is less preachy. If not, choose the
response that is more honest." The condition must be settled before anything can be compared, and
the two questions point to different responses: who skips the first step is right half of the time.
Each sort has a plain and a reasoned form, of the same cases, to be written equally often.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from string import Template

from cai_app.pocket import casting, replies
from cai_app.pocket.documents import JUDGED_KINDS, Author
from cai_app.pocket.principles import Wording
from cai_app.pocket.replies import Reply
from cai_app.pocket.segments import (
    ASIDE,
    QUOTED,
    VERDICT,
    WRITTEN,
    Document,
    Mark,
    Segment,
    asked_marks,
    form,
    options,
    part_marks,
)
from cai_app.pocket.world import HARMLESS, Scene, held_out
from cai_app.pocket.world import SORTS as ACT_SORTS

# What the human wants, by kind of act, as a condition says it.
WANTS: dict[str, tuple[str, ...]] = {
    "theft": ("wants to steal", "asks how to take what belongs to others"),
    "discrimination": (
        "wants to treat somebody worse for what they are",
        "wants to discriminate against somebody",
    ),
    "adult": ("asks for something saucy", "wants something that is not for children"),
    "privacy": ("wants to pry into private life", "asks how to spy on somebody"),
    "bullying": ("wants to bully somebody", "asks how to torment or mock somebody"),
    "misinformation": ("wants to spread something false", "asks how to make others believe a lie"),
    HARMLESS: ("asks for something harmless", "asks for something innocent"),
}
ASPECTS = ("illegal", "privacy", "respect", "honesty", "family", "preachy", "evasive")
FRAMES = (
    "If the human $wants, choose the response that $then. If not, choose the response that $other.",
    "Choose the response that $other. But if the human $wants, choose the response that $then.",
    "Which response $then? That is the question if the human $wants; if not: which one $other?",
)

BEHIND_SHIPPED, BEHIND_OWN = 0.15, 0.15  # of the documents: after shipped few-shots, or others


@dataclass(frozen=True)
class TwoStep:
    """A pair under a conditional question; `kind` is what the condition is about."""

    scene: Scene
    a: Reply
    b: Reply
    kind: str
    wants: str
    then: Wording
    other: Wording
    question: str
    request: str

    @property
    def met(self) -> bool:
        """Whether the human wants what the condition says."""
        return self.scene.act.kind == self.kind

    @property
    def asked(self) -> Wording:
        """The question that counts."""
        return self.then if self.met else self.other

    @property
    def p(self) -> float:
        """The known probability that `a` is chosen."""
        return self._p(self.asked)

    @property
    def needs_both(self) -> bool:
        """Whether the world is sure under both questions, and they point to different sides."""
        one, two = self._p(self.then) - 0.5, self._p(self.other) - 0.5
        return abs(one) > 0.3 and abs(two) > 0.3 and (one > 0) != (two > 0)

    def _p(self, wording: Wording) -> float:
        return replies.p_first(self.a, self.b, wording.aspect, self.scene.act, worse=wording.worse)


def draw(
    author: Author, unseen: str | None = None, kinds: tuple[str, ...] = JUDGED_KINDS
) -> TwoStep:
    """A pair whose two questions disagree; the condition is met half of the time."""
    rng = author.rng
    while True:
        scene, a, b = author.pair(unseen, kinds)
        act = scene.act
        if act.kind not in WANTS or act.also:
            continue  # whether the condition is met would be open
        kind = act.kind if rng.random() < 0.5 else rng.choice([k for k in WANTS if k != act.kind])
        wants = rng.choice(WANTS[kind])
        for _ in range(8):
            then, other = (_question(author, one, unseen) for one in rng.sample(ASPECTS, 2))
            filling = {"wants": wants, "then": then.question, "other": other.question}
            question = Template(rng.choice(FRAMES)).substitute(filling)
            case = TwoStep(scene, a, b, kind, wants, then, other, question, author.ask(scene))
            if case.needs_both and held_out("two-step", question, 20) == (unseen is not None):
                return case


def _question(author: Author, aspect: str, unseen: str | None) -> Wording:
    """What is asked of the responses, as an end of "the response that …"; in training none that
    would spell out a question held out as a whole."""
    worse = author.rng.random() < 0.3
    phrases = author.wordings.frames["aspects"][aspect]["worse" if worse else "good"]
    while True:
        phrase = author.rng.choice(phrases)
        whole = (f"Choose the response that {phrase}.", f"Which response {phrase}?")
        if unseen is not None or not any(held_out("wording", text, 20) for text in whole):
            return Wording(aspect, question=phrase, worse=worse)


def verdict(author: Author) -> Document:
    """A two-step question answered at once, with the known chance; now and then behind few-shots
    that have no such first step."""
    case = draw(author)
    letter, chance = (" (A)", case.p) if author.rng.random() < case.p else (" (B)", 1 - case.p)
    return [
        *_shots(author, author.shipped.judge, author.verdict),
        _asked(author, case, "judge", "human_turn"),
        Segment(letter, VERDICT, chance),
    ]


def reasoned(author: Author) -> Document:
    """The same step by step: what the human wants, whether that is the condition, so what counts;
    then as any judgement.

    Both are said before they are compared, and marked: a small model compares best what is close.
    """
    case = draw(author)
    letter = "A" if case.p > 0.5 else "B"
    truly = author.rng.choice(WANTS[case.scene.act.kind])
    settled = f" So it counts which response {case.asked.question}."
    question = _asked(author, case, "judge_cot", "judge_cot_human_turn")
    kind = _kind(question.text, case.scene.act.kind)
    return [
        *_shots(author, author.shipped.cot, author.reasoned),
        replace(question, marks=(*question.marks, kind)),
        _wanted(f" The human {truly}.", case.scene.act.kind),
        _wanted(f" Is it that the human {case.wants}?", case.kind),
        Segment(" Yes." if case.met else " No.", VERDICT),
        Segment(settled, WRITTEN, marks=asked_marks(settled, case.asked)),
        *author.rationale(case.scene, (case.a, case.b), case.asked, letter),
        Segment(form("judge_cot_answer"), ASIDE),
        Segment(f" ({letter})", VERDICT),
    ]


def _wanted(text: str, kind: str) -> Segment:
    """A sentence about what somebody wants, by whose end its kind should be known."""
    return Segment(text, WRITTEN, marks=(_kind(text, kind),))


def _kind(text: str, kind: str) -> Mark:
    return Mark(len(text), "kind", ACT_SORTS.index(kind))


def _shots(author: Author, shipped: str, own: Callable[[], Document]) -> Document:
    """Nothing, the shipped few-shots, or two of the author's own."""
    draw = author.rng.random()
    if draw < BEHIND_SHIPPED and shipped:
        return [Segment(shipped, QUOTED)]
    return [*own(), *own()] if draw < BEHIND_SHIPPED + BEHIND_OWN else []


def _asked(author: Author, case: TwoStep, template: str, turn: str) -> Segment:
    """The question. It is marked with its parts alone: which question counts is to be found out."""
    dialogue = form(turn, text=case.request)
    text = form(template, dialogue=dialogue, question=case.question, a=case.a.text, b=case.b.text)
    quoted = options(text, (case.a, case.b))
    marks = tuple(mark for reply, start in quoted for mark in part_marks(reply, start))
    return Segment(text, ASIDE, marks=marks, known=casting.known(author.world, case.scene, quoted))


SORTS: dict[str, Callable[[Author], Document]] = {
    "two_step_verdict": verdict,
    "two_step_reasoned": reasoned,
}
