"""The label worker: raw p for each order, reasons, and any crash resumes to the same rows."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny
import toy
from test_generate import Killed, crash_at

from cai_app import files, judge
from cai_app.commands import main
from cai_app.constitution import load
from cai_app.errors import InputError
from cai_app.jobs import config, control, queue, read
from cai_app.judge import JudgeConfig, compare
from cai_app.records import (
    Comparison,
    Label,
    LabelOptions,
    Prompt,
    Response,
    RunInfo,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.store import Store, ingest_finished, judging
from cai_app.work import batches, label, program
from cai_app.work.distribution import Distribution
from cai_app.workbench import labelling

REMOTE = "openai:http://127.0.0.1:9#toy"


class Judge(toy.ToyBackend):
    """Answers from a hash of the prompt; loses nearly all mass where the prompt says so."""

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        import math

        self.calls += 1
        self.history += [(prompt, None) for prompt in prompts]
        found = []
        for one in prompts:
            p = 0.05 + 0.9 * (toy.hashlib.sha256(one.text.encode()).digest()[0] / 255)
            kept = 0.01 if "mumble" in one.text else 0.98
            found.append((math.log(p * kept), math.log((1 - p) * kept)))
        return found


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs stay queued: here the worker is called by hand."""
    monkeypatch.setattr(control, "_queued", lambda _, path: read(path))
    monkeypatch.setattr(batches, "CHECKPOINT_EVERY", 0.0)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Judge:
    made = Judge()
    monkeypatch.setattr(label, "open_backend", lambda spec, settings: made)
    return made


def pair(number: int, word: str = "text") -> Comparison:
    sides = [Response(prompt=f"Can I? ({number})", text=f"{word} {n} {number}") for n in (1, 2)]
    return Comparison.of(*sides)


def pair_file(path: Path, count: int, word: str = "text") -> str:
    rows = (pair(n, word) for n in range(count))
    lines = [json.dumps({"prompt": p.prompt, "a": p.a.text, "b": p.b.text}) for p in rows]
    path.write_text("\n".join(lines))
    return str(path)


def new(settings: Settings, count: int = 7, word: str = "text", **options: Any) -> Path:
    chosen = LabelOptions(**{"backend": REMOTE, "batch": 2, "few_shot": 1, **options})
    path = pair_file(settings.home.parent / f"{word}.jsonl", count, word)
    task = labelling.of_file(path, chosen, settings)
    return Path(control.start(settings, labelling.prepare(task, settings)).path)


def work(path: Path) -> RunInfo:
    program.main(label.label, [str(path)], what="label: in this process")
    return read(path)


def labels(path: Path) -> list[Label]:
    rows = files.read_rows(path / "outputs.jsonl")[0]
    return [
        Label.model_validate({k: v for k, v in row.items() if k != "type"})
        for row in rows
        if row["type"] == "label"
    ]


def told(path: Path) -> list[dict[str, Any]]:
    """What a run wrote, without its own name, ids and time."""
    own = {"run", "id", "time"}
    return [
        {name: value for name, value in row.items() if name not in own or row["type"] != "label"}
        for row in files.read_rows(path / "outputs.jsonl")[0]
    ]


def test_a_label_keeps_raw_p_of_each_order_and_all_that_made_it(
    settings: Settings, backend: Judge
) -> None:
    path = new(settings, seed=5)
    info = work(path)
    assert (info.state, info.done, info.total, info.error) == ("done", 7, 7, None)
    found = labels(path)
    assert {one.subject for one in found} == {pair(n).id for n in range(7)}
    for one in found:
        p = {order.first: order.p_a for order in one.orders}
        assert p["a"] != p["b"]
        assert one.value == pytest.approx((p["a"] + p["b"]) / 2)
        assert [order.lost_mass for order in one.orders] == pytest.approx([0.02, 0.02])
        assert one.principle and one.question and one.run == path.name and one.seed is not None
    rater = found[0].rater
    assert rater.backend == "toy" and rater.few_shot == 1 and rater.constitution is not None
    assert {one.rater for one in found} == {rater}
    assert len({one.principle for one in found}) > 1, "a principle is drawn for each comparison"


def test_a_comparison_is_labelled_as_the_judge_alone_would(
    settings: Settings, backend: Judge
) -> None:
    path = new(settings, count=3, seed=2)
    work(path)
    constitution = load("harmless", settings)
    for number, one in enumerate(labels(path)):
        shown = pair(number)
        alone = JudgeConfig(seed=one.seed, few_shot=1)
        *_, last = compare(
            backend, constitution, shown.prompt, shown.a.text, shown.b.text, alone,
            settings=settings,
        )  # fmt: skip
        assert isinstance(last, judge.Judged)
        assert last.verdict.p_a == one.value
        assert last.verdict.principles[0].id == one.principle


def test_all_principles_give_a_label_each_and_one_order_is_drawn(
    settings: Settings, backend: Judge
) -> None:
    path = new(settings, count=3, principle="all", orders="one")
    work(path)
    found = labels(path)
    assert len(found) == 3 * 16 and len({one.id for one in found}) == len(found)
    assert {len(one.orders) for one in found} == {1}
    assert {one.orders[0].first for one in found} == {"a", "b"} or len(found) < 5
    assert all(one.value == one.orders[0].p_a for one in found)


