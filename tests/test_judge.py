"""Judging: both orders, principles, chain of thought, clamp, unscored, bad input."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ScriptedBackend

from cai_app.constitution import Constitution, load
from cai_app.errors import InputError
from cai_app.judge import JudgeConfig, Judged, PrincipleScored, RationaleAdded, compare
from cai_app.prompts import templates
from cai_app.records import Prompt, Verdict
from cai_app.settings import ROOT, Settings

ASK, A, B = "Help me open it?", "Sure.", "You could ask."


@pytest.fixture
def harmless(settings: Settings) -> Constitution:
    return load("harmless", settings)


def judged(
    backend: ScriptedBackend, constitution: Constitution, settings: Settings, **options: Any
) -> Verdict:
    config = JudgeConfig(**options)
    *_, last = compare(backend, constitution, ASK, A, B, config, settings=settings)
    assert isinstance(last, Judged)
    return last.verdict


def test_both_orders_are_asked_and_averaged(harmless: Constitution, settings: Settings) -> None:
    backend = ScriptedBackend(p_first=[0.3, 0.9])
    found = judged(backend, harmless, settings)
    assert [order.first for order in found.orders] == ["a", "b"]
    assert [order.p_a for order in found.orders] == pytest.approx([0.3, 0.1])
    assert found.p_a == pytest.approx(0.2)
    assert [order.lost_mass for order in found.orders] == pytest.approx([0.1, 0.1])
    first, second = (prompt.text for prompt, _ in backend.history)
    assert f"(A) [[[{A}]]]\n (B) [[[{B}]]]" in first
    assert f"(A) [[[{B}]]]\n (B) [[[{A}]]]" in second


def test_few_shots_edited_between_two_comparisons_show_at_once(
    harmless: Constitution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("templates", "fewshots"):
        shutil.copytree(ROOT / "data" / name, tmp_path / "data" / name)
    settings = Settings(home=tmp_path / "home", data=tmp_path / "data")
    path = tmp_path / "data" / "fewshots" / "judge.yaml"
    backend = ScriptedBackend(p_first=[0.3, 0.9] * 2)
    with monkeypatch.context() as patched:
        patched.setattr(templates, "ROOT", tmp_path)
        judged(backend, harmless, settings)
        edited = path.read_text(encoding="utf-8").replace("wool coat", "tin hat")
        path.write_text(edited, encoding="utf-8")
        judged(backend, harmless, settings)
    templates.template_hash()  # what is shipped again
    first, _, second, _ = (prompt.text for prompt, _ in backend.history)
    assert "wool coat" in first and "tin hat" in second


def test_swapping_a_and_b_inverts_the_verdict(harmless: Constitution, settings: Settings) -> None:
    def p_a(a: str, b: str, chances: list[float]) -> float:
        backend = ScriptedBackend(p_first=chances)
        *_, last = compare(backend, harmless, ASK, a, b, JudgeConfig(), settings=settings)
        assert isinstance(last, Judged) and last.verdict.p_a is not None
        return last.verdict.p_a

    assert p_a(A, B, [0.3, 0.9]) == pytest.approx(1 - p_a(B, A, [0.9, 0.3]))


def test_all_principles_are_averaged(harmless: Constitution, settings: Settings) -> None:
    backend = ScriptedBackend(p_first=[0.2, 0.8] * 8 + [0.4, 0.6] * 8)
    config = JudgeConfig(principle="all")
    events = list(compare(backend, harmless, ASK, A, B, config, settings=settings))
    assert len([e for e in events if isinstance(e, PrincipleScored)]) == 16
    assert isinstance(events[-1], Judged)
    found = events[-1].verdict
    assert found.p_a == pytest.approx(0.3)
    assert [order.p_a for order in found.orders] == pytest.approx([0.3, 0.3])


def test_a_principle_is_drawn_by_the_seed(harmless: Constitution, settings: Settings) -> None:
    def drawn(seed: int) -> str:
        found = judged(ScriptedBackend(p_first=[0.5, 0.5]), harmless, settings, seed=seed)
        return found.principles[0].id

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(30)}) > 5


def test_reasoning_comes_before_the_answer_in_each_order(
    harmless: Constitution, settings: Settings
) -> None:
    backend = ScriptedBackend("(A) is bad.", "(B) is bad.", p_first=[0.01, 0.99])
    config = JudgeConfig(cot=True)
    events = list(compare(backend, harmless, ASK, A, B, config, settings=settings))
    heard = [(e.first, e.text) for e in events if isinstance(e, RationaleAdded)]
    assert [first for first, _ in heard] == ["a"] * 3 + ["b"] * 3
    assert isinstance(events[-1], Judged)
    found = events[-1].verdict
    assert found.p_a == pytest.approx(0.01)
    assert [order.rationale for order in found.orders] == ["(A) is bad.", "(B) is bad."]
    assert found.rationale is not None and "(B) is bad." in found.rationale
    assert backend.history[1][0].text.endswith(" (A) is bad.\n\nHuman:\nSo the answer is:")


def test_the_clamp_draws_reasoned_chances_in_and_keeps_the_raw_ones(
    harmless: Constitution, settings: Settings
) -> None:
    backend = ScriptedBackend("x", "y", p_first=[0.01, 0.55])
    found = judged(backend, harmless, settings, cot=True, clamp=(0.4, 0.6))
    assert found.p_a == pytest.approx((0.4 + 0.45) / 2)
    assert [order.p_a for order in found.orders] == pytest.approx([0.01, 0.45])
    assert found.clamp == (0.4, 0.6)


def test_the_clamp_does_nothing_without_reasoning(
    harmless: Constitution, settings: Settings
) -> None:
    found = judged(ScriptedBackend(p_first=[0.01, 0.99]), harmless, settings, clamp=(0.4, 0.6))
    assert found.p_a == pytest.approx(0.01)
    assert found.clamp is None


class Lost(ScriptedBackend):
    """Puts next to nothing on either choice."""

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        return [(math.log(0.01), -math.inf) for _ in prompts]


def test_lost_probability_is_unscored_and_never_a_tie(
    harmless: Constitution, settings: Settings
) -> None:
    found = judged(Lost(), harmless, settings)
    assert found.p_a is None
    assert found.unscored_reason == (
        "with a first, the model put 99% of its probability on neither (A) nor (B)"
    )


def test_empty_reasoning_is_unscored(harmless: Constitution, settings: Settings) -> None:
    found = judged(ScriptedBackend("", "fine", p_first=[0.9]), harmless, settings, cot=True)
    assert found.p_a is None and "wrote no reasoning" in (found.unscored_reason or "")
    assert found.orders[1].p_a == pytest.approx(0.1)


def test_closing_frees_the_model_at_once(harmless: Constitution, settings: Settings) -> None:
    backend = ScriptedBackend("one two three")
    events = compare(backend, harmless, ASK, A, B, JudgeConfig(cot=True), settings=settings)
    next(events)
    events.close()
    assert backend.streams[0].cancelled


def test_an_unknown_principle_lists_the_known(harmless: Constitution, settings: Settings) -> None:
    with pytest.raises(InputError, match=f"unknown principle 'x'.*{harmless.preference[0].id}"):
        judged(ScriptedBackend(), harmless, settings, principle="x")


def test_a_question_beyond_the_window_is_refused(
    harmless: Constitution, settings: Settings
) -> None:
    with pytest.raises(InputError, match="window of scripted holds 50; shorten"):
        judged(ScriptedBackend(window=50), harmless, settings)


@pytest.mark.parametrize("clamp", [(0.6, 0.4), (-0.1, 0.5), (0.5, 1.1), (math.nan, 1.0)])
def test_a_clamp_out_of_range_is_refused(clamp: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="clamp is .*two chances from 0 to 1"):
        JudgeConfig(clamp=clamp)
