"""`import` and `export`: rows counted, kept aside, taken in once, and written out again."""

import gc
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from test_forward import App

from cai_app import commands, files, formats
from cai_app.errors import InputError
from cai_app.formats import ReadOptions
from cai_app.records import Label, Rater, Response
from cai_app.store import Store
from cai_app.workbench import data

LINE = '{"chosen": "\\n\\nHuman: Can I? (%d)\\n\\nAssistant: No.", "rejected": %s}\n'
OTHER = '"\\n\\nHuman: Can I? (%d)\\n\\nAssistant: Yes."'
COUNT = "SELECT count(*) AS n FROM "


def hh(path: Path, count: int, *more: str, first: int = 0) -> Path:
    """A file of so many comparisons, and further lines."""
    lines = [LINE % (n, OTHER % n) for n in range(first, first + count)]
    path.write_text("".join((*lines, *more)))
    return path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def run(*argv: str) -> tuple[int, Any, str]:
        try:
            code = commands.main(["--home", str(tmp_path / "home"), *argv, "--json"])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else None, printed.err

    return run


def test_every_row_is_added_a_duplicate_or_rejected(call: Any, tmp_path: Path) -> None:
    path = hh(tmp_path / "mine.jsonl", 5, LINE % (0, OTHER % 0), "{\n", LINE % (9, "3"))
    code, found, _ = call("import", "hh-rlhf", str(path))
    assert code == 0
    assert {name: found[name] for name in ("read", "added", "duplicates", "rejected")} == {
        "read": 8,
        "added": 5,
        "duplicates": 1,
        "rejected": 2,
    }
    aside = [json.loads(line) for line in Path(found["rejected_path"]).read_text().splitlines()]
    assert [row["line"] for row in aside] == [7, 8]
    assert aside[0]["reason"].startswith("the line is no JSON")
    assert aside[1]["reason"] == "`rejected` is a number, but should be text"
    assert aside[1]["raw"] == (LINE % (9, "3")).strip()


def test_a_file_taken_in_twice_changes_nothing(call: Any, tmp_path: Path) -> None:
    path = hh(tmp_path / "mine.jsonl", 5)
    call("import", "hh-rlhf", str(path))
    _, found, _ = call("import", "hh-rlhf", str(path))
    assert (found["read"], found["added"], found["duplicates"]) == (5, 0, 5)
    hh(path, 5, first=3)
    _, found, _ = call("import", "hh-rlhf", str(path))
    assert (found["added"], found["duplicates"], found["rejected_path"]) == (3, 2, None)
    for table, count in (("comparisons", 8), ("responses", 16), ("labels", 8)):
        assert call("sql", COUNT + table)[1] == [{"n": count}]
    assert len(list((tmp_path / "home" / "exchange").iterdir())) == 2, "a copy for each content"