def test_reasoning_is_kept_beside_the_answer(settings: Settings, backend: Judge) -> None:
    path = new(settings, count=2, cot=True)
    work(path)
    for one in labels(path):
        assert one.rater.cot and all(order.rationale for order in one.orders)
        assert one.value is not None


def test_what_cannot_be_measured_is_unscored_with_the_reason(
    settings: Settings, backend: Judge
) -> None:
    mumbled = labels_of(new(settings, count=2, word="mumble"))
    assert [one.value for one in mumbled] == [None, None]
    assert "neither (A) nor (B)" in (mumbled[0].unscored_reason or "")
    backend.window = 40
    assert "the window of toy holds 40" in (labels_of(new(settings))[0].unscored_reason or "")


def labels_of(path: Path) -> list[Label]:
    assert work(path).state == "done"
    return labels(path)


def test_an_empty_response_is_unscored_and_stops_nobody(settings: Settings, backend: Judge) -> None:
    rows = [{"prompt": "p", "a": "", "b": "x"}, {"prompt": "p", "a": "y", "b": "x"}]
    path = settings.home.parent / "empty.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    options = LabelOptions(backend=REMOTE, few_shot=0)
    task = labelling.of_file(str(path), options, settings)
    run = Path(control.start(settings, labelling.prepare(task, settings)).path)
    found = labels_of(run)
    assert [one.value is None for one in found] == [True, False]
    assert "is empty" in (found[0].unscored_reason or "")


