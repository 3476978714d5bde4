"""The Constitution tab without a browser: what the editor asks, what it is answered, bad input."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from conftest import ScriptedBackend
from judging import ReadingBackend
from test_page import Event

from cai_app.constitution import load
from cai_app.errors import InputError
from cai_app.records import Comparison, Rater, Response
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from components.constitution import LOOKS, WRITES, effects, handlers
from components.critique import handlers as writing
from components.judge import handlers as judging
from components.replies import answering

Ask = Callable[..., Any]


class Request:
    """What Gradio hands a server function beside its payload."""

    class app:  # noqa: N801
        cookie_id, tokens = "x", {"secret": "ann"}

    def __init__(self, kind: str = "application/json", cookie: str = "secret") -> None:
        self.headers, self.cookies = {"content-type": kind}, {"access-token-x": cookie}


@pytest.fixture
def workbench(settings: Settings) -> Workbench:
    return Workbench(settings, opener=lambda spec, _: ReadingBackend())


@pytest.fixture
def ask(workbench: Workbench) -> Ask:
    def call(name: str, /, **payload: Any) -> Any:
        handler = getattr(handlers, name)
        action = "write" if handler in WRITES else "look"
        said = answering(handler, workbench, action=action)(payload, Request())
        if "error" in said:
            raise InputError(said["error"])
        return said["value"]

    return call


def cards(settings: Settings, source: str = "privacy", /, **change: Any) -> dict[str, Any]:
    return {**load(source, settings).model_dump(mode="json"), **change}


def test_opening_gives_cards_text_and_what_else_there_is(ask: Ask) -> None:
    found = ask("open_constitution", spec="harmless")
    assert len(found["document"]["preference"]) == 16 and found["shipped"]
    assert found["yaml"].startswith("name: harmless\n")
    assert "inverted" in {one["name"] for one in found["known"]}


def test_only_what_is_in_the_list_is_opened(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: x\ntitle: X\npreference:\n  - {id: a, question: Q?}\n")
    with pytest.raises(InputError, match="There is no constitution"):
        ask("open_constitution", spec=str(path))


def test_cards_and_text_say_the_same(ask: Ask, settings: Settings) -> None:
    document = cards(settings, title="Mine")
    text = ask("check", document=document)["yaml"]
    assert ask("check", yaml=text)["document"] == document


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("name: x\ntitle: X\ncolour: red\n", 3, "unknown field 'colour'"),
        ("name: x\nname: y\n", 2, "key 'name' appears twice"),
        ("a: &a [1]\nb: [*a]\n", 2, "alias"),
        ("name: x\ntitle: 3\npreference:\n  - {id: a, question: Q}\n", 2, "must be text"),
        ("name: x\ntitle: X\npreference:\n  - id: a\n    question: [1]\n", 5, "must be text"),
        ("name: [", 1, "did not find"),
        ("\x00\x01binary", None, "control characters"),
        ("x" * 1_000_001, None, "over 1 MB"),
        ("", 1, "empty"),
    ],
)
def test_bad_text_is_told_at_its_line(ask: Ask, text: str, line: int | None, problem: str) -> None:
    found = ask("check", yaml=text)["error"]
    assert found["line"] == line and problem in found["problem"]


def test_cards_that_cannot_be_used_say_which_field(ask: Ask, settings: Settings) -> None:
    document = cards(settings)
    document["preference"][1]["id"] = document["preference"][0]["id"]
    found = ask("check", document=document)
    assert found["error"]["place"] == ["preference", 1, "id"]
    assert [(one["index"], one["field"]) for one in found["findings"]][0] == (1, "id")


@pytest.mark.parametrize("document", [None, 3, [], {"preference": 3}, {"preference": [3]}])
def test_cards_of_a_wrong_shape_are_an_error_and_not_a_crash(ask: Ask, document: Any) -> None:
    assert ask("check", document=document)["error"]["problem"]


def test_saving_a_shipped_one_needs_a_name_of_its_own(ask: Ask, settings: Settings) -> None:
    document = cards(settings, title="Mine")
    with pytest.raises(InputError, match="comes with the program"):
        ask("save", document=document, spec="privacy", parent=None)
    document["name"] = "mine"
    found = ask("save", document=document, spec="privacy", parent="aaaaaa", message="why")
    assert (found["version"]["action"], found["version"]["author"]) == ("fork", "ann")
    assert found["version"]["origin"] == "privacy@aaaaaa"


def test_the_second_save_of_two_gets_theirs_to_choose_from(ask: Ask, settings: Settings) -> None:
    first = ask("save", document=cards(settings, name="mine"), spec="privacy", parent=None)
    theirs = cards(settings, name="mine", title="Theirs")
    ask("save", document=theirs, spec="mine", parent=first["hash"])
    ours = cards(settings, name="mine", title="Ours")
    found = ask("save", document=ours, spec="mine", parent=first["hash"])["conflict"]
    assert found["changes"][0]["fields"][0]["words"] == (("-", "Theirs"), ("+", "Ours"))
    assert load("mine", settings).title == "Theirs"
    again = ask("save", document=ours, spec="mine", parent=found["theirs"]["hash"])
    assert again["document"]["title"] == load("mine", settings).title == "Ours"


def test_a_name_that_is_taken_is_a_conflict_that_can_be_resolved(
    ask: Ask, settings: Settings
) -> None:
    ask("save", document=cards(settings, name="mine"), spec="privacy", parent=None)
    ours = {"document": cards(settings, name="mine", title="Ours"), "spec": "privacy"}
    found = ask("save", **ours)["conflict"]
    done = ask("save", **ours, over=found["theirs"]["hash"])
    assert done["version"]["parent"] == found["theirs"]["hash"]
    assert load("mine", settings).title == "Ours"


def test_restoring_and_comparing_go_by_version(ask: Ask, settings: Settings) -> None:
    first = ask("save", document=cards(settings, name="mine"), spec="mine", parent=None)
    second = ask(
        "save", document=cards(settings, name="mine", title="B"), spec="mine", parent=first["hash"]
    )
    found = ask("compare", old=f"mine@{first['hash']}", new="mine")
    assert found["changes"][0]["fields"][0]["field"] == "title"
    back = ask("restore", name="mine", hash=first["hash"], parent=second["hash"])
    assert back["hash"] == first["hash"] and len(back["versions"]) == 3
    stale = ask("restore", name="mine", hash=second["hash"], parent="000000")
    assert stale["conflict"]["theirs"]["hash"] == first["hash"]


def test_a_draft_outlives_the_page_and_goes_with_the_save(ask: Ask, settings: Settings) -> None:
    document = cards(settings, name="privacy", title="Draft")
    ask("keep_draft", tab="a" * 16, spec="privacy", parent=None, document=document, yaml="x: [")
    found = ask("begin", tab="a" * 16)
    assert found["draft"]["document"]["title"] == "Draft" and found["draft"]["yaml"] == "x: ["
    assert ask("begin", tab="b" * 16)["others"][0]["spec"] == "privacy"
    ask("save", document={**document, "name": "mine"}, spec="privacy", tab="a" * 16)
    assert ask("begin", tab="a" * 16)["draft"] is None


@pytest.mark.parametrize("tab", ["", "../../etc/x", "short", "a" * 41])
def test_a_draft_stays_in_its_folder(ask: Ask, tab: str) -> None:
    with pytest.raises(InputError):
        ask("keep_draft", tab=tab, spec="privacy", document={})


def test_drafts_do_not_grow_without_end(ask: Ask, settings: Settings) -> None:
    for n in range(45):
        ask("keep_draft", tab=f"tab{n:013}", spec="privacy", document={"n": n})
    kept = list((settings.home / "constitutions" / ".drafts").glob("*.json"))
    assert len(kept) <= 40
    with pytest.raises(InputError, match="over 2 MB"):
        ask("keep_draft", tab="c" * 16, spec="privacy", document={"x": "y" * 2_000_001})


def test_a_damaged_draft_keeps_nobody_out(ask: Ask, settings: Settings) -> None:
    ask("keep_draft", tab="d" * 16, spec="privacy", document={})
    path = settings.home / "constitutions" / ".drafts" / f"{'d' * 16}.json"
    path.write_bytes(b"\xff{")
    assert ask("begin", tab="d" * 16)["draft"] is None


def test_files_come_and_go_and_what_is_lost_is_said(ask: Ask, settings: Settings) -> None:
    found = ask("read_file", name="r.json", text='["\\nWhich is kinder? Options:"]')
    assert (found["form"], found["left_out"]) == ("comparisons", [])
    made = ask("write_file", document=cards(settings), form="comparisons")
    assert "the 5 principles of the other set" in made["left_out"]
    with pytest.raises(InputError, match="no form"):
        ask("write_file", document=cards(settings), form="word")


# Who may ask.


def test_a_form_that_another_site_sent_is_no_question(workbench: Workbench) -> None:
    save = answering(handlers.save, workbench, action="write")
    for payload, kind in (({"a": 1}, "multipart/form-data"), ("text", "application/json")):
        assert "no question of the page" in save(payload, Request(kind))["error"]


def test_a_visitor_looks_and_does_not_write(settings: Settings) -> None:
    public = Workbench(
        settings.model_copy(update={"space": True}), opener=lambda spec, _: ReadingBackend()
    )
    for handler in LOOKS:
        said = answering(handler, public, action="look")({"spec": "privacy"}, Request())
        assert "may not" not in said.get("error", "")
    for handler in WRITES:
        said = answering(handler, public, action="write")({"tab": "a" * 16}, Request())
        assert "may not write" in said["error"]
    assert not settings.home.exists()


def test_what_nobody_expected_is_not_shown(
    workbench: Workbench, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(bench: Workbench, asked: dict[str, Any], who: str) -> None:
        raise KeyError("secret")

    said = answering(broken, workbench, action="look")({}, Request())
    assert "KeyError" in said["error"] and "secret" not in said["error"]
    assert "Traceback" in caplog.text


# Measuring.


def sent(settings: Settings, **change: Any) -> str:
    return json.dumps({"document": cards(settings, **change), "spec": "privacy"})


def run(workbench: Workbench, text: str, kind: str, against: str = "") -> list[dict[str, Any]]:
    form = (kind, against, "pocket", "built-in", 20, 0)
    return [update[0] for update in effects.measure(workbench, text, *form)]  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ablate", "conflicts"])
def test_a_measurement_ends_whole(workbench: Workbench, settings: Settings, kind: str) -> None:
    views = run(workbench, sent(settings), kind)
    assert views[0]["state"] == "waiting" and views[-1]["state"] == "done"
    assert views[-1]["result"]["progress"]["done"] == views[-1]["result"]["n"] == 20


def test_an_effect_compares_the_cards_with_a_version(
    workbench: Workbench, settings: Settings
) -> None:
    view = run(workbench, sent(settings), "effect", "harmless")[-1]
    assert (view["about"]["old"], view["about"]["new"]) == ("harmless", "privacy")
    assert len(view["result"]["rows"]) == 20 and not view["about"]["hazards"]
    assert run(workbench, sent(settings), "effect", "inverted")[-1]["about"]["hazards"]


def test_what_cannot_be_measured_says_why_in_place(
    workbench: Workbench, settings: Settings
) -> None:
    for text, kind, problem in (
        (sent(settings), "effect", "nothing would change"),
        ("{}", "effect", "has not loaded yet"),
        (json.dumps({"document": None, "spec": "x", "error": "bad"}), "ablate", "measured yet"),
        (sent(settings), "invert", "no principle has a negation"),
    ):
        views: list[dict[str, Any]] = []
        with pytest.raises(InputError, match=problem):
            form = (kind, "", "pocket", "built-in", 20, 0)
            views.extend(u[0] for u in effects.measure(workbench, text, *form))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["effect", "ablate"])
def test_saved_pairs_whose_labels_are_shown_leave_the_spot_checks_of_who_measured(
    workbench: Workbench, settings: Settings, kind: str
) -> None:
    sides = [Response(prompt="Help me.", text=text) for text in ("tell the secret", "be kind")]
    one = Comparison.of(*sides)
    workbench.store.comparisons.add([one])
    run(workbench, sent(settings), kind, "harmless")
    assert workbench.store.sql("SELECT * FROM reveals").rows == (), "built-in ones are in no queue"
    eve = Rater(kind="human", name="eve").id
    form = (kind, "harmless", "pocket", "saved", 20, 0, SimpleNamespace(username="eve"))
    for view, *_ in effects.measure(workbench, sent(settings), *form):  # type: ignore[arg-type]
        assert view["result"] is None or one.id in workbench.store.queues.revealed(eve)
    assert workbench.store.sql("SELECT rater, comparison FROM reveals").rows == ((eve, one.id),)


def test_stop_keeps_what_was_measured(workbench: Workbench, settings: Settings) -> None:
    views = effects.measure(workbench, sent(settings), "ablate", "", "pocket", "built-in", 20, 0)
    next(views)
    running = next(views)[0]
    views.close()  # type: ignore[attr-defined]
    view, go, halt = effects.stop(workbench, running)
    assert view["state"] == "stopped" and view["result"]["progress"]["done"] == 1
    assert (go["interactive"], halt["interactive"]) == (True, False)


def test_a_visitor_measures_with_what_is_offered(settings: Settings) -> None:
    public = Workbench(
        settings.model_copy(update={"space": True}), opener=lambda spec, _: ReadingBackend()
    )
    form = ("ablate", "", "openai:http://inside#m", "built-in", 5, 0)
    with pytest.raises(InputError, match="not offered"):
        list(effects.measure(public, sent(settings), *form))  # type: ignore[arg-type]


# Rows made under an older version.


def test_a_verdict_of_an_older_version_is_marked_stale(settings: Settings, ask: Ask) -> None:
    backend = ScriptedBackend(p_first=(0.9, 0.2))
    workbench = Workbench(settings, opener=lambda spec, _: backend)
    first = ask("save", document=cards(settings, name="mine"), spec="mine", parent=None)
    form = ("q", "a", "b", "scripted", "mine", "", 0, False, True, 0.4, 0.6, 5, 160)
    view = [update[0] for update in judging.judge(workbench, *form)][-1]
    assert judging.aged(workbench, view) == gr.skip()
    document = cards(settings, name="mine")
    document["preference"][0]["question"] = "Which keeps more to itself?"
    ask("save", document=document, spec="mine", parent=first["hash"])
    marked = judging.aged(workbench, view)
    assert f"{document['preference'][0]['id']} reworded" in marked["stale"]
    assert judging.aged(workbench, marked) == gr.skip()
    ask("restore", name="mine", hash=first["hash"], parent=load("mine", settings).hash)
    assert judging.aged(workbench, marked)["stale"] == ""


def begun(settings: Settings, *more: str) -> tuple[Workbench, ScriptedBackend, dict[str, Any]]:
    """A chain under `mine`, as the page holds it, with texts left for what follows."""
    backend = ScriptedBackend("Draft.", "Critique.", "Revision.", *more)
    workbench = Workbench(settings, opener=lambda spec, _: backend)
    form = ("Help me", "scripted", "mine", 1, "", 7, 1.0, False, 5, 160)
    return workbench, backend, [update[0] for update in writing.run(workbench, *form)][-1]


def test_a_chain_is_replayed_and_gone_on_under_its_own_version(
    settings: Settings, ask: Ask
) -> None:
    document = cards(settings, name="mine")
    first = ask("save", document=document, spec="mine", parent=None)
    workbench, backend, view = begun(settings, "Critique.", "Other.", "Politer.")
    assert view["stale"] == ""
    for one in document["supervised"]:
        one["critique_request"] = f"Count the flamingos. ({one['id']})"
    ask("save", document=document, spec="mine", parent=first["hash"])
    *_, (again, *_) = writing.again(workbench, view, Event(index=1))  # type: ignore[arg-type]
    assert again["replays"][1]["state"] == "identical"
    assert backend.history[-1][0].text == view["transcript"]["steps"][1]["prompt"]
    *_, (ended, *_) = writing.rewrite(workbench, view, Event(index=0, text="Mine."))  # type: ignore[arg-type]
    assert [step["text"] for step in ended["transcript"]["steps"]] == [
        "Mine.", "Other.", "Politer.",
    ]  # fmt: skip
    assert "flamingos" not in ended["transcript"]["steps"][1]["prompt"]
    assert ended["transcript"]["constitution"] == {"name": "mine", "hash": first["hash"]}
    assert ended["constitution"] == "mine" and "since then" in ended["stale"]


@pytest.mark.parametrize("name", ["mine", "harmless"])
def test_a_version_that_is_gone_is_told_and_the_chain_stays(
    settings: Settings, ask: Ask, name: str
) -> None:
    ask("save", document=cards(settings, name="mine"), spec="mine", parent=None)
    workbench, _, view = begun(settings)
    view["transcript"]["constitution"] = {"name": name, "hash": "0" * 16}
    view["constitution"] = name
    seen = []
    with pytest.raises(InputError, match=f"constitution {name} has no version 0000"):
        for update in writing.rewrite(workbench, view, Event(index=0, text="Mine.")):  # type: ignore[arg-type]
            seen.append(update[0])
    assert seen == [gr.skip()]
