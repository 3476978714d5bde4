"""What `train preference` and `train rl` are started with: rows from the store, models pinned."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny

from cai_app import files
from cai_app.backends import adapter_hash
from cai_app.errors import InputError
from cai_app.records import (
    Comparison,
    ConstitutionRef,
    DistillOptions,
    DpoOptions,
    Label,
    OrderVerdict,
    PreferenceOptions,
    Rater,
    Response,
    RlOptions,
    SftOptions,
    TrainOptions,
)
from cai_app.settings import Settings
from cai_app.store import Store, training
from cai_app.work import pm_data, targets
from cai_app.workbench.training import planning, rewards
from cai_app.workbench.training.gathering import Sources

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rater(*, cot: bool = False, name: str = "harmless") -> Rater:
    under = ConstitutionRef(name=name, hash="0" * 12)
    return Rater(kind="ai", backend="pocket", constitution=under, few_shot=5, cot=cot)


def compared(n: int) -> Comparison:
    a, b = (Response(prompt=f"Question {n}?", text=f"Answer {side} {n}") for side in "ab")
    return Comparison.of(a, b, source="pairs")


def label(
    one: Comparison, by: Rater, p: float | None, *, orders: bool = True, run: str | None = None
) -> Label:
    asked = (
        OrderVerdict(first="a", p_a=p, lost_mass=0),
        OrderVerdict(first="b", p_a=p, lost_mass=0),
    )
    return Label(
        about="comparison", subject=one.id, kind="preference", rater=by, value=p,
        unscored_reason=None if p is not None else "cut", time=NOW,
        orders=asked if orders and p is not None else (),
        question="Which is better?" if by.kind == "ai" else None, run=run,
    )  # fmt: skip


@pytest.fixture
def sources(store: Store) -> Sources:
    return Sources(Settings(home=store.db.home, data=tiny.home().data), lambda: store)


def rows_of(found: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.inputs["inputs.rows.jsonl"].splitlines()]


def gathered(sources: Sources, **values: Any) -> Any:
    return rewards.gather_pairs(PreferenceOptions.of({"policy": "helpful", **values}), sources)


def test_unscored_labels_are_counted_left_out_and_never_even(
    store: Store, sources: Sources
) -> None:
    pairs = [compared(n) for n in range(6)]
    store.comparisons.add(pairs)
    store.labels.add([label(one, rater(), 0.9 if n < 4 else None) for n, one in enumerate(pairs)])
    found = gathered(sources, labels="ai")
    rows = rows_of(found)
    assert len(rows) == 4 and {row["p"] for row in rows} == {0.9}
    assert found.rejected == {"unscored by the AI": 2}
    assert found.provenance["policy"] == "helpful"


def test_what_is_unscored_is_counted_of_the_source_that_is_learned(
    store: Store, sources: Sources
) -> None:
    pairs = [compared(n) for n in range(4)]
    store.comparisons.add(pairs)
    given: dict[str, tuple[float | None, ...]]
    given = {"first": (0.9, None), "second": (None, 0.8, None, None)}
    for run, scores in given.items():
        asked = zip(pairs, scores, strict=False)
        store.labels.add([label(one, rater(), p, run=run) for one, p in asked])
    assert gathered(sources, labels="ai", source="first").rejected == {"unscored by the AI": 1}
    assert gathered(sources, labels="ai", source="second").rejected == {"unscored by the AI": 3}
    assert gathered(sources, labels="ai", source="pairs").rejected == {"unscored by the AI": 3}
    assert training.unscored(store, source=rater().id) == training.unscored(store) == 3
    assert training.unscored(store, source="nobody") == 0


def test_labels_of_chain_of_thought_say_so_and_other_constitutions_stay_out(
    store: Store, sources: Sources
) -> None:
    pairs = [compared(n) for n in range(3)]
    store.comparisons.add(pairs)
    store.labels.add(
        [
            label(pairs[0], rater(cot=True), 0.99),
            label(pairs[1], rater(), 0.8),
            label(pairs[2], rater(name="inverted"), 0.1),
        ]
    )
    rows = {row["id"]: row for row in rows_of(gathered(sources, labels="ai"))}
    assert rows.keys() == {pairs[0].id, pairs[1].id}
    assert [rows[one.id]["cot"] for one in pairs[:2]] == [True, False]
    assert rows[pairs[1].id]["p_a_first"] == 0.8


def test_people_on_the_same_pairs_are_measured_against_and_not_learned(
    store: Store, sources: Sources
) -> None:
    pairs = [compared(n) for n in range(3)]
    store.comparisons.add(pairs)
    person = Rater(kind="human", name="ada")
    store.labels.add(
        [*(label(one, rater(), 0.9) for one in pairs), label(pairs[0], person, 1.0, orders=False)]
    )
    found = gathered(sources, labels="ai")
    kinds = [row["kind"] for row in rows_of(found)]
    assert kinds[:4] == ["ai", "ai", "ai", "checked"] and found.rows == 3


def test_people_are_held_against_it_on_held_out_prompts_alone(tmp_path: Path) -> None:
    path, asked = tmp_path / "rows.jsonl", [f"Question {n}?" for n in range(100)]
    row = {"a": "One.", "b": "Two.", "p": 0.9}
    files.append(path, [{**row, "id": one, "prompt": one, "kind": kind}
                        for one in asked for kind in ("ai", "checked")])  # fmt: skip
    run: Any = SimpleNamespace(input=lambda name: path)
    out = {one for one in asked if targets.held_out(one, 0.1)}
    options = PreferenceOptions.of({"labels": "ai", "backend": "hf:base", "held_out": 0.1})
    found = pm_data.gather(run, options)
    why = "labels of people on prompts that are not held out"
    assert {one.prompt for one in found.tests["checked"]} == out
    assert found.left_out == {why: 100 - len(out)}
    none = pm_data.gather(run, options.model_copy(update={"held_out": 0.0}))
    assert not none.tests and none.left_out == {why: 100}


def test_without_ai_labels_it_says_how_to_make_some(sources: Sources) -> None:
    with pytest.raises(InputError, match="cai_app label"):
        gathered(sources, labels="ai")


def test_rl_pins_its_preference_model_and_refuses_an_adapter_that_scores_nothing(
    sources: Sources, tmp_path: Path
) -> None:
    found = rewards.gather_prompts(RlOptions.of({"start": "helpful"}), sources)
    assert found.provenance["pm_hash pm"] == adapter_hash("pocket@pm", sources.settings)
    assert found.provenance["test_pm"] == "none" and not found.inputs
    with pytest.raises(InputError, match="sl-cai is no preference model"):
        rewards.gather_prompts(RlOptions.of({"pm": "sl-cai"}), sources)
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "One?"}\n{"prompt": "Two?"}\n{"prompt": "One?"}\n')
    found = rewards.gather_prompts(RlOptions.of({"prompts": str(path)}), sources)
    asked = [json.loads(line)["prompt"] for line in found.inputs[rewards.PROMPTS].splitlines()]
    assert sorted(asked) == ["One?", "Two?"]


@pytest.mark.parametrize("form", [SftOptions, DpoOptions, DistillOptions, RlOptions])
def test_a_preference_model_is_no_start_of_what_is_to_write(form: type[TrainOptions]) -> None:
    with pytest.raises(InputError, match="start pm is a preference model, which writes nothing"):
        planning.settle(form.of({"start": "pm"}), tiny.home())
    options = PreferenceOptions.of({"start": "pm"})
    assert planning.settle(options, tiny.home()).start == "pm"


def test_a_plan_counts_the_pairs_and_steps_that_the_mix_leaves(
    store: Store, sources: Sources
) -> None:
    pairs, person = [compared(n) for n in range(200)], Rater(kind="human", name="ada")
    store.comparisons.add(pairs)
    store.labels.add([label(one, rater(), 0.9) for one in pairs[:40]])
    store.labels.add([label(one, person, 1.0, orders=False) for one in pairs[40:]])
    options = PreferenceOptions.of({"policy": "helpful", "helpful": "human", "epochs": 2.0})
    found = rewards.gather_pairs(options, sources)
    # Of 40 AI pairs 36 are learned, and as many of the many others.
    assert found.rows == 72 and len(found.texts) == 144 and found.counts["helpful"] == 160
    assert planning.steps_of(options, found.rows) == round(72 * 2 / 32)
    halves = options.model_copy(update={"split": True})
    assert planning.steps_of(halves, found.rows) == 2 * round(36 * 2 / 32)


def test_what_is_not_learned_comes_along_to_be_tested_on(store: Store, sources: Sources) -> None:
    pairs = [compared(n) for n in range(4)]
    store.comparisons.add(pairs)
    store.labels.add([label(one, rater(), 0.9) for one in pairs[:2]])
    person = Rater(kind="human", name="ada")
    imported = [label(one, person, 1.0, orders=False) for one in pairs[2:]]
    store.labels.add(imported)
    found = gathered(sources, labels="ai", helpful="human")
    assert [row["kind"] for row in rows_of(found)] == ["ai", "ai", "helpful", "helpful"]
    assert found.rows == 2 and found.provenance["helpful"].endswith("tested on only")
    turned = gathered(sources, labels="helpful", helpful="human")
    assert turned.rows == 2 and [row["kind"] for row in rows_of(turned)][0] == "helpful"
