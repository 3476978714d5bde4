"""Preference models and RL: what is learned from a label, what is logged, and what stops a run."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cai_app.errors import BackendError, InputError
from cai_app.pocket import tasks
from cai_app.records import PreferenceOptions, RlOptions
from cai_app.work import pm_measure, signs, targets
from cai_app.work.alarms import PATIENCE, Alarms, Limits
from cai_app.work.targets import Pair

torch = pytest.importorskip("torch")

from cai_app.work import checkpoints, preference, rl, rloo  # noqa: E402
from cai_app.work.learner import Learner, begun  # noqa: E402
from cai_app.work.pm_data import Data  # noqa: E402
from cai_app.work.pm_fit import soft_loss  # noqa: E402
from cai_app.work.progress import Paused, Run  # noqa: E402

ROW = {"id": "x", "p": 0.8, "p_a_first": 0.9, "p_b_first": 0.7, "kind": "ai"}


def pair(p: float, prompt: str = "q", source: str = "ai") -> Pair:
    return Pair("id", prompt, "one", "two", p, source)


def test_a_target_is_the_mean_of_the_orders_and_the_paper_learns_one_of_them() -> None:
    assert targets.target(ROW, PreferenceOptions.of({})) == 0.8
    paper = PreferenceOptions.of({"preset": "paper"})
    asked = {targets.target({**ROW, "id": str(n)}, paper) for n in range(40)}
    assert asked == {0.9, 0.7}


def test_chain_of_thought_is_clamped_to_forty_to_sixty_and_nothing_else_unless_asked() -> None:
    options = PreferenceOptions.of({})
    assert targets.target({**ROW, "cot": True}, options) == 0.6
    assert targets.target({**ROW, "p": 0.02, "cot": True}, options) == 0.4
    assert targets.target({**ROW, "p": 0.02}, options) == 0.02
    assert targets.target({**ROW, "p": 0.02}, PreferenceOptions.of({"clamp": 0.2})) == 0.2
    assert targets.target({**ROW, "cot": True}, PreferenceOptions.of({"clamp": 0})) == 0.8


def test_the_mean_is_taken_before_the_clamp() -> None:
    row = {"id": "y", "p": (0.95 + 0.15) / 2, "p_a_first": 0.95, "p_b_first": 0.15, "cot": True}
    assert targets.target(row, PreferenceOptions.of({})) == pytest.approx(0.55)


def test_an_unscored_label_has_no_target() -> None:
    assert targets.target({"id": "z", "p": None}, PreferenceOptions.of({})) is None


def test_the_mix_holds_and_the_scarcer_source_is_not_repeated() -> None:
    ai = [pair(0.9, f"a{n}") for n in range(100)]
    helpful = [pair(0.9, f"h{n}", "helpful") for n in range(1000)]
    mixed = targets.mixed(ai, helpful, PreferenceOptions.of({"mix": 0.25, "limit": 800}))
    assert len(mixed) == 400
    assert sum(one.source == "ai" for one in mixed) == 100
    assert len({one.prompt for one in mixed}) == 400
    alone = targets.mixed(ai, helpful, PreferenceOptions.of({"labels": "ai", "limit": None}))
    assert {one.source for one in alone} == {"ai"} and len(alone) == 100


def test_pairs_of_one_prompt_are_held_out_together_and_halves_share_none() -> None:
    prompts = [f"prompt {n}" for n in range(2000)]
    out = [p for p in prompts if targets.held_out(p, 0.1)]
    assert 140 < len(out) < 260
    assert out == [p for p in prompts if targets.held_out(p, 0.1)]
    assert 900 < sum(targets.half(p) for p in prompts) < 1100


def test_the_soft_loss_is_the_cross_entropy_and_its_excess_is_zero_at_the_targets() -> None:
    p = torch.tensor([0.8, 0.3, 0.5])
    margins = torch.log(p / (1 - p))
    entropies = sum(targets.entropy(float(x)) for x in p)
    assert float(soft_loss(margins, p)) == pytest.approx(entropies, abs=1e-6)
    assert pm_measure.excess(margins.numpy(), p.numpy()) == pytest.approx(0, abs=1e-6)
    assert pm_measure.excess(np.zeros(3), p.numpy()) > 0.05
    # A hard label on top of a margin is the usual -log σ.
    hard = float(soft_loss(torch.tensor([2.0]), torch.tensor([1.0])))
    assert hard == pytest.approx(math.log(1 + math.exp(-2)))


def test_accuracy_counts_prompts_as_clusters_and_leaves_even_targets_out() -> None:
    many = [pair(0.9, f"{n // 5}") for n in range(50)] + [pair(0.5, "even")]
    alone = [pair(0.9, f"{n}") for n in range(50)]
    margins = np.array([1.0] * 40 + [-1.0] * 10 + [1.0])
    clustered = pm_measure.accuracy(many, margins)
    apart = pm_measure.accuracy(alone, margins[:50])
    assert clustered["value"] == apart["value"] == 0.8
    assert clustered["n"] == apart["n"] == 50
    width = [found["ci"][1] - found["ci"][0] for found in (clustered, apart)]
    assert width[0] > 1.5 * width[1]


def test_a_temperature_repairs_scores_that_are_too_sure() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 1, 2000)
    outcomes = (rng.random(2000) < 1 / (1 + np.exp(-true))).astype(float)
    pairs = [pair(float(o), f"{n}") for n, o in enumerate(outcomes)]
    found = pm_measure.calibration(pairs, 4 * true)
    assert found["temperature"] == pytest.approx(4, rel=0.2)
    assert found["after"]["ece"] < 0.05 < found["before"]["ece"]
    assert pm_measure.calibration(pairs[:2], true[:2])["unscored"]


def test_leave_one_out_advantages_sum_to_zero_and_have_no_own_baseline() -> None:
    rewards = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    found = rloo.advantages(rewards)
    assert found[0].tolist() == [1 - 4, 2 - 3.5, 6 - 1.5]
    assert torch.allclose(found.sum(1), torch.zeros(2))


def test_kl_estimators_are_never_negative_and_agree() -> None:
    torch.manual_seed(0)
    logits, start = torch.randn(400, 6, 20), torch.randn(400, 6, 20)
    there = torch.ones(400, 6, dtype=torch.bool)
    exact = rloo.exact_kl(logits, start, there)
    assert (exact >= 0).all()
    ours, theirs = torch.log_softmax(logits, -1), torch.log_softmax(start, -1)
    drawn = torch.distributions.Categorical(logits=logits).sample()[..., None]
    sampled = rloo.k3(ours.gather(2, drawn)[..., 0], theirs.gather(2, drawn)[..., 0])
    assert (sampled >= 0).all()
    assert float(sampled.mean()) == pytest.approx(float(exact.mean()), rel=0.15)
    # The plain log-ratio is negative for some rows: what a log of it would show.
    plain = (ours - theirs).gather(2, drawn).sum((1, 2))
    assert (plain < 0).any()
    assert rloo.exact_kl(logits, logits, there).abs().max() < 1e-5


def test_absent_tokens_add_nothing_to_kl() -> None:
    logits, start = torch.randn(2, 5, 9), torch.randn(2, 5, 9)
    there = torch.tensor([[True] * 5, [True, True, False, False, False]])
    short = rloo.exact_kl(logits[1:, :2], start[1:, :2], there[1:, :2])
    assert rloo.exact_kl(logits, start, there)[1] == pytest.approx(float(short[0]))


def alarms(**limits: float) -> Alarms:
    return Alarms(Limits(**limits))


def test_each_alarm_has_its_reason_and_a_healthy_step_has_none() -> None:
    good = {"lengths": [10, 12], "truncated": 0.0}
    assert alarms(length=3).rollouts([[0.1, 0.5]], **good) is None
    spread = alarms().rollouts([[0.5, 0.5], [1.0, 1.0]], **good)
    assert spread is not None and "same score" in spread.reason
    # What KL's noise adds to rewards is nothing to learn from.
    flat = alarms().rollouts([[0.5, 0.49]], scores=[[0.5, 0.5]], **good)
    assert flat is not None and flat.rule == "spread"
    number = alarms().rollouts([[math.nan, 0.5]], **good)
    assert number is not None and "not a number" in number.reason
    cut = alarms().rollouts([[0.1, 0.5]], lengths=[96, 96], truncated=1.0)
    assert cut is not None and "answer_tokens" in cut.reason
    watch = alarms(length=2)
    assert watch.rollouts([[0.1, 0.5]], **good) is None
    longer = watch.rollouts([[0.1, 0.5]], lengths=[30, 30], truncated=0.0)
    assert longer is not None and "30 tokens long and were 11" in longer.reason
    far = alarms(kl=5).look(kl=6.0, test=None)
    assert far is not None and "6.0 nats" in far.reason


def test_the_test_model_turning_down_pauses_after_a_few_looks_and_noise_does_not() -> None:
    watch = alarms()
    assert watch.look(kl=0, test=1.0, error=0.1) is None
    falls = [watch.look(kl=0, test=0.5, error=0.1) for _ in range(PATIENCE)]
    assert falls[:-1] == [None] * (PATIENCE - 1)
    assert falls[-1] is not None and "gamed" in falls[-1].reason
    noisy = alarms()
    assert not any(noisy.look(kl=0, test=x, error=0.1) for x in (1.0, 0.9, 0.85, 0.9, 0.95))


def test_alarms_go_on_where_they_were_and_one_that_was_read_is_silent() -> None:
    first = alarms(length=2)
    first.rollouts([[0.1, 0.5]], lengths=[10], truncated=0.0)
    second = alarms(length=2)
    second.restore(first.state())
    assert second.rollouts([[0.1, 0.5]], lengths=[50], truncated=0.0) is not None
    silent = Alarms(Limits(length=2), silent=["length"])
    silent.restore(first.state())
    assert silent.rollouts([[0.1, 0.5]], lengths=[50], truncated=0.0) is None


def test_a_silent_alarm_hides_none_behind_it() -> None:
    silent = Alarms(Limits(kl=5), silent=["truncated", "kl"])
    found = silent.rollouts([[0.5, 0.5]], lengths=[96, 96], truncated=1.0)
    assert found is not None and found.rule == "spread"
    for _ in range(PATIENCE):
        assert silent.look(kl=6.0, test=1.0) is None
    falls = [silent.look(kl=6.0, test=0.5) for _ in range(PATIENCE)]
    assert falls[-1] is not None and falls[-1].rule == "test"


def test_a_gradient_that_is_no_number_pauses_and_leaves_the_weights() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    learner = Learner([weight], lr=0.1)
    weight.grad = torch.tensor([1.0, math.nan, 1.0])
    with pytest.raises(Paused, match="gradient is not a number"):
        learner.step(0)
    assert torch.equal(weight.detach(), torch.ones(3))


def test_rl_is_never_without_kl() -> None:
    assert RlOptions.of({"preset": "paper"}).kl_weight == 0.001
    assert RlOptions.of({}).kl_weight == 0.05
    with pytest.raises(InputError, match="kl-weight"):
        RlOptions.of({"kl_weight": 0})


@pytest.mark.parametrize("steps", [None, "", "none"])
def test_rl_needs_a_number_of_steps(steps: str | None) -> None:
    with pytest.raises(InputError, match="max-steps is .*say how many"):
        RlOptions.of({"max_steps": steps})


def test_a_preference_model_is_scaled_on_prompts_that_leave_room_for_an_answer() -> None:
    base: Any = SimpleNamespace(room=lambda options: 320, length=lambda text: len(text.split()))
    pairs = [pair(0.9, "word " * n) for n in (100, 160, 161, 400)]
    data = Data(([pairs[0], pairs[2]],), {"ai": pairs[1:]}, {})
    found = preference.to_scale_on(PreferenceOptions.of({}), base, data)
    assert [len(one.split()) for one in found] == [160, 100]
    with pytest.raises(InputError, match="none of 1 prompts has at most 160 tokens"):
        preference.to_scale_on(PreferenceOptions.of({}), base, Data((pairs[2:3],), {}, {}))


def test_rl_with_fewer_prompts_a_step_than_processes_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    run: Any = SimpleNamespace(
        config=SimpleNamespace(options=RlOptions.of({"batch": 8, "samples": 4}).model_dump())
    )
    with pytest.raises(InputError, match="a step has 2 prompts .* too few for 4 processes"):
        rl.rl(run)


def test_signs_are_read_from_texts() -> None:
    assert signs.evasive("I can't help with that.")
    assert not signs.evasive("I would not do it, because it is unkind. You could ask first.")
    assert signs.boilerplate("You are valid and cared for.")
    texts = ["you are valid and cared for today", "I think you are valid and cared for", "no"]
    assert signs.top_grams(texts)[0] == ("are valid and cared for", 2 / 3)
    assert signs.top_grams(["a b c d e"]) == []


def test_requests_of_the_world_come_with_a_scene_that_the_rule_can_read() -> None:
    found = tasks.tasks(30, "test", harmful=True, unseen="scene")
    assert len({one.prompt for one in found}) == 30
    assert all(one.scene.act.harmful and one.scene.held_out for one in found)
    assert [one.prompt for one in found] == [
        one.prompt for one in tasks.tasks(30, "test", harmful=True, unseen="scene")
    ]
    reply = tasks.read(found[0], "I can't help with that. Nobody knows a word of this.")
    assert reply is None
    evasive = tasks.read(found[0], "I can't help with that.")
    assert evasive is not None and (evasive.harm, evasive.helpfulness) == (0, 0)
    helpful = tasks.pairs(40, "test", aspect="helpful", unseen="scene")
    assert not any(one.task.scene.act.harmful for one in helpful)
    assert all(one.a != one.b and one.p != 0.5 for one in helpful)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_all_damaged_is_an_error(
    tmp_path: Path,
) -> None:
    run = Run.__new__(Run)
    run.path = tmp_path
    weight = torch.nn.Parameter(torch.ones(3))
    learner = Learner([weight], lr=0.1)
    for step in (1, 2):
        weight.grad = torch.ones(3)
        learner.step(step)
        learner.keep(run, {"step": step}, outputs=())
    newest = checkpoints.newest(tmp_path)
    assert newest is not None
    tensors = newest / "learner.safetensors"
    data = bytearray(tensors.read_bytes())
    data[-1] ^= 1
    tensors.write_bytes(data)
    state = begun(run, ())
    assert state is not None and state["step"] == 1
    (tmp_path / "checkpoints" / "000001" / "learner.safetensors").write_bytes(b"")
    with pytest.raises(BackendError, match="damaged"):
        begun(run, ())
    assert begun(run, ()) is None
