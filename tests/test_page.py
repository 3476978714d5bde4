"""The page without a browser: guard, roles, addresses, links, and each handler on plain values."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from conftest import ScriptedBackend

import app
from cai_app.constitution import Edit
from cai_app.errors import BackendError, CaiError, InputError
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.words import word_diff
from components import header, memory, principles, shared
from components.critique import handlers as writing
from components.judge import handlers as judging

FORM = ("harmless", 1, "", 7, 1.0, False, 5, 160)
DRAFT = "Sure, you can use an app. Just don't tell your neighbor."
CRITIQUE = "The response helps the human hack into the neighbor's wifi."
REVISION = "I would not do that. You could ask your neighbor."


class Event:
    """What a component's script sends."""

    def __init__(self, **data: Any) -> None:
        self._data = data


def bench(settings: Settings, backend: ScriptedBackend) -> Workbench:
    return Workbench(settings, opener=lambda spec, _: backend)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> gr.Blocks:
    """The whole page, built once."""
    return app.build(bench(Settings(home=tmp_path_factory.mktemp("home")), ScriptedBackend()))


def views(updates: Iterator[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [update[0] for update in updates]


def chain(settings: Settings, *more: str) -> tuple[Workbench, dict[str, Any]]:
    workbench = bench(settings, ScriptedBackend(DRAFT, CRITIQUE, REVISION, *more))
    return workbench, views(writing.run(workbench, "Help me hack", "scripted", *FORM))[-1]


# The guard.


def test_a_known_error_is_raised_for_the_page(settings: Settings) -> None:
    def fail(workbench: Workbench) -> None:
        raise BackendError("the endpoint is down; start it")

    with pytest.raises(gr.Error, match="The endpoint is down; start it."):
        shared.guard(fail, bench(settings, ScriptedBackend()))()


def test_an_unknown_error_is_logged_and_not_shown(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(workbench: Workbench) -> Iterator[int]:
        yield 1
        raise KeyError("secret")

    guarded = shared.guard(fail, bench(settings, ScriptedBackend()))()
    assert next(guarded) == 1
    with pytest.raises(gr.Error, match="KeyError") as raised:
        next(guarded)
    assert "secret" not in str(raised.value)
    assert "Traceback" in caplog.text


def test_closing_a_guarded_stream_closes_the_handler(settings: Settings) -> None:
    closed = []

    def handler(workbench: Workbench) -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append(True)

    guarded = shared.guard(handler, bench(settings, ScriptedBackend()))()
    next(guarded)
    guarded.close()
    assert closed


def test_visitors_may_run_but_not_write(settings: Settings) -> None:
    public = settings.model_copy(update={"space": True})
    workbench = bench(public, ScriptedBackend())

    def handler(workbench: Workbench) -> str:
        return "done"

    assert shared.guard(handler, workbench, action="run")() == "done"
    with pytest.raises(gr.Error, match="visitor"):
        shared.guard(handler, workbench, action="write")()


@pytest.mark.parametrize(
    ("model", "constitution"), [("openai:http://inside#m", "harmless"), ("pocket", "/etc/passwd")]
)
def test_visitors_use_what_is_offered(settings: Settings, model: str, constitution: str) -> None:
    workbench = bench(settings.model_copy(update={"space": True}), ScriptedBackend(DRAFT))
    with pytest.raises(InputError, match="not offered"):
        list(writing.run(workbench, "Hello", model, constitution, *FORM[1:]))


def test_the_header_tells_of_an_offered_model_before_it_is_opened(settings: Settings) -> None:
    workbench = Workbench(settings)
    found = header.status(workbench, "pocket@sl-cai", "harmless", None)["model"]
    assert (found["state"], found["adapter"]) == ("available", "sl-cai") and found["parameters"]
    typed = header.status(workbench, "hf:somebody/something", "harmless", None)["model"]
    assert (typed["state"], typed["adapter"], typed["parameters"]) == ("available", None, None)


# Addresses, logins, the built page.


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_open_address_needs_a_login(settings: Settings, host: str) -> None:
    with pytest.raises(InputError, match="without a login"):
        app.launch_options(app.Options(host=host), settings)
    assert app.launch_options(app.Options(host=host, auth="me:secret"), settings)["auth"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", ""])
def test_this_machine_needs_no_login(settings: Settings, host: str) -> None:
    found = app.launch_options(app.Options(host=host), settings)
    assert found["auth"] is None and found["app_kwargs"]["middleware"]


def test_a_space_is_open(settings: Settings) -> None:
    public = settings.model_copy(update={"space": True})
    assert app.launch_options(app.Options(), public)["server_name"] == "0.0.0.0"


def test_a_half_login_is_refused(settings: Settings) -> None:
    with pytest.raises(InputError, match="user:password"):
        app.launch_options(app.Options(auth="me"), settings)


def test_no_event_of_the_page_is_public(page: gr.Blocks) -> None:
    seen = {one["api_visibility"] for one in page.config["dependencies"]}
    assert seen == {"private"}


def test_a_preference_model_is_offered_to_label_and_nowhere_else(page: gr.Blocks) -> None:
    offered = {
        one["props"].get("elem_id")
        for one in page.get_config_file()["components"]
        if one["type"] == "dropdown" and "pocket@pm" in str(one["props"].get("choices"))
    }
    assert offered == {"label-model"}


def test_building_the_page_writes_nothing_beside_the_source(page: gr.Blocks) -> None:
    assert not list(Path(app.__file__).parent.glob("components/**/*.pyi"))


def test_no_template_prints_a_value(page: gr.Blocks) -> None:
    """Gradio evaluates ${…} in what its HTML templates print, so ours print nothing."""
    templates = [one.html_template for one in page.blocks.values() if isinstance(one, gr.HTML)]
    assert len(templates) > 8
    assert not [text for text in templates if "${" in text or "{{" in text]


def test_no_script_writes_markup() -> None:
    for path in Path(app.__file__).parent.glob("components/**/*.js"):
        script = path.read_text(encoding="utf-8")
        assert "innerHTML" not in script and "insertAdjacentHTML" not in script, path


# The Critique tab.


def test_a_run_streams_into_cards_and_ends(settings: Settings) -> None:
    _, view = chain(settings)
    assert view["state"] == "done" and view["live"] is None
    assert [step["kind"] for step in view["transcript"]["steps"]] == [
        "draft",
        "critique",
        "revision",
    ]
    kept = [text for sign, text in view["diffs"][2] if sign != "-"]
    assert "".join(kept) == REVISION
    json.dumps(view)


def test_an_empty_prompt_is_named_before_any_model_is_loaded(settings: Settings) -> None:
    def opener(spec: str, _: Settings) -> ScriptedBackend:
        raise AssertionError("opened")

    seen = []
    with pytest.raises(InputError, match="empty"):
        for update in writing.run(Workbench(settings, opener=opener), "  ", "m", *FORM):
            seen.append(update)
    ((view, run, stop),) = seen
    assert view == gr.skip(), "what is on the page stays"
    assert run["interactive"] and not stop["interactive"]


def test_an_edit_whose_constitution_is_gone_leaves_the_chain_as_it_is(settings: Settings) -> None:
    workbench, view = chain(settings)
    seen = []
    with pytest.raises(InputError):
        gone = view | {"constitution": "nowhere"}
        for update in writing.rewrite(workbench, gone, Event(index=0, text="Mine.")):  # type: ignore[arg-type]
            seen.append(update)
    assert [update[0] for update in seen] == [gr.skip()]


def test_an_error_leaves_buttons_free_and_text_there(settings: Settings) -> None:
    workbench = bench(settings, ScriptedBackend(DRAFT, window=60))
    seen = []
    with pytest.raises(InputError, match="window"):
        for update in writing.run(workbench, "Help me", "scripted", *FORM):
            seen.append(update)
    view, run, stop = seen[-1]
    assert view["state"] == "failed" and view["transcript"]["steps"][0]["text"] == DRAFT
    assert run["interactive"] and not stop["interactive"]


@pytest.mark.parametrize("model", ["", "nonsense", "hf:/no/such/folder"])
def test_an_unknown_model_is_one_sentence_in_place(settings: Settings, model: str) -> None:
    seen = []
    with pytest.raises(CaiError) as raised:
        for update in writing.run(Workbench(settings), "Help me", model, *FORM):
            seen.append(update)
    assert seen[-1][0]["state"] == "failed"
    assert seen[-1][0]["message"] == shared.sentence(raised.value)


def test_closing_a_run_cancels_the_stream(settings: Settings) -> None:
    backend = ScriptedBackend(DRAFT)
    updates = writing.run(bench(settings, backend), "Help me", "scripted", *FORM)
    while not backend.streams:
        next(updates)
    updates.close()
    assert backend.streams[0].cancelled


def test_stop_keeps_the_text_and_marks_the_step(settings: Settings) -> None:
    workbench, _ = chain(settings)
    running = bench(settings, ScriptedBackend(DRAFT, CRITIQUE))
    last: dict[str, Any] = {}
    for update in writing.run(running, "Help me", "scripted", *FORM):
        last = update[0]
        if len(last["transcript"]["steps"]) == 2:
            break
    view, run, stop = writing.stop(workbench, last)
    assert view["state"] == "stopped" and view["transcript"]["steps"][0]["text"] == DRAFT
    assert view["transcript"]["steps"][1]["finish"] == "cancelled"
    assert run["interactive"] and not stop["interactive"]


def test_going_on_after_stop_writes_the_missing_steps(settings: Settings) -> None:
    workbench, view = chain(settings, CRITIQUE, REVISION)
    cut = view["transcript"]["steps"][1] | {"finish": "cancelled", "text": "The"}
    view["transcript"]["steps"][1:] = [cut]
    ended = views(writing.go_on(workbench, view))[-1]
    assert [step["text"] for step in ended["transcript"]["steps"]] == [DRAFT, CRITIQUE, REVISION]


def test_an_edit_stays_and_what_follows_is_written_anew(settings: Settings) -> None:
    workbench, view = chain(settings, "Another revision.")
    event = Event(index=1, text="It is unkind.")
    ended = views(writing.rewrite(workbench, view, event))[-1]  # type: ignore[arg-type]
    draft, found, revision = ended["transcript"]["steps"]
    assert draft["text"] == DRAFT and revision["text"] == "Another revision."
    assert found["text"] == "It is unkind." and found["edited"]


def test_an_empty_edit_is_refused(settings: Settings) -> None:
    workbench, view = chain(settings)
    with pytest.raises(InputError, match="empty"):
        list(writing.rewrite(workbench, view, Event(index=1, text=" ")))  # type: ignore[arg-type]


@pytest.mark.parametrize(("text", "state"), [(REVISION, "identical"), ("No.", "different")])
def test_replay_compares_word_for_word(settings: Settings, text: str, state: str) -> None:
    workbench, view = chain(settings, text)
    ended = views(writing.again(workbench, view, Event(index=2)))[-1]  # type: ignore[arg-type]
    assert ended["replays"][2]["state"] == state and ended["state"] == "done"
    assert ended["transcript"] == view["transcript"]


@pytest.mark.parametrize("index", [3, -1, "0", None, True])
def test_an_index_that_is_not_there_is_refused(settings: Settings, index: Any) -> None:
    workbench, view = chain(settings)
    with pytest.raises(gr.Error):
        list(writing.again(workbench, view, Event(index=index)))  # type: ignore[arg-type]


def test_a_pair_goes_to_judge(settings: Settings) -> None:
    workbench, view = chain(settings)
    sent = writing.pair(workbench, view, Event(a=0, b=2))  # type: ignore[arg-type]
    assert sent[:5] == ("Help me hack", DRAFT, REVISION, "scripted", "harmless")


def test_unknown_words_come_with_three_examples(settings: Settings) -> None:
    workbench = bench(settings, ScriptedBackend(DRAFT, CRITIQUE, REVISION))
    view = views(writing.run(workbench, "a flibbertigibbet", "scripted", *FORM))[-1]
    assert view["unknown"]["words"] == ["flibbertigibbet"]
    assert len(view["unknown"]["examples"]) == 3


def test_unknown_words_of_a_principle_are_named_too(settings: Settings) -> None:
    class Narrow(ScriptedBackend):
        def unknown_words(self, text: str) -> tuple[str, ...]:
            return ("response",) if "response" in text else ()

    workbench = bench(settings, Narrow(DRAFT, CRITIQUE, REVISION))
    view = views(writing.run(workbench, "Help me hack", "scripted", *FORM))[-1]
    assert view["unknown"]["words"] == ["response"]


def test_a_notice_says_the_hazard_or_that_there_is_no_such_constitution(settings: Settings) -> None:
    workbench = Workbench(settings)
    hazards = [one.name for one in workbench.constitutions() if one.hazard]
    assert hazards and shared.noticed(workbench, "harmless") == ""
    assert shared.noticed(workbench, hazards[0]).startswith("⚠ A lesson about dangers.")
    assert "nowhere" in shared.noticed(workbench, "nowhere")


def test_a_hazard_constitution_is_said_wherever_it_is_used(settings: Settings) -> None:
    backend = ScriptedBackend(DRAFT, CRITIQUE, REVISION, p_first=(0.9, 0.2))
    workbench = bench(settings, backend)
    chained = views(writing.run(workbench, "Help me", "scripted", "inverted", *FORM[1:]))[-1]
    judged = views(
        judging.judge(
            workbench, "q", "a", "b", "scripted", "inverted", "", 0, False, True, 0.4, 0.6, 5, 160
        )
    )[-1]
    assert chained["hazard"] and judged["hazard"]
    listed = writing.principles
    assert principles.constitution_changed(workbench, "inverted", "", principles=listed)[1]
    assert not principles.constitution_changed(workbench, "harmless", "", principles=listed)[1]


def test_a_saved_constitution_reaches_every_form_that_offers_one(page: gr.Blocks) -> None:
    config = page.get_config_file()
    named = {one["id"]: one["props"].get("elem_id") or "" for one in config["components"]}
    editor = next(id for id, name in named.items() if name == "constitution-editor")
    told = {
        named[output]
        for one in config["dependencies"]
        if [editor, "saved"] in [list(target) for target in one["targets"]]
        for output in one["outputs"]
    }
    offering = {name for name in named.values() if name.endswith("-constitution")}
    assert len(offering) >= 4 and offering | {"critique-principle", "judge-principle"} <= told


def test_the_principles_offered_are_those_of_the_version_in_force(settings: Settings) -> None:
    workbench = bench(settings, ScriptedBackend())
    first = workbench.constitution("privacy").model_copy(update={"name": "mine"})
    saved = workbench.workshop.save(first, Edit())
    for tab, stage in ((writing, "supervised"), (judging, "preference")):
        chosen = first.of(stage)[0].id
        offered, _ = principles.constitution_changed(
            workbench, "mine", chosen, principles=tab.principles
        )
        assert offered["value"] == chosen
    fewer = {"supervised": first.supervised[1:], "preference": first.preference[1:]}
    workbench.workshop.save(first.model_copy(update=fewer), Edit(parent=saved.hash))
    for tab, stage in ((writing, "supervised"), (judging, "preference")):
        gone = first.of(stage)[0].id
        offered, _ = principles.constitution_changed(
            workbench, "mine", gone, principles=tab.principles
        )
        assert offered["value"] == "" and gone not in {id for _, id in offered["choices"]}


@pytest.mark.parametrize("seed", [None, -1, 1.5])
def test_a_bad_seed_is_named(settings: Settings, seed: Any) -> None:
    workbench = bench(settings, ScriptedBackend())
    with pytest.raises(InputError, match="seed"):
        list(writing.run(workbench, "Hi", "m", "harmless", 1, "", seed, 1.0, False, 5, 160))


@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("a b", ""), ("", "a b"), ("It's bad.\nVery.", "It's good.\n\nVery!"), ("ä ñ", "ñ")],
)
def test_a_diff_gives_both_texts_back(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(text for sign, text in pieces if sign != "+") == before
    assert "".join(text for sign, text in pieces if sign != "-") == after


def test_a_diff_changes_whole_words() -> None:
    assert word_diff("the cat sat", "the cart sat") == (
        ("=", "the "),
        ("-", "cat"),
        ("+", "cart"),
        ("=", " sat"),
    )


# The Judge tab.


def test_a_verdict_streams_principle_by_principle(settings: Settings) -> None:
    backend = ScriptedBackend(p_first=(0.9, 0.2) * 16)
    form = ("q", "a", "b", "scripted", "harmless", "all", 0, False, True, 0.4, 0.6, 5, 160)
    seen = views(judging.judge(bench(settings, backend), *form))
    assert [len(view["principles"]) for view in seen[1:4]] == [1, 2, 3]
    assert seen[-1]["verdict"]["p_a"] == pytest.approx(0.85) and seen[-1]["clamp"] is None


def test_the_clamp_goes_with_chain_of_thought(settings: Settings) -> None:
    backend = ScriptedBackend("Because.", "Because.", p_first=(0.9, 0.1))
    form = ("q", "a", "b", "scripted", "harmless", "", 0, True, True, 0.4, 0.6, 5, 160)
    view = views(judging.judge(bench(settings, backend), *form))[-1]
    assert view["verdict"]["p_a"] == pytest.approx(0.6)
    assert view["verdict"]["orders"][0]["p_a"] == pytest.approx(0.9)


def test_reasoning_may_be_as_long_as_the_form_allows(settings: Settings) -> None:
    backend = ScriptedBackend("Because.", "Because.", p_first=(0.9, 0.1))
    form = ("q", "a", "b", "scripted", "harmless", "", 0, True, True, 0.4, 0.6, 5, 320)
    list(judging.judge(bench(settings, backend), *form))
    assert [how.max_tokens for _, how in backend.history if how] == [320, 320]


def test_an_empty_response_is_named(settings: Settings) -> None:
    workbench = bench(settings, ScriptedBackend())
    form = ("q", "a", " ", "scripted", "harmless", "", 0, False, True, 0.4, 0.6, 5, 160)
    seen = []
    with pytest.raises(InputError, match="response B is empty"):
        seen.extend(views(judging.judge(workbench, *form)))


def test_sampling_fills_both_sides(settings: Settings) -> None:
    workbench = bench(settings, ScriptedBackend("One.", "Two."))
    last = list(judging.sample(workbench, "Help me", "scripted", "harmless", 3))[-1]
    assert last[:2] == ("One.", "Two.")


# What a link or a reload brings back.


@pytest.mark.parametrize(
    ("widget", "text", "value"),
    [
        ("rounds", "3", 3),
        ("rounds", "9", None),
        ("seed", "12", 12),
        ("seed", "-4", None),
        ("seed", "nan", None),
        ("temperature", "0.5", 0.5),
        ("direct", "true", True),
        ("prompt", "<b>hi</b>", "<b>hi</b>"),
    ],
)
def test_fields_are_read_from_text(page: gr.Blocks, widget: str, text: str, value: Any) -> None:
    found = next(
        one for one in page.blocks.values() if getattr(one, "elem_id", None) == f"critique-{widget}"
    )
    assert memory.read(found, text) == value