def test_a_file_that_is_none_of_the_format_adds_nothing(call: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,prompt\n1,x\n")
    code, found, err = call("import", "xstest", str(path))
    assert (code, found) == (1, None)
    assert err.startswith("error: ") and "no column completion" in err
    assert call("import", "hh-rlhf", str(tmp_path / "none"))[0] == 1
    assert call("import", "nonsense", str(path))[0] == 1
    assert call("import", "hh-rlhf")[0] == 2


def test_imported_labels_are_of_a_human_rater_unless_told_otherwise(
    call: Any, tmp_path: Path
) -> None:
    call("import", "hh-rlhf", str(hh(tmp_path / "a", 2)))
    call("import", "hh-rlhf", str(hh(tmp_path / "a", 2)), "--rater", "ai:gpt-x")
    rows = call("sql", "SELECT kind, name, backend FROM raters ORDER BY kind")[1]
    assert rows == [
        {"kind": "ai", "name": None, "backend": "gpt-x"},
        {"kind": "human", "name": "hh-rlhf", "backend": None},
    ]
    assert call("sql", COUNT + "labels")[1] == [{"n": 4}]


@pytest.mark.parametrize("name", ["hh-rlhf", "trl", "icai", "csv", "jsonl", "parquet"])
def test_an_export_goes_into_an_empty_store_as_the_same_rows(
    name: str, call: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("import", "hh-rlhf", str(hh(tmp_path / "a", 20)))
    code, written, _ = call("export", name, str(tmp_path / "out"))
    assert (code, written["rows"], written["left_out"]) == (0, 20, {})
    other = ["--home", str(tmp_path / "other")]
    assert commands.main([*other, "import", name, str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["added"] == 20
    for query in (
        "SELECT id, prompt, a, b, a_text, b_text FROM comparisons ORDER BY id",
        "SELECT id, subject, value, rater, question FROM labels ORDER BY id",
    ):
        before = call("sql", query)[1]
        assert len(before) == 20
        assert commands.main([*other, "sql", query, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == before
    assert call("export", name, str(tmp_path / "out"))[0] == 1, "a file that is there is kept"


def test_an_export_takes_one_source_or_one_rater(call: Any, tmp_path: Path) -> None:
    call("import", "hh-rlhf", str(hh(tmp_path / "a", 3)), "--source", "one")
    call("import", "hh-rlhf", str(hh(tmp_path / "b", 4, first=10)), "--rater", "bob")
    out = iter(range(9))

    def rows(*options: str) -> int:
        path = tmp_path / f"out{next(out)}.jsonl.gz"
        found = call("export", "hh-rlhf", str(path), *options)[1]
        assert len(gzip.decompress(path.read_bytes()).splitlines()) == found["rows"]
        return int(found["rows"])

    assert rows("--source", "one") == 3
    assert rows("--rater", "bob") == 4
    assert rows("--rater", "ai") == 0
    assert call("export", "hh-rlhf", str(tmp_path / "both"))[0] == 1, "two raters in one file"


def test_what_a_rater_said_again_replaces_the_earlier_in_formats_of_one_answer(
    store: Store, tmp_path: Path
) -> None:
    data.import_file(store, "hh-rlhf", hh(tmp_path / "a", 1), ReadOptions(source="s"))
    pair = store.comparisons.page().rows[0]
    rater = Rater(kind="human", name="ann")
    for time, value in (("2026-01-01T00:00:00Z", 1.0), ("2026-01-02T00:00:00Z", 0.0)):
        fields = {"about": "comparison", "subject": pair.id, "kind": "preference"}
        store.labels.add([Label(**fields, rater=rater, value=value, time=time)])
    found = data.export_file(store, "hh-rlhf", tmp_path / "out", rater="ann")
    assert found.rows == 1
    assert json.loads((tmp_path / "out").read_text())["chosen"].endswith(pair.b.text)
    assert data.export_file(store, "jsonl", tmp_path / "all").rows == 3


def test_a_response_that_a_comparison_shows_is_exported_once(store: Store, tmp_path: Path) -> None:
    data.import_file(store, "hh-rlhf", hh(tmp_path / "a", 2), ReadOptions(source="s"))
    store.responses.add([Response(prompt="p", text="alone")])
    assert data.export_file(store, "csv", tmp_path / "out").rows == 3


def test_a_preview_shows_rows_and_columns_and_keeps_nothing(call: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ask,one,two\nCan I?,Yes,No\nx,y\n")
    renamed = ["--columns", "prompt=ask", "a=one", "b=two"]
    code, found, _ = call("import", "csv", str(tmp_path / "a.csv"), "--preview", *renamed)
    assert code == 0
    assert found["columns"] == ["ask", "one", "two"]
    assert found["rows"][0]["records"][0]["a"]["prompt"] == "Can I?"
    assert found["rejected"][0]["line"] == 3
    assert call("sql", COUNT + "comparisons")[1] == [{"n": 0}]
    assert call("import", "csv", str(tmp_path / "a.csv"), "--columns", "a")[0] == 1


def test_an_import_goes_through_the_app_that_runs(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(tmp_path / "home")
    try:
        hh(tmp_path / "mine.jsonl", 3)
        monkeypatch.chdir(tmp_path)  # relative paths are the caller's
        code, found, err = call("import", "hh-rlhf", "mine.jsonl")
        assert (code, found["added"], err) == (0, 3, "")
        assert app.workbench.store.comparisons.count() == 3
        assert call("export", "trl", "out.jsonl")[0] == 0
        assert (tmp_path / "out.jsonl").exists()
    finally:
        app.close()


def test_where_rows_came_from_is_in_the_lineage(store: Store, tmp_path: Path) -> None:
    data.import_file(store, "hh-rlhf", hh(tmp_path / "a", 2), ReadOptions(source="mine"))
    (edge,) = store.lineage.parents("mine")
    assert edge.relation == "read" and edge.parent.startswith("sha256:")


def test_another_vote_under_the_same_id_is_counted_apart(store: Store, tmp_path: Path) -> None:
    turned = '{"chosen": %s, "rejected": "\\n\\nHuman: Can I? (0)\\n\\nAssistant: No."}\n'
    path = hh(tmp_path / "a", 2, LINE % (1, OTHER % 1), turned % (OTHER % 0))
    options = ReadOptions(source="s")
    found = data.import_file(store, "hh-rlhf", path, options)
    assert (found.read, found.added, found.duplicates, found.conflicts) == (4, 2, 1, 1)
    path.write_text(turned % (OTHER % 0))
    found = data.import_file(store, "hh-rlhf", path, options)
    assert (found.added, found.duplicates, found.conflicts) == (0, 0, 1)
    other = options.model_copy(update={"rater": Rater(kind="human", name="ann")})
    assert data.import_file(store, "hh-rlhf", path, other).conflicts == 0


def test_the_advice_on_another_vote_can_be_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*argv: str) -> str:
        assert commands.main(["--home", str(tmp_path / "home"), "import", *argv]) == 0
        return capsys.readouterr().out

    turned = '{"chosen": %s, "rejected": "\\n\\nHuman: Can I? (0)\\n\\nAssistant: No."}\n'
    told = said("hh-rlhf", str(hh(tmp_path / "a", 1, turned % (OTHER % 0))))
    assert "another --rater" in told and "`time`" not in told, "the format has no columns"
    table = tmp_path / "x.csv"
    table.write_text("prompt,a,b,value\np,x,y,1\np,x,y,0\n")
    assert "a column `time`" in said("csv", str(table))
    table.write_text("prompt,a,b,value,time\np,x,y,1,2026-01-01\np,x,y,0,2026-01-02\n")
    assert "another value" not in said("csv", str(table))


def test_a_source_that_is_asked_for_wins_over_a_column(call: Any, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("prompt,a,b,source\np,x,y,theirs\n")

    def source(*options: str) -> str:
        found = call("import", "csv", str(tmp_path / "x.csv"), "--preview", *options)[1]
        return str(found["rows"][0]["records"][0]["source"])

    assert source() == "theirs"
    assert source("--source", "mine") == "mine"
    assert source("--source", "mine", "--columns", "source=source") == "theirs"
    assert source("--columns", "source=") == "csv"


def test_a_full_disk_while_rows_are_kept_aside_takes_nothing_in(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    path = hh(tmp_path / "a", 2, "{\n")
    data.bring(store.db.home, path)
    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match="disk is full"):
        data.import_file(store, "hh-rlhf", path, ReadOptions(source="s"))
    assert store.comparisons.count() == 0


def test_refusals_are_exported_as_people_called_them(store: Store, tmp_path: Path) -> None:
    one = Response(prompt="p", text="No.")
    store.responses.add([one])
    fields = {"about": "response", "subject": one.id, "kind": "refusal", "value": 1.0}
    store.labels.add([Label(**fields, rater=Rater(kind="ai", backend="pocket"))])
    assert data.export_file(store, "xstest", tmp_path / "out.csv").rows == 0


def test_a_file_that_cannot_be_read_says_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = hh(tmp_path / "a", 1), Path.open

    def refused(self: Path, *args: Any, **more: Any) -> Any:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **more)

    monkeypatch.setattr(Path, "open", refused)
    for read in (lambda: data.bring(store.db.home, path), lambda: formats.guess(path)):
        with pytest.raises(InputError, match="cannot be read .*allow reading it"):
            read()


def test_a_full_disk_leaves_no_half_copy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data.os, "replace", full)
    with pytest.raises(InputError, match="disk is full: .*exchange cannot be written"):
        data.import_file(store, "hh-rlhf", hh(tmp_path / "a", 2), ReadOptions(source="s"))
    assert not list((store.db.home / "exchange").iterdir())


def test_the_collector_runs_again_after_an_import_that_failed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(InputError, match="is empty"):
        data.import_file(store, "csv", tmp_path / "x.csv", ReadOptions(source="s"))
    assert gc.isenabled()
