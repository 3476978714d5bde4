"""Other people's files: exact both ways where the form can hold it, and told where it cannot."""

import json
from pathlib import Path

import pytest

from cai_app.constitution import load
from cai_app.constitution.forms import Form, merge, read_form, write_form
from cai_app.errors import InputError
from cai_app.settings import ROOT, Settings

PUBLISHED = ROOT.parent / "shared/data/constitutional-harmlessness-paper/prompts"
CRITIQUES = json.dumps(
    {
        "harmful0": {
            "prompt": ["\n\nCritiqueRequest: Say what’s wrong.\n\nCritique:"],
            "edit_request": "\n\nRevisionRequest: Please mend  it.\n\nRevision:",
        }
    }
)
COMPARISONS = json.dumps(["\nWhich is kinder? Options:", "\nWhich is safer? Options:"])
RECIPE = json.dumps({"constitutions": [{"critic": "Say what’s wrong.", "revision": "Mend it."}]},
                    ensure_ascii=False)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "form"),
    [(CRITIQUES, "critiques"), (COMPARISONS, "comparisons"), (RECIPE, "recipe")],
)
def test_a_published_form_comes_back_letter_for_letter(text: str, form: Form) -> None:
    found = read_form(text, "x.json")
    assert (found.form, found.left_out) == (form, ())
    assert write_form(found.constitution, form).text == text


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("CritiqueRevisionInstructions.json", "critiques"),
        ("RLMadisonInstructions.json", "comparisons"),
    ],
)
def test_the_paper_s_own_files_come_back_letter_for_letter(file: str, form: Form) -> None:
    if not (PUBLISHED / file).is_file():
        pytest.skip("the published files are not beside the repository")
    text = (PUBLISHED / file).read_text(encoding="utf-8")
    found = read_form(text, file)
    principles = found.constitution.supervised or found.constitution.preference
    assert (len(principles), found.left_out) == (16, ())
    assert write_form(found.constitution, form).text == text


@pytest.mark.parametrize("name", ["harmless", "privacy", "advertiser", "single-principle"])
def test_our_yaml_comes_back_with_the_same_hash(name: str, settings: Settings) -> None:
    one = load(name, settings)
    assert read_form(write_form(one, "yaml").text, name).constitution.hash == one.hash


def test_two_published_files_make_one_constitution() -> None:
    parts = [read_form(CRITIQUES, "c.json"), read_form(COMPARISONS, "r.json")]
    made = merge(parts, "paper").constitution
    assert (made.name, len(made.supervised), len(made.preference)) == ("paper", 1, 2)
    with pytest.raises(InputError, match="two files give supervised principles"):
        merge([parts[0], parts[0]])


def test_what_a_form_cannot_hold_is_named() -> None:
    found = read_form(
        "name: x\ntitle: X\nhazard: true\nsupervised:\n  - {id: a, critique_request: C.,"
        " revision_request: R., tags: [t], weight: 2, enabled: false, note: n}\n"
        "preference:\n  - {id: b, question: Q?}\n",
        "x.yaml",
    ).constitution
    assert write_form(found, "recipe").left_out == (
        "name, title and description",
        "the mark as a hazard",
        "the 1 principles of the other set",
        "ids",
        "tags of a",
        "weight of a",
        "note of a",
        "that a is off: they read as on",
    )
    assert "ids" not in write_form(found, "critiques").left_out
    assert write_form(found, "yaml").left_out == ()


def test_remarks_and_unknown_parts_of_a_file_are_named() -> None:
    text = "# mine\nname: x\ntitle: X\npreference:\n  - {id: b, question: Q?}\n"
    assert "1 lines of remarks" in read_form(text, "x.yaml").left_out[0]
    recipe = {**json.loads(RECIPE), "system_chat": []}
    assert "system_chat" in read_form(json.dumps(recipe), "r.json").left_out[0]
    odd = {"constitutions": [{"critic": " Say\nit. ", "revision": "Mend it."}]}
    assert "outer spaces of 1 texts" in read_form(json.dumps(odd), "r.json").left_out[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"a": 1, "a": 2}', "key 'a' appears twice"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not of comparison questions"),
        ('[{"prompt": "x"}]', "few-shots are no constitution"),
        ('["no frame"]', "number 1: expected text between"),
        ('{"h": {"prompt": "x", "edit_request": "y"}}', "principle 'h': expected one text"),
        ('{"constitutions": 3}', "is no list"),
        ('{"constitutions": [{"critic": "x"}]}', "number 1: expected critic and revision"),
        ('{"constitutions": [{"critic": 3, "revision": "y"}]}', "'critique_request' must be text"),
        ('{"constitutions": [{"critic": "", "revision": "y"}]}', "'critique_request' is empty"),
        ('{"constitutions": []}', "no principles"),
        ("{}", "is missing"),
    ],
)
def test_a_broken_file_is_told_by_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_form(text, "x.json")
    assert str(caught.value).startswith("constitution x.json")


def test_a_form_that_would_hold_nothing_is_refused(settings: Settings) -> None:
    one = read_form(COMPARISONS, "r.json").constitution
    with pytest.raises(InputError, match="has no supervised principles"):
        write_form(one, "recipe")


def test_a_file_name_makes_a_name(tmp_path: Path) -> None:
    assert read_form(RECIPE, "../My Rules (2).json").constitution.name == "my-rules--2"