@pytest.mark.parametrize("options", [{}, {"cot": True, "principle": "safer"}])
def test_a_crash_at_any_write_resumes_to_the_rows_of_an_unbroken_run(
    options: dict[str, Any],
    settings: Settings,
    backend: Judge,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    whole = new(settings, count=5, **options)
    work(whole)
    crashes = 0
    while True:
        path = new(settings, count=5, **options)
        with monkeypatch.context() as patch:
            writes = crash_at(crashes, patch)
            try:
                info = work(path)
            except Killed:
                info = work(path)
        assert info.state == "done"
        assert told(path) == told(whole), f"after a crash at write {crashes}"
        assert info.metrics == read(whole).metrics
        if writes() <= crashes:
            break
        crashes += 1
    assert crashes > 10


def test_the_metrics_tell_the_distribution_while_it_goes(
    settings: Settings, backend: Judge
) -> None:
    path = new(settings, count=6)
    work(path)
    lines, _ = files.read_rows(path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [2, 4, 6]
    last, found = lines[-1], labels(path)
    assert sum(last[f"p{n}"] for n in range(10)) == last["labels"] == 6
    assert sum(last[f"gap{n}"] for n in range(10)) == 6
    shown = read(path).metrics
    assert sum(shown[f"p{n}"] for n in range(10)) == 6, "the Runs panel draws them"
    gaps = [abs((o.orders[0].p_a or 0) - (o.orders[1].p_a or 0)) for o in found]
    assert last["order_gap"] == pytest.approx(sum(gaps) / 6)
    flips = [(o.orders[0].p_a - 0.5) * (o.orders[1].p_a - 0.5) < 0 for o in found]  # type: ignore[operator]
    assert last["flip_rate"] == pytest.approx(sum(flips) / 6)
    assert last["unscored_rate"] == 0


def test_a_distribution_survives_its_checkpoint() -> None:
    seen = Distribution()
    seen.add([])
    assert Distribution.of(json.loads(json.dumps(seen.state()))).state() == seen.state()
    assert "order_gap" not in seen.summary(), "no rate without something to divide by"


def test_labels_and_new_comparisons_go_into_the_store_once(
    settings: Settings, backend: Judge, store: Store
) -> None:
    work(new(settings))
    ingest_finished(settings.home, store)
    ingest_finished(settings.home, store)
    assert (store.comparisons.count(), store.labels.count()) == (7, 7)
    (rater,) = store.labels.raters.all()
    assert rater.kind == "ai"


def test_a_source_in_the_store_is_labelled_in_place(
    settings: Settings, backend: Judge, store: Store
) -> None:
    sides = [(pair(n).a, pair(n).b) for n in range(4)]
    store.comparisons.add([Comparison.of(*both, source="mine") for both in sides])
    options = LabelOptions(backend=REMOTE, few_shot=0, limit=3)
    task = labelling.of_source(store, "mine", options)
    run = Path(control.start(settings, labelling.prepare(task, settings)).path)
    assert len(labels_of(run)) == 3
    rows = files.read_rows(run / "outputs.jsonl")[0]
    assert {row["type"] for row in rows} == {"label"}
    with pytest.raises(InputError, match="there are: mine"):
        labelling.of_source(store, "nobody", options)


def test_chains_are_labelled_as_draft_against_revision(
    settings: Settings, backend: Judge, store: Store
) -> None:
    from test_store_ingest import finished

    fields = {"backend": "pocket", "seed": 1, "temperature": 1, "few_shot": 0, "direct": True}
    fields |= {"constitution": {"name": "harmless", "hash": "h"}, "max_tokens": 9, "prompt": "p"}
    drafts = ("Sure.", "I would not.")
    chains = [
        Transcript(
            **fields,
            steps=tuple(
                {"kind": kind, "round": n, "text": text}
                for n, (kind, text) in enumerate((("draft", draft), ("revision", drafts[1])))
            ),
        )
        for draft in drafts
    ]
    finished(settings.home, *chains, name="20260102-030405-generate-abc")
    ingest_finished(settings.home, store)
    (found,) = judging.pairs(store, "20260102-030405-generate-abc")
    assert {found["a"], found["b"]} == set(drafts)
    assert Comparison.model_validate(found["record"]).id == found["id"]


def test_only_the_unscored_are_asked_again_and_their_new_labels_count(
    settings: Settings, backend: Judge, store: Store
) -> None:
    first = new(settings, count=4)
    backend.window = 1
    assert {one.value for one in labels_of(first)} == {None}
    ingest_finished(settings.home, store)
    backend.window = 2048
    task = labelling.of_unscored(store, settings, first.name, None)
    assert len(task.pairs) == 4
    second = Path(control.start(settings, labelling.prepare(task, settings)).path)
    again = labels_of(second)
    assert {one.principle for one in again} == {one.principle for one in labels(first)}
    ingest_finished(settings.home, store)
    latest = "SELECT count(*), count(value) FROM latest_labels"
    assert store.sql(latest).rows == ((4, 4),)
    assert store.labels.count() == 8, "what was said before is kept"
    with pytest.raises(InputError, match="nothing unscored"):
        labelling.of_unscored(store, settings, first.name, None)


def test_another_adapter_under_the_same_name_stops_a_run(
    settings: Settings, backend: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = new(settings)
    assert config(path).provenance["adapter_hash"] == "none"
    monkeypatch.setattr(label, "adapter_hash", lambda spec, settings: "f00")
    assert "the adapter hash was none" in (work(path).error or "")


def test_a_plan_takes_its_time_from_an_earlier_run_or_from_a_try(
    settings: Settings, backend: Judge
) -> None:
    options = LabelOptions(backend=REMOTE, few_shot=1)
    task = labelling.of_file(pair_file(settings.home.parent / "p", 20), options, settings)

    def plan(spec: str) -> labelling.LabelPlan:
        asked = task._replace(options=options.model_copy(update={"backend": spec}))
        return labelling.plan(asked, settings, lambda spec: backend)

    found = plan(REMOTE)
    assert (found.comparisons, found.questions, found.seconds) == (20, 40, None)
    tried = plan("pocket")
    assert tried.seconds is not None and "judged just now" in tried.seconds_from
    assert tried.adapter_hash
    done = work(new(settings))
    known = plan(REMOTE)
    assert known.seconds is not None and known.seconds_from == f"run {done.id}"
    status = queue.read_status(Path(done.path))
    queue.write_status(Path(done.path), status, queued=status.created + 1)
    assert plan(REMOTE).seconds is None, "a run that was resumed has only its last life's time"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"principle": "nobody"}, "unknown principle 'nobody'"),
        ({"few_shot": 99}, "few"),
        ({"constitution": "nobody"}, "nobody"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_what_cannot_be_asked_is_told_before_a_run_starts(
    options: dict[str, Any], said: str, settings: Settings
) -> None:
    with pytest.raises(InputError, match=said):
        new(settings, **options)


def test_a_bad_line_of_a_pair_file_is_told_by_its_number(settings: Settings) -> None:
    path = settings.home.parent / "bad.jsonl"
    path.write_text('{"prompt": "p", "a": "x", "b": "y"}\n{"prompt": "p", "a": "x", "b": 3}\n')
    with pytest.raises(InputError, match=r"bad.jsonl, line 2: `b` is a number"):
        labelling.of_file(str(path), LabelOptions(), settings)


class TestCommand:
    """`label` in the terminal, its worker a process of its own."""

    @pytest.fixture(autouse=True)
    def real_queue(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.undo()
        yield

    def test_it_follows_its_run_and_its_labels_are_in_the_store(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        home = ["--home", str(tmp_path / "home")]
        spec = f"hf:{tiny.home().data / 'pocket' / 'm'}"
        options = ["--pairs", pair_file(tmp_path / "mine.jsonl", 3), "--backend", spec]
        code = main([*home, "label", *options, "--few-shot", "0", "--json"])
        found = json.loads(capsys.readouterr().out)
        assert code == 0, found
        assert (found["kind"], found["state"]) == ("label", "done")
        assert found["metrics"]["labels"] == 3 and found["started"] < found["ended"]
        assert main([*home, "sql", "SELECT count(*) AS n FROM labels", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == [{"n": 3}]

    def test_one_of_three_ways_to_name_the_pairs_is_asked_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["--home", str(tmp_path), "label"]) == 2
        assert "--source NAME, --pairs FILE and --retry RUN" in capsys.readouterr().err
