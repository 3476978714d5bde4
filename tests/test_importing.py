"""The forms that import, export and label: guesses, previews, mappings, stops, commands."""

import gzip
import json
import shlex
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
import tyro
from conftest import ScriptedBackend
from test_exchange import hh

import app
from cai_app import formats
from cai_app.commands import exchange
from cai_app.commands.exchange import Export, Import
from cai_app.commands.label import Label
from cai_app.errors import BackendError, InputError
from cai_app.formats import ReadOptions
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.data import Imported
from cai_app.workbench.importing import Imports
from components.data import exporting, importing, labelling

EMPTY: dict[str, Any] = {}
FORM = ("pairs", "pocket", "harmless", "drawn", False, "both", "", 0, 5, 32, 160)


@pytest.fixture
def bench(settings: Settings) -> Iterator[Workbench]:
    made = Workbench(settings, opener=lambda spec, _: ScriptedBackend(p_first=[0.7] * 99))
    yield made
    made.close()


TABLE = "question,one,two,best\nCan I?,No.,Yes.,a\nWill I?,So.,So so.,maybe\n"
GUESSES = {
    "x.jsonl": ('{"chosen": "\\n\\nHuman: a\\n\\nAssistant: b", "rejected": '
                '"\\n\\nHuman: a\\n\\nAssistant: c"}', "hh-rlhf"),
    "t.jsonl": ('{"prompt": "a", "chosen": "b", "rejected": "c"}', "trl"),
    "e.jsonl": ('{"prompt": "a", "corrects": [" (A)"], "incorrects": [" (B)"]}', "cai-evals"),
    "s.jsonl": ('{"prompt": "a", "sampled_answers": []}', "cai-samples"),
    "i.json": ('{"annotators": {}, "comparisons": []}', "icai"),
    "p.json": ('{\n "annotators": {}, "comparisons": []\n}', "icai"),
    "r.jsonl": ('not json\n{"prompt": "a", "a": "b", "b": "c"}', "jsonl"),
    "c.csv": (TABLE, "csv"),
    "y.csv": ("prompt,completion,annotation_1,annotation_2\n", "xstest"),
    "noname": (TABLE, "csv"),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSES)
def test_a_format_is_guessed_from_the_first_row(name: str, tmp_path: Path) -> None:
    text, expected = GUESSES[name]
    (tmp_path / name).write_text(text)
    assert formats.guess(tmp_path / name) == expected
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert formats.guess(packed) == expected


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    for name in ("empty.csv", "nowhere.csv"):
        with pytest.raises(InputError):
            formats.guess(tmp_path / name)


def test_a_file_is_copied_in_once_and_previewed_from_there(
    bench: Workbench, tmp_path: Path
) -> None:
    path = hh(tmp_path / "mine.jsonl", 3, "{\n")
    copy, format, source, view = importing.brought(bench, str(path))
    assert Path(copy).parent == bench.settings.home / "exchange"
    assert (format, source, view["state"]) == ("hh-rlhf", "mine", "ready")
    lines = view["lines"]
    assert [one["number"] for one in lines] == [1, 2, 3, 4]
    assert {one["says"] for one in lines[:3]} <= {"hh-rlhf: A", "hh-rlhf: B"}
    assert lines[3]["reason"].startswith("the line is no JSON")
    assert bench.store.comparisons.count() == 0, "looking keeps nothing"
    bench.import_file(format, Path(copy), ReadOptions(source=source))
    kept = [p.name for p in Path(copy).parent.iterdir() if "rejected" not in p.name]
    assert kept == [Path(copy).name], "the copy is not copied again"


