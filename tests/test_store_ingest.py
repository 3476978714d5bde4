"""Taking in a run's outputs: once, whole, and with every line accounted for."""

import json
from pathlib import Path
from typing import Any

import pytest

from cai_app.errors import BusyError
from cai_app.records import (
    TYPES,
    Comparison,
    ConstitutionRef,
    Label,
    Rater,
    Record,
    Response,
    RunConfig,
    RunStatus,
    Step,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.store import ComparisonFilter, ResponseFilter, Store, ingest_finished
from cai_app.workbench import Workbench

RUN = "20260102-030405-generate-abc"


def pair(number: int) -> Comparison:
    one, other = (Response(prompt=f"p{number}", text=f"t{side}", seed=side) for side in (1, 2))
    return Comparison.of(one, other)


def chain() -> Transcript:
    return Transcript(
        prompt="p",
        backend="pocket",
        constitution=ConstitutionRef(name="harmless", hash="h1"),
        seed=1,
        temperature=1,
        few_shot=0,
        direct=False,
        max_tokens=9,
        steps=(Step(kind="draft", round=0, text="Sure."),),
    )


def label(about: Comparison) -> Label:
    under = ConstitutionRef(name="privacy", hash="h2")
    rater = Rater(kind="ai", backend="pocket@none", constitution=under)
    return Label(
        about="comparison",
        subject=about.id,
        kind="preference",
        value=0.5,
        rater=rater,
        run=RUN,
    )


def line_of(record: Record) -> dict[str, Any]:
    """A record as a row of outputs.jsonl."""
    kind = next(name for name, form in TYPES.items() if isinstance(record, form))
    return {"type": kind, **record.model_dump(mode="json", exclude_none=True)}


def finished(home: Path, *lines: Record | str | dict[str, Any], name: str = RUN) -> Path:
    """The directory of a run that is done, with these lines as its outputs."""
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    text = ""
    for line in lines:
        row = line_of(line) if isinstance(line, Record) else line
        text += row if isinstance(row, str) else json.dumps(row) + "\n"
    (folder / "outputs.jsonl").write_text(text)
    config = RunConfig(kind="generate", id=name, created=1.0, inputs={"inputs.jsonl": "abc"})
    (folder / "config.yaml").write_text(config.model_dump_json())
    state(folder, "done")
    return folder


def state(folder: Path, value: str) -> None:
    status = RunStatus(
        id=folder.name, kind="generate", state=value, created=1.0, queued=1.0, updated=2.0
    )  # type: ignore[arg-type]
    (folder / "status.json").write_text(status.model_dump_json())


def test_every_kind_of_row_comes_in(store: Store) -> None:
    rows = [pair(1).a, pair(1).b, pair(1), pair(2), chain(), label(pair(1))]
    finished(store.db.home, *rows)
    (found,) = ingest_finished(store.db.home, store)
    assert (found.read, found.new, found.duplicates, found.rejected) == (6, 6, 0, 0)
    assert not found.torn and found.kind == "generate"
    tables = (store.responses, store.comparisons, store.transcripts, store.labels)
    assert [table.count() for table in tables] == [4, 2, 1, 1]
    assert store.runs.get([found.id]) == {found.id: found}


def test_a_run_that_is_being_deleted_stays_out(store: Store) -> None:
    finished(store.db.home, pair(1), name=f".{RUN}")
    assert ingest_finished(store.db.home, store) == []


def test_a_config_that_cannot_be_read_keeps_no_row_out(store: Store) -> None:
    (finished(store.db.home, pair(1)) / "config.yaml").write_bytes(b"kind: \xff")
    (found,) = ingest_finished(store.db.home, store)
    assert (found.new, found.config) == (1, None)


def test_a_run_comes_in_once(store: Store) -> None:
    finished(store.db.home, pair(1))
    assert len(ingest_finished(store.db.home, store)) == 1
    assert ingest_finished(store.db.home, store) == []
    assert store.sql("SELECT count(*) FROM outputs").rows == ((3,),)


def test_rows_that_two_runs_made_belong_to_both(store: Store) -> None:
    finished(store.db.home, pair(1), pair(1), name="run-1")
    finished(store.db.home, pair(1), pair(2), name="run-2")
    first, second = ingest_finished(store.db.home, store)
    assert (first.new, first.duplicates) == (1, 1)
    assert (second.new, second.duplicates) == (1, 1)
    assert len(store.comparisons.page(ComparisonFilter(source="run-2")).rows) == 2
    assert len(store.responses.page(ResponseFilter(source="run-1")).rows) == 2


@pytest.mark.parametrize("value", ["running", "failed", "stopped"])
def test_only_finished_runs_come_in(store: Store, value: str) -> None:
    state(finished(store.db.home, pair(1)), value)
    assert ingest_finished(store.db.home, store) == []


def test_a_torn_last_line_is_dropped_and_reported(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    finished(store.db.home, pair(1), json.dumps(line_of(pair(2)))[:-9])
    (found,) = ingest_finished(store.db.home, store)
    assert found.torn and (found.read, found.new, found.rejected) == (1, 1, 0)
    assert "torn" in caplog.text


def test_lines_that_are_no_rows_are_kept_aside_with_number_and_reason(store: Store) -> None:
    wrong = [
        ("not json\n", "no JSON"),
        ("[1]\n", "known are response, comparison"),
        ({"type": "verdict"}, "type is 'verdict'"),
        ({"type": "response", "prompt": "p"}, "text: Field required"),
        ({"type": "response", "prompt": "p", "text": "t", "extra": 1}, "extra: Extra inputs"),
        ({"type": "response", "prompt": "p", "text": "t", "id": "0"}, "does not fit"),
        ('{"type": "response", "prompt": "p", "text": "\\ud800"}\n', "hex escape"),
        ({"type": "response", "prompt": "p", "text": "t", "seed": 2**70}, "seed"),
    ]
    good = pair(1)
    folder = finished(store.db.home, good, "\n", *[line for line, _ in wrong], pair(2))
    (found,) = ingest_finished(store.db.home, store)
    assert (found.read, found.new, found.rejected) == (10, 2, 8)
    kept = (folder / "outputs.rejected.jsonl").read_text().splitlines()
    for row, (number, (_, reason)) in zip(map(json.loads, kept), enumerate(wrong, 3), strict=True):
        assert row["line"] == number and reason in row["reason"], row


def test_what_a_run_was_made_from_is_kept(store: Store) -> None:
    written = Response(prompt="p", text="t", model="pocket-s")
    finished(store.db.home, chain(), label(pair(1)), written)
    ingest_finished(store.db.home, store)
    found = {(edge.parent, edge.relation) for edge in store.lineage.parents(RUN)}
    assert found == {
        ("harmless@h1", "under"),
        ("privacy@h2", "under"),
        ("pocket", "by"),
        ("pocket-s", "by"),
        ("pocket@none", "by"),
        ("sha256:abc", "read"),
    }


def test_a_run_that_cannot_be_read_keeps_nobody_else_out(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    broken = finished(store.db.home, pair(1), name="a-run")
    (broken / "outputs.jsonl").unlink()
    (broken / "outputs.jsonl").mkdir()
    finished(store.db.home, pair(2), name="b-run")
    (store.db.home / "runs" / "stray").write_text("")
    assert [run.id for run in ingest_finished(store.db.home, store)] == ["b-run"]
    assert "a-run could not be read" in caplog.text


def test_a_run_without_outputs_is_in(store: Store) -> None:
    (finished(store.db.home) / "outputs.jsonl").unlink()
    (found,) = ingest_finished(store.db.home, store)
    assert found.read == 0


def test_whoever_opens_the_store_takes_in_what_is_finished(settings: Settings) -> None:
    first, second = Workbench(settings), Workbench(settings)
    finished(settings.home, pair(1))
    assert [run.id for run in first.ingest()] == [RUN]
    # A run that ends while somebody else has the store is theirs to take in.
    second.runs._take_in()
    with pytest.raises(BusyError, match="in use by process"):
        second.ingest()
    first.close()
    assert second.ingest() == []
    assert second.store.comparisons.count() == 1
    second.close()


def test_a_wrong_constitution_keeps_nobody_from_the_store(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wrong.yaml").write_text("name: [")
    opened = Workbench(settings.model_copy(update={"constitutions": tmp_path}))
    assert opened.store.constitutions.count() == 0
    assert "not indexed" in caplog.text
    opened.close()
