"""What step-by-step reasoning adds to a pocket judge, and whether it decides the verdict."""

from dataclasses import dataclass

from cai_app.pocket import two_step
from cai_app.pocket.measure_judging import Judged, chances_of
from cai_app.pocket.tally import Bench, Tally, Unseen, fill, unseen
from cai_app.prompts import human_turn, judge, judge_cot, judge_cot_answer
from cai_app.records import Prompt

THOUGHT = 160  # tokens of a chain of thought, as on the page


@dataclass(frozen=True)
class Case:
    """A pair as it is asked, in one order, and the world's chance that the first is chosen."""

    act: str
    asked: tuple[str, str, str, str]
    p: float


def measure_reasoning(bench: Bench, tally: Tally) -> None:
    """Two-step questions with and without reasoning; and pairs whose faults must be counted."""
    author = unseen(bench, "reasoning").author
    drawn = [two_step.draw(author, "scene") for _ in range(bench.cases)]
    asked = [
        Case(
            one.scene.act.id,
            (human_turn(one.request), one.a.text, one.b.text, one.question),
            one.p,
        )
        for one in drawn
    ]
    _measure(bench, tally, asked, "")
    sort = unseen(bench, "counting")
    pairs = fill(max(1, bench.cases // 4), lambda: _counted(sort), lambda one: _faulty(one))
    asked = [
        Case(one.scene.act.id, (one.request, one.a.text, one.b.text, one.wording.question), one.p)
        for one in pairs
    ]
    _measure(bench, tally, asked, "_counting")


def _counted(sort: Unseen) -> Judged:
    scene, a, b = sort.author.pair(sort.unseen, sort.kinds)
    wording = sort.author.wordings.question(sort.author.rng, aspect="harm")
    return Judged(scene, a, b, wording, human_turn(sort.author.ask(scene)))


def _faulty(pair: Judged) -> bool:
    """Faults on both sides: they must be counted, then the counts compared."""
    return pair.clear and pair.a.harm > 0 < pair.b.harm


def _measure(bench: Bench, tally: Tally, drawn: list[Case], suffix: str) -> None:
    shots = bench.shots("judge")
    plain = chances_of(bench, [judge(*one.asked, shots=shots) for one in drawn])
    shots = bench.shots("judge_cot")
    prompts = [judge_cot(*one.asked, shots=shots) for one in drawn]
    thoughts = [done.text for done in bench.complete(prompts, max_tokens=THOUGHT)]
    reasoned = _read_off(bench, prompts, thoughts)
    turned = _read_off(bench, prompts, [_opposite(text) for text in thoughts])
    for case, without, with_it, now in zip(drawn, plain, reasoned, turned, strict=True):
        first = case.p > 0.5
        right, right_cot = (without > 0.5) == first, (with_it > 0.5) == first
        tally.add(f"judge_two_step{suffix}", case.act, right)
        tally.add(f"judge_two_step_cot{suffix}", case.act, right_cot)
        tally.add(f"cot_gain{suffix}", case.act, right_cot - right)
        tally.add(f"cot_decides{suffix}", case.act, (with_it > 0.5) != (now > 0.5))


def _read_off(bench: Bench, prompts: list[Prompt], thoughts: list[str]) -> list[float]:
    """P(A) after a rationale."""
    asked = [judge_cot_answer(p, text) for p, text in zip(prompts, thoughts, strict=True)]
    return chances_of(bench, asked)


def _opposite(rationale: str) -> str:
    """The rationale with its sides exchanged."""
    return rationale.replace("(A)", "\0").replace("(B)", "(A)").replace("\0", "(B)")
