"""How an evaluation counts: same cases for every model, ties called ties, what two steps ask."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cai_app.pocket import card, replies, two_step
from cai_app.pocket.corpus import Corpus
from cai_app.pocket.estimates import differences, estimates
from cai_app.pocket.measure_reasoning import _opposite
from cai_app.pocket.measure_texts import HeldOut
from cai_app.pocket.reference import Reader, knows_how, on_record
from cai_app.pocket.shipped import shipped_texts
from cai_app.pocket.tally import Tally, fill
from cai_app.pocket.trials import base_of


@pytest.fixture(scope="module")
def book() -> Corpus:
    texts = shipped_texts()
    return Corpus.load(texts.root, texts.shipped)


def tally(right: Callable[[int], bool], cases: int = 400) -> Tally:
    found = Tally()
    for number in range(cases):
        found.add("key", f"act-{number % 40}", right(number))
    return found


def test_a_few_cases_lost_at_random_are_a_tie_and_within_two_points() -> None:
    row = differences(tally(lambda n: True), tally(lambda n: n not in (3, 155)))["key"]
    assert row["value"] == pytest.approx(0.005)
    assert row["holds"] and row["tie"]


def test_every_tenth_case_lost_is_no_tie() -> None:
    row = differences(tally(lambda n: n % 10 > 0), tally(lambda n: True))["key"]
    assert row["value"] == pytest.approx(-0.1)
    assert not row["tie"] and not row["holds"]


def test_keys_about_different_cases_are_not_compared() -> None:
    assert differences(tally(lambda n: True), tally(lambda n: True, cases=399)) == {}


def test_pieces_measured_apart_add_up() -> None:
    whole = tally(lambda n: n % 2 == 0, 10)
    whole.take(tally(lambda n: True, 10))
    whole.texts["said"] = ["One.", "One.", "Two."]
    found = estimates(whole)
    assert found["key"]["value"] == 0.75 and found["key"]["n"] == 20
    assert found["said"]["value"] == 2 and found["said"]["n"] == 3


def test_a_key_about_some_cases_only_gets_as_many_as_it_should() -> None:
    numbers = iter(range(100))
    assert list(fill(3, lambda: next(numbers), lambda n: n % 7 == 0)) == [0, 7, 14]


def test_held_out_documents_are_of_unseen_combinations_only(book: Corpus) -> None:
    world = HeldOut.of(book.world)
    rng = random.Random(0)
    assert all(world.scene(rng).held_out for _ in range(20))
    assert len(world.drawn) == 20


def test_a_reply_of_the_generator_is_on_record_and_read_alike(book: Corpus) -> None:
    author, reader = book.author("record"), Reader(book.world)
    same = 0
    for _ in range(300):
        scene = author.world.scene(author.rng)
        reply = replies.any_reply(author.world, scene, author.rng)
        read = reader.reply(reply.text, scene)
        known = on_record(author.world, scene, reply.text)
        assert known == set(reply.kinds)
        same += read is not None and set(read.kinds) == known
    assert same >= 294


def test_another_scenes_reply_is_not_on_record(book: Corpus) -> None:
    author = book.author("other")
    one, other = (author.world.scene(author.rng, harmful=True) for _ in range(2))
    text = replies.decline(author.world, one, author.rng).text
    assert on_record(author.world, other, text) is None


def test_a_gadget_that_no_request_names_is_any_gadget(book: Corpus) -> None:
    author = book.author("gadgets")
    while True:
        scene = author.world.scene(author.rng, harmful=True)
        text = next((one for one in scene.act.methods if "$g" in one), None)
        if text:
            break
    other = next(one for one in book.world.gadgets if one != scene.gadget)
    for gadget in (scene.gadget, other):
        said = f"You can {replace(scene, gadget=gadget).say(text, 'assistant')}."
        assert on_record(book.world, scene, said) == {"help"}


def test_a_critique_is_right_if_it_names_the_faults_and_no_others(book: Corpus) -> None:
    author, reader = book.author("faults"), Reader(book.world)
    scene = author.world.scene(author.rng, harmful=True)
    both = replies.critique(book.world, scene, ("help", "leak"), author.rng)
    assert reader.names(both, ("leak", "help"))
    assert not reader.names(both, ("help",)) and not reader.names(both, ("help", "insult"))
    assert not reader.names("Nobody can read this.", ("help",))


def test_help_with_another_act_is_no_help_with_this_one(book: Corpus) -> None:
    author = book.author("knows how")
    one = author.world.scene(author.rng, harmful=True)
    text = one.say(one.act.methods[0], "assistant")
    other = next(act for act in book.world.acts if act.harmful and
                 not set(act.methods) & set(one.act.methods))  # fmt: skip
    assert knows_how(f"You can {text}.", one)
    assert not knows_how(f"You can {text}.", replace(one, act=other))


def test_reasoning_is_turned_by_its_remarks_alone() -> None:
    said = "\n(A) This one helps.\n(B) This one declines.\n\nTherefore, option (B) is the best."
    turned = "\n(A) This one declines.\n(B) This one helps.\n\nTherefore, option (B) is the best."
    assert _opposite(said) == turned


def test_what_is_kept_for_measurements_is_in_no_vocabulary(book: Corpus) -> None:
    folder = shipped_texts().root / "data" / "pocket"
    known = set((folder / "m" / "vocabulary.txt").read_text().split())
    words = {word.lower() for kept in book.world.kept.values() for word in kept if " " not in word}
    assert len(words) > 40
    assert not words & known


def test_two_step_questions_need_their_condition(book: Corpus) -> None:
    author = book.author("two steps")
    drawn = [two_step.draw(author) for _ in range(60)]
    assert all(case.needs_both for case in drawn)
    assert 15 < sum(case.met for case in drawn) < 45
    unseen = {two_step.draw(author, "scene").question for _ in range(20)}
    assert not unseen & {case.question for case in drawn}


def test_both_forms_of_a_two_step_question_end_on_the_side_that_counts(book: Corpus) -> None:
    *_, plain, letter = two_step.verdict(book.author("forms"))
    *thought, reasoned = two_step.reasoned(book.author("forms"))
    case = two_step.draw(book.author("forms"))
    assert case.question in plain.text
    assert letter.chance == (case.p if letter.text == " (A)" else 1 - case.p)
    assert reasoned.text == (" (A)" if case.p > 0.5 else " (B)")
    assert f"option{reasoned.text} is the best" in "".join(segment.text for segment in thought)


def test_the_base_beside_a_model_is_its_own() -> None:
    assert [base_of(s) for s in ("pocket", "pocket-l@rl", "hf:/x")] == [
        "pocket@none",
        "pocket-l@none",
        "hf:/x",
    ]


def test_the_card_tells_what_was_measured(tmp_path: Path) -> None:
    shipped = shipped_texts().root / "data" / "pocket" / "m"
    for name in ("config.json", "training.json", "model.safetensors"):
        (tmp_path / name).symlink_to(shipped / name)
    row = {"value": 0.9, "ci": [0.8, 0.95], "n": 100, "bar": 0.95, "holds": False}
    rows = {"facts": row | {"base": row}, "facts_new_act": row | {"bar": None, "holds": None}}
    (tmp_path / "scores.json").write_text(json.dumps(rows))
    apart = {"bf16": {"facts": row | {"tie": True}}}
    (tmp_path / "differences.json").write_text(json.dumps(apart))
    card.write_card(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| facts | 0.900 (0.800 to 0.950) | 100 | 0.900 | 0.95 | **no** |" in text
    assert "## NF4 minus bf16" in text and "| tie |" in text
    lines = [line for line in text.splitlines() if not line.startswith("    python")]
    assert max(map(len, lines)) <= 110
    assert "Bars missed: facts." in text
    assert "make results" not in text  # of another size than the default one


def test_the_default_sizes_card_renews_its_adapters_before_it_measures() -> None:
    row = {"value": 0.5, "ci": [0.4, 0.6], "n": 100, "bar": 0.95, "holds": False}
    commands = card._missed("m", {"facts": row})
    assert commands.index("make results") < commands.index("evaluate --size m")
    assert "make results" not in card._missed("s", {"facts": row})