def test_columns_are_mapped_and_the_command_does_the_same(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(TABLE)
    copy, format, source, view = importing.brought(bench, str(tmp_path / "odd.csv"))
    assert view["columns"] == ["question", "one", "two", "best"]
    assert all("`prompt` is missing" in one["reason"] for one in view["lines"])

    class Event:
        _data = {"mapping": {"prompt": "question", "a": "one", "b": "two", "value": "best",
                             "nonsense": "one"}}  # fmt: skip

    fields = (copy, format, source, "human:ann", "gpt")
    view = importing.mapped(bench, Event(), *fields, view)  # type: ignore[arg-type]
    assert "nonsense" not in view["mapping"]
    assert view["lines"][0]["says"].startswith("ann: ")
    assert "maybe" in view["lines"][1]["reason"]
    typed = tyro.cli(Import, args=shlex.split(view["command"])[6:])
    assert (typed.path, typed.rater, typed.model) == (Path(copy), "human:ann", "gpt")
    assert set(typed.columns) == {"prompt=question", "a=one", "b=two", "value=best"}
    ended = [*importing.start(bench, *fields, view)][-1]
    assert ended["state"] == "done"
    assert {name: ended["result"][name] for name in ("read", "added", "rejected")} == {
        "read": 2, "added": 1, "rejected": 1
    }  # fmt: skip
    (pair,) = bench.store.comparisons.page().rows
    (label,) = bench.store.labels.of(pair.id)
    assert label.question is None, "the column that is the prompt is nothing else"
    aside = importing.rejected(bench, {}, "")
    assert "maybe" in json.loads(aside["text"])["raw"]
    assert importing.again(bench, *fields, ended) == gr.skip(), (
        "leaving a field takes no counts away"
    )
    other = importing.again(bench, *fields[:3], "human:bob", "gpt", ended)
    assert other["state"] == "ready" and other["lines"][0]["says"].startswith("bob: ")
    assert other["result"] == ended["result"]


def chose(**mapping: str) -> Any:
    """What the form's script sends when a column was chosen."""
    return SimpleNamespace(_data={"mapping": mapping})


def test_a_column_of_our_own_name_can_be_none_of_ours(
    bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.csv").write_text("prompt,a,b,value,kind\nCan I?,No.,Yes.,a,fish\n")
    copy, format, source, view = importing.brought(bench, str(tmp_path / "odd.csv"))
    assert "kind" in view["lines"][0]["reason"]
    fields = (copy, format, source, "", "")
    view = importing.mapped(bench, chose(kind=""), *fields, view)
    assert view["mapping"] == {"kind": ""} and view["lines"][0]["says"].startswith("table: ")
    assert exchange.main_import([*shlex.split(view["command"])[6:], "--json"], bench) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 1


@pytest.mark.parametrize(
    ("called", "kept"), [("odd", "theirs"), ("", "theirs"), ("mine", "mine"), ("csv", "csv")]
)
def test_a_source_that_was_typed_wins_over_a_column_and_the_file_s_own_name_does_not(
    called: str, kept: str, bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.csv").write_text("prompt,a,b,source\nCan I?,No.,Yes.,theirs\n")
    copy, format, suggested, view = importing.brought(bench, str(tmp_path / "odd.csv"))
    assert suggested == "odd" and not view["named"]
    view = importing.look(bench, copy, format, called, "", "", view)
    assert view["named"] == (kept != "theirs")
    preview = [*shlex.split(view["command"])[6:], "--preview", "--json"]
    assert exchange.main_import(preview, bench) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["records"][0]["source"] == kept, "the command does the same"
    assert [*importing.start(bench, copy, format, called, "", "", view)][-1]["state"] == "done"
    (pair,) = bench.store.comparisons.page().rows
    assert pair.source == kept
    own = chose(source="source")
    view = importing.mapped(bench, own, copy, format, called, "", "", view)
    assert not view["named"], "a column that was chosen is not set aside"


def test_a_path_confirmed_again_keeps_what_was_said_of_the_file(
    bench: Workbench, tmp_path: Path
) -> None:
    (tmp_path / "odd.tsv").write_text(TABLE.replace(",", "\t"))
    first = importing.typed(bench, str(tmp_path / "odd.tsv"), "jsonl", "", "", "", EMPTY)
    copy, format, source, view = first
    assert (format, source) == ("csv", "odd")
    chosen = chose(prompt="question", a="one", b="two", value="best")
    view = importing.mapped(bench, chosen, copy, format, "mine", "", "", view)
    assert view["lines"][0]["says"].startswith("table: ")
    *fields, now = importing.typed(bench, copy, format, "mine", "human:bob", "", view)
    assert fields == [gr.skip()] * 3
    assert now["mapping"] == view["mapping"] and now["lines"][0]["says"].startswith("bob: ")
    # Another file is looked at anew, also where it lies among the copies.
    other = importing.typed(bench, str(hh(tmp_path / "x.jsonl", 1)), format, "mine", "", "", view)
    assert other[1:3] == ("hh-rlhf", "x")
    again = importing.typed(bench, other[0], format, "mine", "", "", view)
    assert again == other and not again[3]["mapping"]


def test_a_visitor_s_page_loads_without_a_refusal(settings: Settings) -> None:
    public = Workbench(settings.model_copy(update={"space": True}))
    try:
        (back,) = (one.fn for one in app.build(public).fns.values() if one.name == "back")
        assert back("odd.csv", "csv", "", "", "", EMPTY) == gr.skip()
    finally:
        public.close()


def test_bad_input_is_told_in_the_form(bench: Workbench, tmp_path: Path) -> None:
    nowhere = (str(tmp_path / "nowhere"), "csv", "", "", "")
    assert importing.typed(bench, *nowhere, EMPTY)[3]["state"] == "failed"
    assert importing.look(bench, "", "csv", "", "", "", EMPTY)["state"] == "failed"
    (tmp_path / "x.csv").write_text(TABLE)
    view = importing.look(bench, str(tmp_path / "x.csv"), "csv", "", "human:", "", EMPTY)
    assert "has no name" in view["message"]
    with pytest.raises(InputError, match="kept no row aside"):
        importing.rejected(bench, {}, "")


def ended(imports: Imports) -> None:
    deadline = time.monotonic() + 30
    while imports.now().under_way:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_import_that_is_stopped_keeps_nothing_and_can_be_done_again(
    bench: Workbench, tmp_path: Path
) -> None:
    path, reached, go = hh(tmp_path / "x.jsonl", 1200), threading.Event(), threading.Event()

    def take(format: str, path: Path, options: ReadOptions, watch: Any) -> Imported:
        def slowly(read: int, total: int | None, phase: str) -> None:
            if read > 500:
                reached.set()
                go.wait(30)
            watch(read, total, phase)

        return bench_take(format, path, options, slowly)

    def bench_take(format: str, path: Path, options: ReadOptions, watch: Any) -> Imported:
        from cai_app.workbench import data

        return data.import_file(bench.store, format, path, options, watch=watch)

    imports = Imports(take)
    imports.start("hh-rlhf", path, ReadOptions(source="x"))
    assert reached.wait(30)
    assert (imports.now().read, imports.now().total) == (1, 1200)
    with pytest.raises(InputError, match="is being imported"):
        imports.start("hh-rlhf", path, ReadOptions(source="x"))
    imports.stop()
    go.set()
    ended(imports)
    assert imports.now().state == "stopped" and bench.store.comparisons.count() == 0
    imports.start("hh-rlhf", path, ReadOptions(source="x"))
    ended(imports)
    result = imports.now().result
    assert result is not None and result.added == 1200 == bench.store.comparisons.count()


def test_an_import_that_fails_says_why(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no parquet")
    bench.start_import("parquet", tmp_path / "x.parquet", ReadOptions(source="x"))
    ended(bench.imports)
    assert bench.imports.now().state == "failed"
    assert "no Parquet file" in bench.imports.now().message


def test_an_export_is_a_file_to_download(bench: Workbench, tmp_path: Path) -> None:
    bench.import_file("hh-rlhf", hh(tmp_path / "x.jsonl", 3), ReadOptions(source="mine"))
    first, (file, plan) = exporting.export(bench, "trl", "mine", "")
    assert first[1]["work"] == "Writing…"
    assert (
        plan["work"] == "3 rows written." and len(Path(file["value"]).read_text().split("\n")) == 4
    )
    typed = tyro.cli(Export, args=shlex.split(plan["command"])[6:])
    assert (typed.format, typed.source, typed.rater) == ("trl", "mine", None)
    *_, (_, failed) = exporting.export(bench, "xstest", "mine", "")
    assert (
        failed["state"] == "failed" and "nothing of mine that xstest can hold" in failed["message"]
    )


def test_labelling_is_estimated_timed_and_started_as_the_command_would(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = labelling.estimate(bench, *FORM)
    assert plan["state"] == "ready" and plan["work"] == "12 comparisons, 24 questions"
    assert "about" in labelling.timed(bench, *FORM)["work"]
    source, options = labelling.read_form("mine", "pocket@x", "privacy", "all", True, "one", "7", 3,
                                          0, 8, 320)  # fmt: skip
    typed = tyro.cli(Label, args=shlex.split(labelling.command(source, options))[1:])
    assert typed.source == "mine"
    for name in ("backend", "constitution", "principle", "cot", "orders", "limit", "seed",
                 "few_shot", "batch", "max_tokens"):  # fmt: skip
        assert getattr(typed, name) == getattr(options, name), name
    assert options.max_tokens == 320
    assert labelling.estimate(bench, "nowhere", *FORM[1:])["state"] == "failed"


def test_a_trial_that_fails_is_told_and_a_changed_form_gets_its_own_plan(
    settings: Settings,
) -> None:
    def opener(spec: str, _: Settings) -> ScriptedBackend:
        raise BackendError("the weights are cut off")

    broken = Workbench(settings, opener=opener)
    try:
        failed = labelling.timed(broken, *FORM)
        assert failed["state"] == "failed" and failed["message"] == "The weights are cut off."
        assert labelling.settled(broken, list(FORM), *FORM) == gr.skip()
        changed = (*FORM[:6], "3", *FORM[7:])
        now = labelling.settled(broken, list(FORM), *changed)
        assert now["work"] == "3 comparisons, 6 questions"
    finally:
        broken.close()
