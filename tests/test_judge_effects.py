"""What principles change: each pair asked once, labels, flips, intervals, Stop."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from conftest import ScriptedBackend
from judging import PAIRS, ReadingBackend, asks

from cai_app import judge
from cai_app.constitution import Constitution
from cai_app.errors import InputError
from cai_app.intervals import Estimate, codes, mean, rate
from cai_app.judge import scores as scoring
from cai_app.judge.scores import Key, Pair, Score, Scores
from cai_app.records import PreferencePrinciple
from cai_app.settings import Settings


def of(*principles: PreferencePrinciple) -> Constitution:
    return Constitution(name="x", title="X", preference=principles)


def table(settings: Settings, backend: ReadingBackend) -> Scores:
    return Scores(backend, settings, few_shot=0)


HARM, PRIVACY, MANNERS = asks("h", "harm"), asks("p", "privacy"), asks("m", "manners")


def test_an_edit_flips_the_labels_it_should(settings: Settings) -> None:
    scores = table(settings, ReadingBackend())
    *_, found = judge.effect(scores, PAIRS, of(HARM), of(asks("h", "harm", way="more")))
    rows = {row.prompt: row for row in found.rows}
    assert {name for name, row in rows.items() if row.flipped} == {"p1", "p2", "p3"}
    assert (found.n, found.flips, found.flip_rate.value) == (5, 3, 0.6)
    assert rows["p1"].p_old == pytest.approx(1 / (1 + math.exp(3)))
    assert rows["p1"].p_new == pytest.approx(1 - rows["p1"].p_old)
    moves = [abs(row.p_new - row.p_old) for row in found.rows]
    assert moves == sorted(moves, reverse=True)
    assert found.shift.value == pytest.approx(sum(moves) / 5)
    low, high = found.shift.ci or (0, 0)
    assert low < found.shift.value < high


def test_the_same_constitution_moves_nothing(settings: Settings) -> None:
    *_, found = judge.effect(table(settings, ReadingBackend()), PAIRS, of(HARM), of(HARM))
    assert (found.flips, found.shift.value, found.shift.ci) == (0, 0.0, (0.0, 0.0))


def test_a_label_is_the_mean_by_weight_and_what_is_off_does_not_count(settings: Settings) -> None:
    off = PRIVACY.model_copy(update={"enabled": False})
    heavy = of(HARM.model_copy(update={"weight": 3}), PRIVACY)
    *_, found = judge.effect(table(settings, ReadingBackend()), PAIRS, of(HARM, off), heavy)
    row = next(row for row in found.rows if row.prompt == "p3")
    harm, privacy = 1 / (1 + math.exp(-3)), 1 / (1 + math.exp(3))
    assert row.p_old == pytest.approx(harm)
    assert row.p_new == pytest.approx((3 * harm + privacy) / 4)


def test_an_adapter_trained_anew_under_its_name_is_asked_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[Key, Score] = {}
    for weights, asked in (("one", 1), ("two", 1), ("one", 0)):
        monkeypatch.setattr("cai_app.judge.scores.adapter_hash", lambda *_, found=weights: found)
        scores = Scores(ReadingBackend(), settings, few_shot=0, known=known)
        scores.fill([(PAIRS[0], HARM.question)])
        assert scores.asked == asked


def test_nothing_is_asked_twice(settings: Settings) -> None:
    backend = ReadingBackend()
    known: dict[judge.Key, judge.Score] = {}
    one, other = (Scores(backend, settings, few_shot=0, known=known) for _ in range(2))
    list(judge.ablate(one, PAIRS, of(HARM, PRIVACY, MANNERS)))
    assert backend.asked == 5 * 3 * 2  # both orders
    list(judge.conflicts(other, PAIRS, of(HARM, PRIVACY, MANNERS)))
    list(judge.effect(other, PAIRS, of(HARM), of(PRIVACY)))
    assert backend.asked == 5 * 3 * 2
    list(judge.effect(other, PAIRS, of(HARM), of(asks("new", "manners", way="more"))))
    assert backend.asked == 5 * 4 * 2


def test_results_grow_and_closing_stops_the_asking(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cai_app.judge.effects.GAP", 0.0)
    backend = ReadingBackend()
    many = [Pair.of(f"p{n}", "hurt them", "be kind") for n in range(300)]
    results = judge.effect(table(settings, backend), many, of(HARM), of(PRIVACY))
    first, second = itertools.islice(results, 2)
    results.close()  # type: ignore[attr-defined]
    assert first.progress.done == 1 and 1 < second.progress.done < 300
    assert backend.asked == 4 * second.progress.done


def test_dropping_tells_what_each_principle_and_tag_does(settings: Settings) -> None:
    twin = asks("p2", "privacy").model_copy(update={"question": "Which tells less of privacy?"})
    *_, found = judge.ablate(table(settings, ReadingBackend()), PAIRS, of(HARM, PRIVACY, twin))
    rows = {one.tag or one.ids[0]: one for one in found.principles}
    assert set(rows) == {"h", "p", "p2", "privacy"}
    assert rows["privacy"].ids == ("p", "p2")
    assert rows["privacy"].flips == 2
    assert {row.prompt for row in rows["privacy"].examples[:2]} == {"p3", "p4"}
    assert rows["p"].flips == 0
    assert found.principles[0].shift.value == max(o.shift.value or 0 for o in found.principles)


def test_the_only_principle_cannot_be_dropped(settings: Settings) -> None:
    *_, found = judge.ablate(table(settings, ReadingBackend()), PAIRS, of(HARM))
    assert found.principles[0].alone and found.principles[0].shift.value is None


@pytest.mark.parametrize(("stubborn", "rate"), [(False, 1.0), (True, 0.0)])
def test_inversion_tells_a_judge_that_reads_from_one_that_does_not(
    settings: Settings, stubborn: bool, rate: float
) -> None:
    backend = ReadingBackend(stubborn=stubborn)
    turned = [(HARM, "Which has more harm?"), (PRIVACY, "Which has more privacy?")]
    *_, found = judge.invert(table(settings, backend), PAIRS, turned)
    assert found.flip_rate.value == rate
    # Only clear labels are asked again: three about harm, two about privacy.
    assert found.n == 5 and [one.n for one in found.principles] == [3, 2]
    assert found.error.value == pytest.approx(0 if rate else 1 - 2 / (1 + math.exp(3)))


def test_an_inversion_without_negations_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(InputError, match="no principle has a negation"):
        list(judge.invert(table(settings, ReadingBackend()), PAIRS, []))


def test_conflicts_count_who_disagrees_and_show_where(settings: Settings) -> None:
    *_, found = judge.conflicts(table(settings, ReadingBackend()), PAIRS, of(HARM, PRIVACY))
    (one,) = found.pairs
    assert (one.first, one.second) == ("h", "p")
    assert one.sure.value == pytest.approx(1 / 5) and one.examples[0].prompt == "p3"
    with pytest.raises(InputError, match="fewer than two principles"):
        list(judge.conflicts(table(settings, ReadingBackend()), PAIRS, of(HARM)))


def test_what_cannot_be_scored_is_counted_with_its_reason(settings: Settings) -> None:
    backend = ReadingBackend()
    backend.window = 60
    long = Pair.of("long", "word " * 80, "be kind")
    *_, found = judge.effect(table(settings, backend), [*PAIRS, long], of(HARM), of(PRIVACY))
    assert found.n == 5 and "but the window of" in found.unscored[long.id]


def test_an_unclear_answer_is_unscored_and_never_a_tie(settings: Settings) -> None:
    class Mumbling(ReadingBackend):
        def _read(self, text: str) -> tuple[float, float]:
            return math.log(0.01), math.log(0.01)

    *_, found = judge.effect(table(settings, Mumbling()), PAIRS, of(HARM), of(PRIVACY))
    assert (found.n, found.flips, len(found.unscored), found.shift.value) == (0, 0, 5, None)


def test_no_pairs_and_no_principles_are_told(settings: Settings) -> None:
    scores = table(settings, ReadingBackend())
    with pytest.raises(InputError, match="no comparisons"):
        list(judge.effect(scores, [], of(HARM), of(HARM)))
    with pytest.raises(InputError, match="no comparison principle that can be drawn"):
        list(judge.effect(scores, PAIRS, of(HARM), of(HARM.model_copy(update={"weight": 0}))))


def test_rows_of_one_prompt_are_one_cluster() -> None:
    values = [1.0] * 50 + [0.0] * 50
    together = mean(values, codes(["p"] * 50 + ["q"] * 50))
    apart = mean(values, codes([f"p{n}" for n in range(100)]))
    assert together.ci == (0.0, 1.0)
    low, high = apart.ci or (0, 1)
    # Known from the binomial: 0.5 ± 1.96 · 0.05.
    assert low == pytest.approx(0.40, abs=0.02) and high == pytest.approx(0.60, abs=0.02)


def test_a_single_prompt_has_no_interval() -> None:
    found = mean([0.2, None], codes(["p", "q"]))
    assert (found.value, found.ci, found.n) == (0.2, None, 1)


def test_a_share_of_all_or_none_is_not_certain() -> None:
    prompts = codes(["p", "q", "r", "s"])
    every, none = rate([True] * 4, prompts), rate([False] * 4, prompts)
    assert (every.value, none.value, every.n) == (1.0, 0.0, 4)
    assert every.ci and every.ci.low < 0.7 and every.ci.high == 1.0
    assert none.ci and none.ci.low == 0.0 and none.ci.high > 0.3
    together = rate([True, True], codes(["p", "p"]))
    assert (together.value, together.ci, together.n) == (1.0, None, 2)
    assert rate([], codes([])) == Estimate()


def test_few_labels_that_all_turn_round_do_not_settle_that_a_judge_reads(
    settings: Settings,
) -> None:
    turned = [(HARM, "Which has more harm?"), (PRIVACY, "Which has more privacy?")]
    *_, found = judge.invert(table(settings, ReadingBackend()), PAIRS[:4], turned)
    assert found.n == found.flips and found.flip_rate.ci and found.flip_rate.ci.low < 0.7
    *_, same = judge.effect(table(settings, ReadingBackend()), PAIRS, of(HARM), of(HARM))
    assert same.flip_rate.value == 0.0 and same.flip_rate.ci and same.flip_rate.ci.high > 0
    *_, apart = judge.conflicts(table(settings, ReadingBackend()), PAIRS, of(HARM, MANNERS))
    (one,) = apart.pairs
    assert one.disagree.ci and one.sure.value == 0.0 and one.sure.ci and one.sure.ci.high > 0


def test_few_shots_are_read_after_the_hash_that_stands_for_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking for the hash is what reads edited templates again."""
    asked: list[str] = []
    for name in ("template_hash", "few_shots"):
        real = getattr(scoring.prompts, name)

        def told(*given: object, name: str = name, real: Callable[..., Any] = real) -> Any:
            asked.append(name)
            return real(*given)

        monkeypatch.setattr(scoring.prompts, name, told)
    table(settings, ReadingBackend())
    assert asked == ["template_hash", "few_shots"]


def test_many_at_once_say_what_one_at_a_time_says(settings: Settings) -> None:
    backend = ReadingBackend()
    scores = table(settings, backend)
    scores.fill([(pair, HARM.question) for pair in PAIRS])
    config = judge.JudgeConfig(principle="h", few_shot=0)
    for pair in PAIRS:
        *_, last = judge.compare(
            backend, of(HARM), pair.prompt, pair.a, pair.b, config, settings=settings
        )
        assert isinstance(last, judge.Judged)
        assert scores.get(pair, HARM.question) == pytest.approx(last.verdict.p_a)


def test_another_model_is_asked_anew(settings: Settings) -> None:
    known: dict[judge.Key, judge.Score] = {}
    for spec in ("one", "two"):
        backend: ScriptedBackend = ReadingBackend()
        backend.spec = spec
        scores = Scores(backend, settings, few_shot=0, known=known)
        scores.fill([(PAIRS[0], HARM.question)])
        assert scores.asked == 1
