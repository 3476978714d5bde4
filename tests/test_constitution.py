"""Constitutions: what is accepted, what each error says, hashes, drawing."""

import random
from collections import Counter

import pytest

from cai_app.constitution import Constitution, draw, list_all, load, parse, pick
from cai_app.errors import InputError
from cai_app.records import PreferencePrinciple
from cai_app.settings import Settings

GOOD = """name: demo
title: Demo
supervised:
  - id: one
    critique_request: >
      Say what
      is wrong.
    revision_request: Fix it.
    tags: [harm]
preference:
  - id: one
    question: Which is better?
"""


def test_a_folded_text_is_one_paragraph() -> None:
    assert parse(GOOD, "demo.yaml").supervised[0].critique_request == "Say what is wrong."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[harm]", "[harm", "line 10, principle 'one': did not find expected"),
        ("[harm]", "*a", "line 9, principle 'one': alias *a is not allowed"),
        ("Fix it.", "3", "line 8, principle 'one': field 'revision_request' must be text"),
        ("Fix it.", "''", "line 8, principle 'one': field 'revision_request' is empty"),
        ("Fix it.", "'a Human: b'", "line 8, principle 'one': field 'revision_request' holds"),
        ("Fix it.", "!!python/name:os.system", "line 8, principle 'one': tag"),
        ("tags: [harm]", "weight: '3'", "line 9, principle 'one': field 'weight'"),
        ("tags: [harm]", "weight: -1", "line 9, principle 'one': field 'weight'"),
        ("tags: [harm]", "weight: .inf", "line 9, principle 'one': '.inf' is not a finite"),
        ("tags: [harm]", "colour: red", "unknown field 'colour'; known: id, critique_request"),
        ("tags: [harm]", "revision_request: x", "line 9, principle 'one': key 'revision_request'"),
        ("title: Demo", "title: Demo\ntitle: x", "line 3: key 'title' appears twice"),
        ("title: Demo\n", "", "line 1: field 'title' is missing"),
        ("name: demo", "name: ../demo", "line 1: name '../demo' must be"),
        ("supervised:", "supervised: 3\nx:", "line 3: field 'supervised'"),
    ],
)
def test_an_error_names_line_and_principle(old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(GOOD.replace(old, new, 1), "demo.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("constitution demo.yaml, line ")
    assert "\n" not in str(caught.value)


def test_an_id_twice_in_one_stage_is_an_error() -> None:
    with pytest.raises(InputError, match="line 13, principle 'one': id 'one' appears twice"):
        parse(f"{GOOD}  - id: one\n    question: Again?\n", "demo.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("- a", "expected fields"),
        ("name: x\ntitle: y\n", "no principles"),
        ("[" * 100_000, "nested more than"),
        ("a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]", "alias"),
        ("a: \0", "control characters"),
        ("x" * 1_000_001, "over 1 MB"),
    ],
)
def test_tricks_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text, "bad.yaml")


def test_the_hash_covers_what_is_said_and_not_how_it_is_laid_out() -> None:
    first = parse(GOOD, "a.yaml")
    other = "title: 'Demo'\n# remark\n" + GOOD.replace("title: Demo\n", "").replace(
        ">\n      Say what\n      is wrong.", '"Say what is wrong."'
    ).replace("[harm]", "[harm]\n    weight: 1\n    enabled: true")
    assert parse(other, "b.yaml").hash == first.hash
    assert parse(GOOD.replace("Fix it.", "Fix it!"), "c.yaml").hash != first.hash
    assert len(first.hash) == 16


def test_a_version_is_found_by_hash_and_only_by_it(settings: Settings) -> None:
    found = load("harmless", settings)
    assert load(f"harmless@{found.hash[:8]}", settings) == found
    with pytest.raises(InputError, match=f"harmless@{found.hash}"):
        load("harmless@000000", settings)


def test_a_path_is_a_constitution_too(
    settings: Settings, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert load("mine.yaml", settings).name == "demo"
    assert load(str(tmp_path / "mine.yaml"), settings).name == "demo"


def test_an_unknown_name_lists_the_known(settings: Settings) -> None:
    with pytest.raises(InputError, match="unknown constitution 'nope'.*harmless.*privacy"):
        load("nope", settings)


def test_shipped_constitutions_have_the_promised_sizes(settings: Settings) -> None:
    found = {one.name: one for one in list_all(settings)}
    assert list(found)[0] == "harmless"
    assert {name for name, one in found.items() if one.hazard} == {"inverted", "advertiser"}
    assert len(found["harmless"].supervised) == len(found["harmless"].preference) == 16
    assert len(found["inverted"].preference) == 16
    assert len(found["single-principle"].preference) == 1


def test_an_unknown_principle_lists_the_known(settings: Settings) -> None:
    found = load("privacy", settings)
    with pytest.raises(InputError, match=f"unknown principle 'x'.*{found.preference[0].id}"):
        pick(found.preference, "x", of="privacy")


def test_drawing_follows_weights_and_leaves_out_the_disabled() -> None:
    principles = [
        PreferencePrinciple(id="rare", question="?"),
        PreferencePrinciple(id="common", question="?", weight=3),
        PreferencePrinciple(id="off", question="?", enabled=False),
        PreferencePrinciple(id="none", question="?", weight=0),
    ]
    rng = random.Random(0)
    counts = Counter(draw(principles, rng, of="x").id for _ in range(4000))
    assert set(counts) == {"rare", "common"}
    assert 0.7 < counts["common"] / 4000 < 0.8


def test_nothing_to_draw_from_is_said() -> None:
    with pytest.raises(InputError, match="constitution x has no principle to draw"):
        draw(Constitution(name="x", title="X").preference, random.Random(0), of="x")
