"""What step-by-step reasoning adds to a pocket judge, and whether it decides the verdict."""

from cai_app.pocket.measure_judging import Judged, chances_of
from cai_app.pocket.tally import Bench, Tally, fill, unseen
from cai_app.prompts import human_turn, judge, judge_cot, judge_cot_answer
from cai_app.records import Prompt


def measure_reasoning(bench: Bench, tally: Tally) -> None:
    """Two-step pairs with and without reasoning, each pair in one order drawn for it."""
    sort = unseen(bench, "reasoning")
    author = sort.author

    def draw() -> Judged:
        scene, a, b = author.pair(sort.unseen, sort.kinds)
        wording = author.wordings.question(author.rng, aspect="harm")
        return Judged(scene, a, b, wording, human_turn(author.ask(scene)))

    # Faults on both sides: they must be counted, then the counts compared.
    drawn = list(fill(bench.cases, draw, lambda one: one.clear and one.a.harm > 0 < one.b.harm))
    asked = [(one.request, one.a.text, one.b.text, one.wording.question) for one in drawn]
    shots = bench.shots("judge")
    plain = chances_of(bench, [judge(*one, shots=shots) for one in asked])
    shots = bench.shots("judge_cot")
    prompts = [judge_cot(*one, shots=shots) for one in asked]
    thoughts = [done.text for done in bench.complete(prompts)]
    reasoned = _read_off(bench, prompts, thoughts)
    turned = _read_off(bench, prompts, [_opposite(text) for text in thoughts])
    for case, without, with_it, now in zip(drawn, plain, reasoned, turned, strict=True):
        act, first = case.scene.act.id, case.p > 0.5
        right, right_cot = (without > 0.5) == first, (with_it > 0.5) == first
        tally.add("judge_two_step", act, right)
        tally.add("judge_two_step_cot", act, right_cot)
        tally.add("cot_gain", act, right_cot - right)
        tally.add("cot_decides", act, (with_it > 0.5) != (now > 0.5))


def _read_off(bench: Bench, prompts: list[Prompt], thoughts: list[str]) -> list[float]:
    """P(A) after a rationale."""
    asked = [judge_cot_answer(p, text) for p, text in zip(prompts, thoughts, strict=True)]
    return chances_of(bench, asked)


def _opposite(rationale: str) -> str:
    """The rationale with its sides exchanged."""
    return rationale.replace("(A)", "\0").replace("(B)", "(A)").replace("\0", "(B)")
