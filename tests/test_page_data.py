"""The Data tab and the Runs panel without a browser: handlers on plain values."""

import errno
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import toy
import tyro
from test_store_ingest import RUN, chain, finished, label, pair

from cai_app import files
from cai_app.commands.generate import Generate
from cai_app.errors import InputError
from cai_app.jobs import queue
from cai_app.records import (
    ConstitutionRef,
    GenerateOptions,
    Label,
    Rater,
    RunInfo,
    Step,
    Transcript,
    transcript_id,
)
from cai_app.settings import ROOT, Settings
from cai_app.store import Store
from cai_app.workbench import Workbench, generation
from components.data import asking, browsing, generating, reading
from components.runs import handlers as panel
from components.shared import guard

FORM = ("red-team", "pairs", 2, "pocket", "harmless", "", 0, 1.0, 160, 16)
NOWHERE = "openai:http://127.0.0.1:9#x"


class Event:
    """What a component's script sends."""

    def __init__(self, **data: Any) -> None:
        self._data = data


def asked(workbench: Workbench, noun: str = "responses", **more: Any) -> dict[str, Any]:
    return browsing.ask(workbench, Event(noun=noun, **more))  # type: ignore[arg-type]


def opened(workbench: Workbench, noun: str, id: str) -> dict[str, Any]:
    return reading.open_row(workbench, Event(noun=noun, id=id))  # type: ignore[arg-type]


def queried(workbench: Workbench, query: str) -> dict[str, Any]:
    return asking.sql(workbench, Event(query=query))  # type: ignore[arg-type]


@pytest.fixture
def workbench(settings: Settings) -> Iterator[Workbench]:
    made = Workbench(settings)
    yield made
    made.close()


def current(workbench: Workbench) -> Transcript:
    ref = workbench.constitution("harmless").ref
    revision = Step(kind="revision", round=1, text="No.", principle="harm-wise")
    steps = (*chain().steps, revision)
    return chain().model_copy(update={"constitution": ref, "seed": 2, "steps": steps})


@pytest.fixture
def filled(workbench: Workbench) -> Workbench:
    """A run of every kind of row, taken in: two chains, one of them under older words."""
    about = pair(1)
    finished(
        workbench.settings.home, about, label(about), label(pair(2)), pair(2), chain(),
        current(workbench),
    )  # fmt: skip
    workbench.ingest()
    return workbench


# Pages of rows.


def test_a_page_of_every_kind_has_a_cell_for_each_column(filled: Workbench) -> None:
    for noun in ("responses", "comparisons", "transcripts", "labels", "runs"):
        view = asked(filled, noun)
        assert view["state"] == "ready" and view["rows"], noun
        assert all(len(line["cells"]) == len(view["columns"]) for line in view["rows"])
    assert view["counts"] == {
        "responses": 4, "comparisons": 2, "transcripts": 2, "labels": 2, "runs": 1,
    }  # fmt: skip


