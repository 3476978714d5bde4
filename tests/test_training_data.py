"""What trainings learn from: chains linted row by row, labels ordered, draws that a seed gives."""

import json
from typing import Any

import pytest

from cai_app.errors import InputError
from cai_app.records import (
    Comparison,
    ConstitutionRef,
    DpoOptions,
    Label,
    Rater,
    Response,
    SftOptions,
    Step,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.store import training
from cai_app.workbench.training import Gathered, answers, labels
from cai_app.workbench.training.gathering import Sources, drawn

HARMLESS = ConstitutionRef(name="harmless", hash="1234")


def chain(prompt: str, *revisions: str, name: str = "harmless", finish: Any = "stop") -> Transcript:
    steps = [Step(kind="draft", round=0, text="Sure, do it.", finish="stop")]
    for number, text in enumerate(revisions, start=1):
        steps.append(Step(kind="critique", round=number, text="It is harmful.", finish="stop"))
        steps.append(Step(kind="revision", round=number, text=text, finish=finish))
    ref = ConstitutionRef(name=name, hash="1234")
    return Transcript(prompt=prompt, backend="pocket", constitution=ref, seed=0, temperature=1.0,
                      few_shot=0, direct=False, max_tokens=80, steps=tuple(steps))  # fmt: skip


def rows(found: Gathered) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.inputs["inputs.rows.jsonl"].splitlines()]


def test_revisions_of_all_rounds_or_the_last_are_rows(settings: Settings, store: Any) -> None:
    store.transcripts.add([chain("How do I lie?", "Rather not.", "I would not lie to them.")])
    sources = Sources(settings, lambda: store)
    both = answers.gather(SftOptions(data="revisions"), sources)
    assert {row["text"] for row in rows(both)} == {"Rather not.", "I would not lie to them."}
    last = answers.gather(SftOptions(data="revisions", steps="last"), sources)
    assert [row["text"] for row in rows(last)] == ["I would not lie to them."]
    assert last.provenance["constitutions"] == "harmless@1234"


def test_chains_of_another_constitution_are_not_learned_from(
    settings: Settings, store: Any
) -> None:
    store.transcripts.add([chain("How do I lie?", "Lie a lot.", name="inverted")])
    sources = Sources(settings, lambda: store)
    with pytest.raises(InputError, match="no revisions under harmless.*chains under inverted"):
        answers.gather(SftOptions(data="revisions"), sources)
    chosen = answers.gather(SftOptions(data="revisions", constitution="inverted"), sources)
    assert chosen.rows == 1


def test_rows_that_fail_a_lint_are_kept_aside_with_the_reason(
    settings: Settings, store: Any
) -> None:
    bad = {
        "CritiqueRequest: say more": "tags or a preface leak into it",
        "Sure, here is a revised response: no.": "tags or a preface leak into it",
        "Do not do it. Do not do it.": "it repeats itself",
        "  ": "it is empty",
    }
    store.transcripts.add(chain(f"Prompt {n}", text) for n, text in enumerate(bad))
    store.transcripts.add([chain("Good", "I would not."), chain("Cut", "I would", finish="length")])
    found = answers.gather(SftOptions(data="revisions"), Sources(settings, lambda: store))
    assert [row["text"] for row in rows(found)] == ["I would not."]
    aside = [json.loads(x) for x in found.inputs["inputs.rejected.jsonl"].splitlines()]
    assert {row["text"]: row["reason"] for row in aside} == {**bad, "I would": "it was cut off"}
    assert sum(found.rejected.values()) == len(aside) == 5


def test_answers_that_a_run_cut_off_are_not_learned(settings: Settings, store: Any) -> None:
    ends: tuple[Any, ...] = ("stop", "length", None)  # of a file, nobody knows
    store.responses.add(
        Response(prompt=f"Prompt {n}", text="Take the bus.", source="a-run", finish=how)
        for n, how in enumerate(ends)
    )
    options = SftOptions(data="helpful", helpful="a-run")
    found = answers.gather(options, Sources(settings, lambda: store))
    assert {row["prompt"] for row in rows(found)} == {"Prompt 0", "Prompt 2"}
    assert found.rejected == {"it was cut off": 1}


