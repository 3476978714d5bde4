"""`constitution …` on the command line: JSON alone, what is written, what is measured."""

import json
from pathlib import Path
from typing import Any

import pytest
from judging import PAIRS, ReadingBackend
from test_commands import Result, run  # noqa: F401  (a fixture)

from cai_app.workbench import models

MINE = """name: mine
title: Mine
preference:
  - id: h
    tags: [harm]
    question: Which has less harm?
  - id: p
    tags: [privacy]
    question: Which has less privacy?
"""
MORE = MINE.replace("less harm", "more harm")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> ReadingBackend:
    backend = ReadingBackend()
    monkeypatch.setattr(models, "open_backend", lambda spec, _: backend)
    return backend


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(MINE)
    (tmp_path / "more.yaml").write_text(MORE)
    rows = [{"prompt": one.prompt, "a": one.a, "b": one.b} for one in PAIRS]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_an_imported_constitution_is_listed_shown_and_told_apart(run: Any, folder: Path) -> None:  # noqa: F811
    first = run("constitution", "import", str(folder / "mine.yaml"), "--json").json
    assert (first["name"], first["left_out"], first["version"]["parent"]) == ("mine", [], None)
    refused = run("constitution", "import", str(folder / "more.yaml"), "--json")
    assert refused.code == 1 and refused.out == ""
    assert f"in force is {first['hash']}" in refused.err and refused.err.count("\n") == 1
    parent = ["--parent", first["hash"], "--message", "turned"]
    second = run("constitution", "import", str(folder / "more.yaml"), *parent, "--json").json
    listed = {one["name"]: one for one in run("constitution", "list", "--json").json}
    assert listed["mine"]["hash"] == second["hash"] and not listed["mine"]["shipped"]
    shown = run("constitution", "show", "mine", "--json").json
    assert [one["message"] for one in shown["versions"]] == ["imported from mine.yaml", "turned"]
    changed = run("constitution", "diff", f"mine@{first['hash']}", "mine", "--json").json
    (change,) = changed["changes"]
    assert ["-", "less"] in change["fields"][0]["words"]
    assert "[-less-][+more+]" in run("constitution", "diff", f"mine@{first['hash']}", "mine").out


def test_the_paper_s_two_files_make_one_constitution(run: Any, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "r.json").write_text('["\\nWhich is kinder? Options:"]')
    (tmp_path / "c.json").write_text(
        json.dumps({"constitutions": [{"critic": "C.", "revision": "R."}]})
    )
    files = [str(tmp_path / name) for name in ("c.json", "r.json")]
    made = run("constitution", "import", *files, "--name", "both", "--json").json
    assert (made["name"], made["supervised"], made["preference"]) == ("both", 1, 1)
    out = tmp_path / "out.json"
    told = run("constitution", "export", "both", str(out), "--form", "recipe", "--json").json
    assert out.read_text() == (tmp_path / "c.json").read_text()
    assert "the 1 principles of the other set" in told["left_out"]


def test_lint_names_words_and_reason(run: Any, folder: Path) -> None:  # noqa: F811
    found = run("constitution", "lint", str(folder / "more.yaml"), "--json").json["findings"]
    assert [(one["rule"], one["words"], one["id"]) for one in found] == [
        ("rewards-harm", ["more harm"], "h")
    ]
    assert "rewards harm" in run("constitution", "lint", str(folder / "more.yaml")).out


def measure(run: Any, folder: Path, *argv: str) -> Result:  # noqa: F811
    pairs = ["--pairs", str(folder / "pairs.jsonl"), "--few-shot", "0", "--json"]
    found: Result = run("constitution", *argv, *pairs)
    assert found.code == 0, found.err
    return found


def test_effect_prints_what_the_contract_says(
    run: Any,  # noqa: F811
    folder: Path,
    judge: ReadingBackend,
) -> None:
    sides = [str(folder / name) for name in ("mine.yaml", "more.yaml")]
    found = measure(run, folder, "effect", *sides)
    assert {"n", "flips", "mean_shift", "ci", "rows"} <= set(found.json)
    assert {"comparison", "p_old", "p_new"} <= set(found.json["rows"][0])
    assert (found.json["n"], found.json["backend"]) == (5, "scripted")
    assert found.json["ci"][0] <= found.json["mean_shift"] <= found.json["ci"][1]
    assert "5 of 5 pairs" in found.err


def test_ablate_conflicts_and_invert_print_one_value(
    run: Any,  # noqa: F811
    folder: Path,
    judge: ReadingBackend,
) -> None:
    mine = str(folder / "mine.yaml")
    dropped = measure(run, folder, "ablate", mine).json["principles"]
    assert {one["ids"][0] for one in dropped} == {"h", "p"}
    matrix = measure(run, folder, "conflicts", mine).json["matrix"]
    assert (matrix[0]["first"], matrix[0]["second"]) == ("h", "p") and matrix[0]["examples"]
    found = run("constitution", "invert", mine, "--json")
    assert found.code == 1 and "no principle has a negation" in found.err
    turned = run("constitution", "invert", mine, "--propose")
    (folder / "turned.yaml").write_text(turned.out)
    negations = ["--negations", str(folder / "turned.yaml")]
    assert measure(run, folder, "invert", mine, *negations).json["flip_rate"] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no pairs"),
        ("{", "line 1: not JSON"),
        ('{"prompt": "x", "a": "y"}', 'line 1: no text in "b"'),
        ('{"prompt": "x", "a": 3, "b": "y"}', 'no text in "a"'),
        ("[1]", 'no text in "prompt"'),
    ],
)
def test_bad_pairs_are_named_by_line(
    run: Any,  # noqa: F811
    folder: Path,
    judge: ReadingBackend,
    text: str,
    message: str,
) -> None:
    (folder / "bad.jsonl").write_text(text)
    mine = str(folder / "mine.yaml")
    found = run("constitution", "ablate", mine, "--pairs", str(folder / "bad.jsonl"), "--json")
    assert found.code == 1 and message in found.err and found.out == ""