def test_pages_follow_one_another_without_a_row_lost_or_doubled(filled: Workbench) -> None:
    filled.store.responses.add(side for n in range(10, 60) for side in (pair(n).a, pair(n).b))
    seen, before = [], None
    while True:
        view = asked(filled, before=before)
        seen += [line["id"] for line in view["rows"]]
        if (before := view["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 104


def test_a_search_and_filters_narrow_the_rows(filled: Workbench) -> None:
    assert len(asked(filled, search="P1")["rows"]) == 2
    assert len(asked(filled, filters={"source": RUN})["rows"]) == 4
    assert not asked(filled, filters={"source": "elsewhere"})["rows"]
    assert len(asked(filled, "comparisons", filters={"labelled": "yes"})["rows"]) == 2
    assert not asked(filled, "comparisons", filters={"labelled": "no"})["rows"]
    assert len(asked(filled, "comparisons", filters={"labelled": "", "odd": "1"})["rows"]) == 2
    assert len(asked(filled, "runs", filters={"state": "done"})["rows"]) == 1
    assert not asked(filled, "runs", search="nobody")["rows"]


def test_a_filter_offers_what_is_there(filled: Workbench) -> None:
    offered = {one["name"]: one["values"] for one in asked(filled, "transcripts")["filters"]}
    assert offered == {"source": [RUN], "backend": ["pocket"], "constitution": ["harmless"]}


def test_a_row_under_words_that_have_changed_is_marked(filled: Workbench) -> None:
    marks = {line["id"]: line["version"] for line in asked(filled, "transcripts")["rows"]}
    assert marks == {
        transcript_id(chain()): "stale",
        transcript_id(current(filled)): "current",
    }
    assert {line["version"] for line in asked(filled, "labels")["rows"]} == {"stale"}


def test_a_finished_run_that_is_not_in_yet_is_announced(workbench: Workbench) -> None:
    finished(workbench.settings.home, pair(1))
    assert asked(workbench)["pending"] == 1
    workbench.ingest()
    assert asked(workbench)["pending"] == 0


def test_why_a_finished_run_is_not_taken_in_is_told(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(workbench.settings.home, pair(1))

    def full(*_: Any) -> None:
        raise files.DiskFullError("the disk is full; free some space")

    with monkeypatch.context() as patched:
        patched.setattr("cai_app.store.ingest_finished", full)
        take_in(workbench)
    assert asked(workbench)["trouble"] == "The disk is full; free some space."
    take_in(workbench)
    assert (asked(workbench)["trouble"], asked(workbench)["pending"]) == ("", 0)


def take_in(workbench: Workbench) -> None:
    """What the queue's keeper does after a run."""
    assert workbench.runs._ingest
    workbench.runs._ingest()


def test_a_strange_question_is_refused_with_a_next_step(workbench: Workbench) -> None:
    with pytest.raises(InputError, match="reload it"):
        asked(workbench, "passwords")


# A store that cannot be used is told on the page, and nothing else is kept from working.


def damaged(home: Path) -> str:
    (home / "store.duckdb").write_bytes(b"not a database" * 1000)
    return "is damaged"


def newer(home: Path) -> str:
    store = Store(home)
    with store.db.cursor() as cursor:
        cursor.execute("INSERT INTO migrations (number, name) VALUES (999, 'later')").fetchall()
    store.close()
    return "newer version"


def foreign_log(home: Path) -> str:
    (home / "store.duckdb.wal").write_bytes(b"rows")
    return "write-ahead log"


@pytest.mark.parametrize("spoil", [damaged, newer, foreign_log])
def test_a_store_that_cannot_be_opened_is_told_and_left_as_it_is(
    workbench: Workbench, spoil: Any
) -> None:
    home = files.make_folder(workbench.settings.home)
    said = spoil(home)
    before = {path.name: path.read_bytes() for path in home.glob("store.duckdb*")}
    for view in (
        asked(workbench, "labels"),
        asked(workbench, "runs"),
        opened(workbench, "responses", "x"),
        queried(workbench, "SELECT 1"),
    ):
        assert view["state"] == "failed" and said in view["message"], view
    assert {path.name: path.read_bytes() for path in home.glob("store.duckdb*")} == before
    sent, _, _ = panel.opened(workbench, Event(run=""))  # type: ignore[arg-type]
    assert sent["message"] == "" and workbench.models()


def test_a_store_in_other_hands_is_told_and_comes_back(settings: Settings) -> None:
    holder = Workbench(settings)
    assert asked(holder)["state"] == "ready"
    guest = Workbench(settings)
    view = asked(guest)
    assert view["state"] == "failed" and f"process {os.getpid()}" in view["message"]
    holder.close()
    assert asked(guest)["state"] == "ready"
    guest.close()


def test_a_home_that_refuses_is_told_on_the_page_too(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)
    view = asked(workbench)
    assert view["state"] == "failed" and "--home or CAI_HOME" in view["message"]
    with pytest.raises(gr.Error, match="--home or CAI_HOME"):
        guard(generating.start, workbench, action="write")(*FORM)


def test_a_full_disk_is_told_when_a_run_is_started(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(gr.Error, match="disk is full"):
        guard(generating.start, workbench, action="write")(*FORM)
    assert workbench.runs.list() == []


# Reading a row.


def test_every_row_of_the_table_can_be_read(filled: Workbench) -> None:
    for noun in ("responses", "comparisons", "transcripts", "labels", "runs"):
        for line in asked(filled, noun)["rows"]:
            view = opened(filled, noun, line["id"])
            assert view["state"] == "ready", view["message"]
            assert view["lineage"]["id"] == line["id"]


def test_a_comparison_is_read_with_its_labels_and_sent_to_judge(filled: Workbench) -> None:
    about = pair(1)
    view = opened(filled, "comparisons", about.id)
    assert [card["text"] for card in view["cards"]] == [about.a.text, about.b.text]
    assert [(one["value"], one["version"]) for one in view["labels"]] == [("0.50", "stale")]
    assert "privacy@h2" in view["lineage"]["stale"]
    sent = reading.pair(filled, view)
    assert sent[:3] == (about.prompt, about.a.text, about.b.text)


def test_one_text_alone_cannot_be_judged(filled: Workbench) -> None:
    view = opened(filled, "responses", pair(1).a.id)
    assert not view["pair"]
    with pytest.raises(InputError, match="no two texts"):
        reading.pair(filled, view)


def test_an_unscored_label_is_read_with_its_reason(workbench: Workbench) -> None:
    rater = Rater(kind="ai", backend="pocket",
                  constitution=ConstitutionRef(name="harmless", hash="h"))  # fmt: skip
    unscored = Label(
        about="comparison", subject="x", kind="preference", rater=rater, run="r",
        unscored_reason="40 % of the mass lies outside",
    )  # fmt: skip
    workbench.store.labels.add([unscored])
    assert asked(workbench, "labels")["rows"][0]["cells"][1] == "unscored"
    facts = {
        fact["name"]: fact["value"] for fact in opened(workbench, "labels", unscored.id)["facts"]
    }
    assert facts["preference"] == "unscored"
    assert facts["unscored, as"] == "40 % of the mass lies outside"


def test_a_row_that_is_not_here_is_told_in_its_place(workbench: Workbench) -> None:
    assert "no row nobody among the labels" in opened(workbench, "labels", "nobody")["message"]
    assert opened(workbench, "secrets", "x")["state"] == "failed"


# SQL.


def test_every_example_of_the_console_is_answered(filled: Workbench) -> None:
    for example in asking.EXAMPLES:
        view = queried(filled, example.query)
        assert view["state"] == "ready" and view["rows"], (example.title, view["message"])


def test_an_answer_keeps_null_apart_and_says_that_there_is_more(workbench: Workbench) -> None:
    view = queried(workbench, "SELECT CASE WHEN i > 0 THEN i END AS n FROM range(501) t(i)")
    assert view["rows"][:2] == [[None], ["1"]]
    assert len(view["rows"]) == 500 and view["truncated"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("DELETE FROM labels", "one SELECT"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("SELECT * FROM read_text('/etc/passwd')", "Permission"),
        (" ", "no query"),
    ],
)
def test_a_wrong_query_is_told_in_a_sentence(workbench: Workbench, query: str, said: str) -> None:
    view = queried(workbench, query)
    assert view["state"] == "failed" and said in view["message"] and "\n" not in view["message"]
    assert queried(workbench, query) != view, "asked again, it is answered again"


# The form of a run.


@pytest.mark.parametrize(
    "options",
    [
        GenerateOptions(),
        GenerateOptions(mode="chains", rounds=2, limit=7, seed=3, temperature=0.5, batch=4),
        GenerateOptions(backend="hf:a folder/x@y", constitution="it's mine.yaml", max_tokens=64),
    ],
)
def test_the_command_that_is_shown_starts_the_very_run(
    settings: Settings, options: GenerateOptions
) -> None:
    words = shlex.split(generation.command(options, prompts="my prompts.jsonl", settings=settings))
    assert words[:6] == ["python", "-m", "cai_app", "--home", str(settings.home), "generate"]
    typed = tyro.cli(Generate, args=words[6:])
    assert typed.prompts == "my prompts.jsonl"
    assert {name: getattr(typed, name) for name in GenerateOptions.model_fields} == (
        options.model_dump()
    )


def test_the_default_home_needs_no_word(settings: Settings) -> None:
    usual = settings.model_copy(update={"home": ROOT / "data" / "local"})
    shown = generation.command(GenerateOptions(), prompts="helpful", settings=usual)
    assert shown == "python -m cai_app generate --prompts helpful"


def test_the_estimate_counts_prompts_texts_and_tokens(workbench: Workbench) -> None:
    form = ("helpful", "chains", 2, NOWHERE, "harmless", "3", 0, 1.0, 100, 16)
    view = generating.estimate(workbench, *form)
    assert view["work"] == "3 prompts × 5 texts = 15 texts, at most 1,500 tokens"
    assert "--limit 3" in view["command"] and not list(workbench.settings.home.glob("*"))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (0, "", "no prompts are named"),
        (0, "nowhere.jsonl", "name a JSONL file, or red-team or helpful"),
        (3, "hf:/no/such/model", "no"),
        (5, "-3", "whole number from 1 up"),
        (6, -1, "seed is -1"),
        (7, None, "temperature is None"),
        (8, 1.5, "max-tokens is 1.5"),
        (9, None, "batch is None"),
    ],
)
def test_a_form_that_cannot_be_run_says_why(
    workbench: Workbench, place: int, value: Any, said: str
) -> None:
    form = list(FORM)
    form[place] = value
    view = generating.estimate(workbench, *form)
    assert view["state"] == "failed" and said.lower() in view["message"].lower()


def test_starting_queues_a_run_and_names_it(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "launch", lambda path: False)
    form = ("red-team", "pairs", 2, NOWHERE, "harmless", "2", 5, 1.0, 160, 16)
    view = generating.start(workbench, *form)
    (info,) = workbench.runs.list()
    assert view["started"] == info.id and info.total == 4
    assert "seed: 5" in workbench.runs.config_text(info.id)


@pytest.mark.parametrize("name", generating.FIRST_STEPS)
def test_an_empty_store_offers_runs_that_start(
    workbench: Workbench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[GenerateOptions] = []

    def generate(options: GenerateOptions, *, prompts: str) -> RunInfo:
        started.append(options)
        fields = {"id": "r", "kind": "generate", "created": 1.0, "queued": 1.0, "updated": 1.0}
        return RunInfo(state="queued", path="", **fields)

    monkeypatch.setattr(workbench.runs, "generate", generate)
    monkeypatch.setattr(
        generating, "_planned", lambda *_: generating.Plan(state="ready", work="some")
    )
    assert generating.first_step(workbench, Event(name=name))["started"] == "r"  # type: ignore[arg-type]
    assert started[0].mode == name and started[0].limit


def test_an_uploaded_file_is_checked_and_kept(workbench: Workbench, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text('{"prompt": "Hello?"}\n')
    bad.write_text('{"text": "Hello?"}\n')
    kept = Path(generating.uploaded(workbench, str(good)))
    assert kept.parent == workbench.settings.home / "exchange"
    assert kept.read_text() == good.read_text()
    with pytest.raises(InputError, match="no text in `prompt`"):
        generating.uploaded(workbench, str(bad))
    assert len(list(kept.parent.iterdir())) == 1


def test_a_visitor_may_read_but_starts_and_ends_nothing(settings: Settings) -> None:
    public = Workbench(settings.model_copy(update={"space": True}))
    try:
        assert asked(public)["state"] == "ready" and not asked(public)["may_write"]
        for handler in (generating.start, generating.first_step, panel.delete, panel.kill):
            with pytest.raises(gr.Error, match="visitor"):
                guard(handler, public, action="write")(*FORM)
        for place, value in ((0, "/etc/passwd"), (3, NOWHERE)):
            form = list(FORM)
            form[place] = value
            assert "not offered" in generating.estimate(public, *form)["message"]
    finally:
        public.close()


# The Runs panel.


@pytest.fixture
def waiting(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> RunInfo:
    """A run that waits for ever."""
    monkeypatch.setattr(queue, "launch", lambda path: False)
    return workbench.runs.start(toy.asked(workbench.settings, NOWHERE))


def test_nothing_is_sent_where_nothing_has_changed(workbench: Workbench, waiting: RunInfo) -> None:
    view, seen, _ = panel.opened(workbench, Event(run=waiting.id))  # type: ignore[arg-type]
    assert view["chosen"]["info"]["id"] == waiting.id
    assert panel.watch(workbench, seen) == (gr.skip(), gr.skip())
    workbench.runs.stop(waiting.id)
    view, after = panel.watch(workbench, seen)
    assert view["chosen"]["info"]["state"] == "stopped" and after != seen


def test_a_new_run_moves_no_selection(workbench: Workbench, waiting: RunInfo) -> None:
    _, seen, _ = panel.opened(workbench, Event(run=waiting.id))  # type: ignore[arg-type]
    workbench.runs.start(toy.asked(workbench.settings, NOWHERE))
    view, _ = panel.watch(workbench, seen)
    assert len(view["runs"]) == 2
    assert view["chosen"]["info"]["id"] == waiting.id


def test_only_what_is_new_in_a_log_is_sent(workbench: Workbench, waiting: RunInfo) -> None:
    log = Path(waiting.path) / "log.txt"
    log.write_text("one\n")
    view, seen, _ = panel.opened(workbench, Event(run=waiting.id))  # type: ignore[arg-type]
    assert view["chosen"]["log"]["text"] == "one\n"
    with log.open("a") as file:
        file.write("two\nhalf a li")
    view, seen = panel.watch(workbench, seen)
    assert view["chosen"]["log"] == {"text": "two\n", "start": 4, "to": 8}
    assert panel.watch(workbench, seen) == (gr.skip(), gr.skip())


def test_buttons_act_on_the_run_that_is_named(workbench: Workbench, waiting: RunInfo) -> None:
    other = workbench.runs.start(toy.asked(workbench.settings, NOWHERE))
    panel.stop(workbench, Event(run=waiting.id))  # type: ignore[arg-type]
    states = {info.id: info.state for info in workbench.runs.list()}
    assert states == {waiting.id: "stopped", other.id: "queued"}
    view, _ = panel.resume(workbench, Event(run=waiting.id))  # type: ignore[arg-type]
    assert view["chosen"]["info"]["state"] == "queued"
    workbench.runs.stop(waiting.id)
    panel.delete(workbench, Event(run=waiting.id))  # type: ignore[arg-type]
    assert [info.id for info in workbench.runs.list()] == [other.id]


def test_a_finished_run_is_taken_in_before_it_is_deleted(workbench: Workbench) -> None:
    finished(workbench.settings.home, pair(1))
    panel.delete(workbench, Event(run=RUN))  # type: ignore[arg-type]
    assert not workbench.runs.list() and workbench.store.comparisons.count() == 1


def test_a_finished_run_stays_where_the_store_cannot_take_it_in(workbench: Workbench) -> None:
    finished(workbench.settings.home, pair(1))
    damaged(workbench.settings.home)
    with pytest.raises(gr.Error, match="is damaged"):
        guard(panel.delete, workbench, action="write")(Event(run=RUN))
    assert [info.id for info in workbench.runs.list()] == [RUN]


def test_a_finished_run_stays_where_its_rows_cannot_be_read(workbench: Workbench) -> None:
    folder = finished(workbench.settings.home, pair(1))
    (folder / "outputs.jsonl").unlink()
    (folder / "outputs.jsonl").mkdir()
    with pytest.raises(InputError, match=f"its folder is {folder}"):
        panel.delete(workbench, Event(run=RUN))  # type: ignore[arg-type]
    assert folder.exists()


def test_a_run_that_is_gone_is_said_to_be_gone(workbench: Workbench, waiting: RunInfo) -> None:
    view, _ = panel.choose(workbench, Event(run="20200101-000000-generate-gone"))  # type: ignore[arg-type]
    assert view["chosen"] is None and "any more" in view["message"]


# The page is up before anything heavy is imported.


def test_building_the_page_imports_no_duckdb_and_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import app; from cai_app.settings import Settings;"
        "from cai_app.workbench import Workbench;"
        "app.build(Workbench(Settings(home=Path(sys.argv[1]))));"
        "print(*({'duckdb', 'torch', 'transformers'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []
    assert not (tmp_path / "home").exists()