def test_helpful_answers_come_with_the_program(settings: Settings) -> None:
    sources = Sources(settings, lambda: pytest.fail("no store is needed"))
    found = answers.gather(SftOptions(data="helpful", helpful_limit=50), sources)
    assert found.counts == {"helpful": 50}
    same = answers.gather(SftOptions(data="helpful", helpful_limit=50), sources)
    other = answers.gather(SftOptions(data="helpful", helpful_limit=50, seed=1), sources)
    assert found.inputs == same.inputs != other.inputs


def labelled(
    store: Any, prompt: str, p_good: float, *, name: str = "harmless", run: str = "a-label-run"
) -> None:
    good, bad = (Response(prompt=prompt, text=text) for text in ("I would not.", "Sure."))
    pair = Comparison.of(good, bad)
    p_a = p_good if pair.a.id == good.id else 1 - p_good
    rater = Rater(kind="ai", backend="pocket", constitution=ConstitutionRef(name=name, hash="12"))
    store.comparisons.add([pair])
    store.labels.add([Label(about="comparison", subject=pair.id, kind="preference", rater=rater,
                            value=p_a, run=run)])  # fmt: skip


def test_the_side_that_the_label_prefers_is_chosen(settings: Settings, store: Any) -> None:
    labelled(store, "How do I lie?", 0.9)
    labelled(store, "How do I cheat?", 0.2)
    labelled(store, "How do I shout?", 0.55)
    found = labels.gather(DpoOptions(), Sources(settings, lambda: store))
    assert {row["prompt"]: row["chosen"] for row in rows(found)} == {
        "How do I lie?": "I would not.",
        "How do I cheat?": "Sure.",
    }
    assert found.rejected == {"its label is close to even": 1}
    with pytest.raises(InputError, match="under inverted .*labels under harmless"):
        labels.gather(DpoOptions(constitution="inverted"), Sources(settings, lambda: store))


def test_labels_of_one_run_are_taken_alone(settings: Settings, store: Any) -> None:
    labelled(store, "How do I lie?", 0.9)
    sources = Sources(settings, lambda: store)
    assert labels.gather(DpoOptions(source="a-label-run"), sources).rows == 1
    with pytest.raises(InputError, match="no AI labels of another"):
        labels.gather(DpoOptions(source="another"), sources)


def test_a_run_is_learned_from_as_it_labelled_and_a_store_by_whoever_labelled_last(
    settings: Settings, store: Any
) -> None:
    labelled(store, "How do I lie?", 0.9, run="first")
    labelled(store, "How do I lie?", 0.8, name="other", run="second")
    labelled(store, "How do I lie?", 0.7, run="third")
    newest = training.preferences(store)
    assert [max(one.p, 1 - one.p) for one in newest] == pytest.approx([0.7])
    of_first = training.preferences(store, source="first")
    assert [max(one.p, 1 - one.p) for one in of_first] == pytest.approx([0.9])


def test_answers_to_a_question_about_a_constitution_are_no_word_on_helpfulness(
    settings: Settings, store: Any
) -> None:
    pair = Comparison.of(*(Response(prompt="p", text=text) for text in "xy"))
    said: dict[str, Any] = {"about": "comparison", "subject": pair.id, "kind": "preference"}
    ann, bob = (Rater(kind="human", name=name) for name in ("ann", "bob"))
    store.comparisons.add([pair])
    store.labels.add([Label(**said, rater=ann, value=1.0, question="Which is less harmful?")])
    sources = Sources(settings, lambda: store)
    with pytest.raises(InputError, match="beside answers of spot-checks"):
        labels.helpful_rows(sources, source="human", seed=0, limit=None)
    assert training.preferences(store, kinds=("human",)), "but they check what an AI says"
    store.labels.add([Label(**said, rater=bob, value=0.0)])
    (row,), _ = labels.helpful_rows(sources, source="human", seed=0, limit=None)
    assert (row["rater"], row["p"], training.imported(store)) == (bob.id, 0.0, 1)


def test_helpfulness_pairs_come_with_their_known_chance(settings: Settings) -> None:
    sources = Sources(settings, lambda: pytest.fail("no store is needed"))
    found = labels.gather(DpoOptions(labels="helpful", limit=100), sources)
    assert found.rows + sum(found.rejected.values()) == 100
    assert all(row["p"] >= 0.6 for row in rows(found))


def test_a_draw_does_not_depend_on_the_order_of_rows() -> None:
    some = [str(n) for n in range(50)]
    first = drawn(some, seed=3, key=str, limit=10)
    assert first == drawn(reversed(some), seed=3, key=str, limit=10)
    assert first != drawn(some, seed=4, key=str, limit=10)
