"""The Train tab without a browser: curves, board, form, ladder and lineage on plain values."""

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import made_runs
import pytest
import tiny

import app
from cai_app import files, jobs
from cai_app.errors import InputError
from cai_app.settings import ROOT, Settings
from cai_app.work.training import fitting
from cai_app.workbench import Workbench, curves
from cai_app.workbench.curves import Place
from cai_app.workbench.ladder import Climb
from components.critique import ladder
from components.train import asking, following


class Event:
    """What a component's script sends."""

    def __init__(self, **data: Any) -> None:
        self._data = data


@pytest.fixture
def workbench(settings: Settings) -> Iterator[Workbench]:
    made = Workbench(settings)
    yield made
    made.close()


def steps(piece: curves.Piece, name: str = "loss") -> list[float]:
    return [step for step, _ in piece.series.get(name, ())]


def test_a_reader_gets_every_point_once_and_a_torn_line_later(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    files.append(path, made_runs.losses(range(5)))
    first = curves.curves(tmp_path, Place())
    assert first.anew and steps(first) == [0, 1, 2, 3, 4]
    with path.open("a") as file:
        file.write('{"step": 5, "loss"')
    assert curves.curves(tmp_path, first.place).series == {}
    with path.open("a") as file:
        file.write(': 0.5}\n{"step": 6, "loss": 0.4}\n')
    second = curves.curves(tmp_path, first.place)
    assert not second.anew and steps(second) == [5, 6]


@pytest.mark.parametrize("grown", [4, 9, 40])
def test_a_file_cut_back_by_a_resume_is_read_anew_however_far_it_has_grown(
    tmp_path: Path, grown: int
) -> None:
    path = tmp_path / "metrics.jsonl"
    files.append(path, made_runs.losses(range(8)))
    place = curves.curves(tmp_path, Place()).place
    path.unlink()
    # The time of a row that is written again is another one.
    rows = [{**row, "time": 2e9} for row in made_runs.losses(range(grown))]
    files.append(path, rows)
    again = curves.curves(tmp_path, place)
    assert again.anew and steps(again) == list(range(grown))


def test_steps_that_were_done_twice_count_once(tmp_path: Path) -> None:
    files.append(tmp_path / "metrics.jsonl", made_runs.losses([0, 1, 2, 3, 2, 3, 4]))
    assert steps(curves.curves(tmp_path, Place())) == [0, 1, 2, 3, 4]


def test_a_number_that_is_none_is_a_gap_and_long_curves_are_thinned_to_real_points(
    tmp_path: Path,
) -> None:
    rows = [{"step": n, "loss": float("nan") if n == 3 else n / 10} for n in range(5000)]
    files.append(tmp_path / "metrics.jsonl", rows)
    points = curves.curves(tmp_path, Place()).series["loss"]
    assert len(points) == curves.MOST
    assert points[0] == (0, 0.0) and points[-1] == (4999, 499.9)
    assert {(n, n / 10) for n in range(5000)} >= set(points)
    few = [{"step": n, "loss": float("inf") if n == 3 else 1.0} for n in range(5)]
    (tmp_path / "metrics.jsonl").unlink()
    files.append(tmp_path / "metrics.jsonl", few)
    assert (3, None) in curves.curves(tmp_path, Place()).series["loss"]


def test_the_board_tells_kinds_apart_and_sends_only_what_is_new(workbench: Workbench) -> None:
    first = made_runs.made(workbench.settings, "sft", options={"data": "helpful"})
    second = made_runs.made(
        workbench.settings, "sft", options={"data": "both", "name": "sl-cai"}, adapter=True,
        rows=made_runs.losses(range(3)), samples=made_runs.answers([0, 2]),
    )  # fmt: skip
    made_runs.made(workbench.settings, "generate")
    asked: dict[str, Any] = {"curves": {second.name: {}}, "opened": second.name}
    said = following.watch(workbench, asked, "")
    assert {line["id"]: line["kind"] for line in said["lines"]} == {
        first.name: "helpful", second.name: "sl-cai",
    }  # fmt: skip
    line = next(one for one in said["lines"] if one["id"] == second.name)
    assert (line["title"], line["spec"]) == ("sl-cai", "pocket@sl-cai")
    assert [row["step"] for row in said["samples"]["rows"]] == [0, 0, 2, 2]
    assert said["log"]["text"] == "beginning\n"
    asked = {
        "stamp": said["stamp"], "opened": second.name, "samples": said["samples"]["place"],
        "log": said["log"]["to"], "curves": {second.name: said["curves"][second.name]["place"]},
    }  # fmt: skip
    again = following.watch(workbench, asked, "")
    assert again["lines"] is None and again["log"]["text"] == ""
    assert again["curves"][second.name]["series"] == {} and again["samples"]["rows"] == []


def test_of_two_trainings_of_one_name_the_second_goes_by_its_run(workbench: Workbench) -> None:
    settings = workbench.settings
    named = {"data": "both", "name": "mine"}
    first, second = sorted(
        made_runs.made(settings, "sft", options=named, adapter=True) for _ in range(2)
    )
    shutil.copytree(first / "adapter", settings.home / "adapters" / "mine")
    specs = {line.id: line.spec for line in workbench.runs.trainings()}
    assert specs == {first.name: "pocket@mine", second.name: f"pocket@{second.name}"}
    policy = made_runs.made(settings, "rl", options={"start": "mine", "pm": "none"})
    links = {(one.child, one.parent) for one in workbench.ancestry(policy.name).links}
    assert (policy.name, first.name) in links and (policy.name, second.name) not in links


def test_the_plots_of_dpo_name_what_it_logs() -> None:
    given = {f"{held_out}rewards/{name}": 1.0
             for held_out in ("", "eval_") for name in ("margins", "accuracies")}  # fmt: skip
    charts = (ROOT / "components" / "train" / "charts.js").read_text("utf-8")
    plots = "".join(line for line in charts.splitlines() if "kinds: ['dpo']" in line)
    assert {*re.findall(r"'(\w+)'", plots)} == {"dpo", *fitting._named(given)}


def test_a_card_states_hashes_seed_versions_and_the_command(workbench: Workbench) -> None:
    path = made_runs.made(workbench.settings, "sft", options={"data": "helpful"}, adapter=True)
    card = following.read_card(workbench, {"run": path.name}, "")
    assert card["command"] == "python -m cai_app train sft"
    assert card["facts"]["base_hash"] == "ab" * 32
    assert card["facts"]["versions"] == {"torch": "2.9"} and card["options"]["seed"] == 0


def test_waiting_runs_change_places_and_those_that_do_not_wait_keep_theirs(
    workbench: Workbench,
) -> None:
    made = [
        made_runs.made(workbench.settings, "sft", state="queued", done=0, queued=100.0 + n)
        for n in range(3)
    ]
    done = made_runs.made(workbench.settings, "sft")

    def order() -> list[str]:
        lines = workbench.runs.trainings()
        return [one.id for one in sorted(lines, key=lambda one: one.place) if one.place]

    assert order() == [one.name for one in made]
    following.act(workbench, {"run": made[2].name, "act": "up"}, "")
    assert order() == [made[0].name, made[2].name, made[1].name]
    following.act(workbench, {"run": made[0].name, "act": "down"}, "")
    assert order() == [made[2].name, made[0].name, made[1].name]
    following.act(workbench, {"run": made[2].name, "act": "up"}, "")  # it is the first already
    assert order()[0] == made[2].name
    with pytest.raises(InputError, match="only a waiting run"):
        following.act(workbench, {"run": done.name, "act": "up"}, "")


def test_an_adapter_is_packed_without_what_lies_outside_it(workbench: Workbench) -> None:
    path = made_runs.made(workbench.settings, "sft", adapter=True)
    secret = workbench.settings.home / "app.json"
    secret.write_text("token")
    (path / "adapter" / "link.json").symlink_to(secret)
    packed = following.packed(workbench, Event(run=path.name))  # type: ignore[arg-type]
    with zipfile.ZipFile(packed) as archive:
        names = {"adapter_config.json", "adapter_model.safetensors", "training.json"}
        assert set(archive.namelist()) == names
    bare = made_runs.made(workbench.settings, "sft", state="failed")
    with pytest.raises(InputError, match="no adapter yet"):
        following.packed(workbench, Event(run=bare.name))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", asking.FORMS)
def test_every_form_shows_options_that_there_are(workbench: Workbench, kind: str) -> None:
    found = asking.form(workbench, {"kind": kind}, "")
    assert found["kind"] == kind
    names = {one["name"] for one in found["options"]}
    assert {*found["main"], *found["fixed"], *found["choices"]} <= names
    assert all(one["description"] for one in found["options"])


def test_a_preference_model_is_offered_as_a_start_of_preference_models_alone(
    workbench: Workbench,
) -> None:
    def starts(kind: str) -> set[str]:
        found = asking.form(workbench, {"kind": kind}, "")
        return {one["value"] for one in found["choices"]["start"]}

    assert "pm" in starts("preference")
    for kind in asking.FORMS.keys() - {"preference"}:
        assert "helpful" in starts(kind) and "pm" not in starts(kind)


def test_a_plan_says_what_is_read_or_what_to_do_first(workbench: Workbench) -> None:
    found = asking.plan(
        workbench, {"kind": "helpful", "preset": "notes", "values": {"helpful_limit": 40}}, ""
    )
    assert found["rows"] == 40 and found["command"].endswith("data=helpful helpful_limit=40")
    assert "helpful_limit: 40" in found["yaml"] and found["needs"].startswith("Needs about")
    missing = asking.plan(workbench, {"kind": "sl-cai", "values": {"data": "revisions"}}, "")
    assert missing["todo"] == "chains" and "no revisions" in missing["message"]
    wrong = asking.plan(workbench, {"kind": "helpful", "values": {"lr": 7}}, "")
    assert wrong["field"] == "lr" and "less than or equal" in wrong["message"]


def test_a_form_filled_from_a_run_asks_for_the_same(workbench: Workbench) -> None:
    _, options = asking.read_form(
        {"kind": "sl-cai", "preset": "paper", "values": {"data": "revisions", "lr": 2e-4}}
    )
    path = made_runs.made(
        workbench.settings, "sft", options=options.model_dump(mode="json") | {"name": "mine"}
    )
    found = asking.from_run(workbench, {"run": path.name}, "")
    assert (found["kind"], found["preset"]) == ("sl-cai", "paper")
    assert found["values"] == {"data": "revisions", "lr": 2e-4}


def test_lineage_goes_from_the_constitution_to_the_policy(workbench: Workbench) -> None:
    settings = workbench.settings
    now = workbench.constitution("harmless").ref
    under = f"{now.name}@{now.hash}"
    chains = made_runs.made(
        settings, "generate", options={"mode": "chains"}, provenance={"constitution": under}
    )
    labels = made_runs.made(
        settings, "label", provenance={"constitution": under, "pairs": f"source {chains.name}"}
    )
    old = made_runs.made(settings, "label", provenance={"constitution": "harmless@0000"})
    for path in (chains, labels, old):
        before = jobs.queue.read_status(path)
        jobs.queue.write_status(path, before, ended=before.created - 1)
    pm = made_runs.made(
        settings, "preference", options={"name": "pm"}, adapter=True,
        provenance={"constitutions": under, "labels": "every AI label of the store"},
    )  # fmt: skip
    policy = made_runs.made(settings, "rl", options={"pm": "pm", "start": "helpful"})
    graph = workbench.ancestry(policy.name)
    links = {(one.child, one.relation, one.parent) for one in graph.links}
    assert {
        (policy.name, "rewarded by", pm.name), (policy.name, "starts from", "pocket@helpful"),
        (pm.name, "from", labels.name), (pm.name, "under", under),
        (labels.name, "from", chains.name), (chains.name, "under", under),
    } <= links  # fmt: skip
    columns = {one.id: one.column for one in graph.nodes}
    assert columns[under] < columns[chains.name] < columns[labels.name] < columns[pm.name]
    assert columns[pm.name] < columns[policy.name] and old.name not in columns
    # From the constitution the policy is found too, and `lineage` names the same parents.
    assert policy.name in {one.id for one in workbench.ancestry("harmless").nodes}
    behind = {(one.child, one.relation, one.parent) for one in workbench.lineage(pm.name).edges}
    assert (pm.name, "under", under) in behind
    with pytest.raises(InputError, match="nothing was made from"):
        workbench.ancestry("no such thing")


def test_the_ladder_climbs_from_pretrained_to_every_checkpoint_and_scores_them(
    tmp_path: Path,
) -> None:
    shipped = tiny.home()
    settings = Settings(home=tmp_path / "home", data=shipped.data)
    workbench = Workbench(settings)
    try:
        run = made_runs.made(settings, "rl", adapter=True)
        for step, seed in ((0, 4), (25, 5)):
            tiny.save_adapter(
                settings.data / "pocket" / "m", run / "steps" / f"{step:06d}", seed=seed
            )
        found = workbench.climb(Climb(prompt="Can you help me?", model="pocket", max_tokens=12))
        titles = [one.rung.title for one in found.answers]
        assert titles == ["pretrained", "helpful", "SL-CAI", "RL step 0", "RL step 25"]
        assert found.scorer == "pm" and found.missing == ()
        assert len({one.text for one in found.answers}) > 2
        assert len({one.score for one in found.answers}) > 2
        again = workbench.climb(Climb(prompt="Can you help me?", model="pocket", max_tokens=12))
        assert again == found
        with pytest.raises(InputError, match="remote model"):
            workbench.climb(Climb(prompt="Hello", model="openai:http://127.0.0.1:9#x"))
    finally:
        workbench.close()


def test_the_ladder_scores_a_chat_model_in_its_own_form(workbench: Workbench) -> None:
    home, turns = workbench.settings.home, "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    base = tiny.save_model(home / "chat", chat_template=turns + "{% endfor %}")
    tiny.save_adapter(base, home / "adapters" / "pm", seed=9, preference=True)
    found = workbench.climb(Climb(prompt="Can you help me?", model=f"hf:{base}", max_tokens=12))
    (answer,) = found.answers
    pm: Any = workbench.open(f"hf:{base}@pm")
    whole = f"<user>Can you help me?<assistant>{answer.text}"
    assert found.scorer == "pm" and answer.score == pytest.approx(pm.score([whole])[0], abs=1e-6)


def test_a_prompt_climbed_twice_is_two_answers_and_a_defect_is_logged(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def climbed() -> dict[str, Any]:
        asked = ("", "pocket", "harmless", 0, 1.0, 12)
        return ladder.climb(workbench, *asked, gr.EventData(None, {}))

    first, second = climbed(), climbed()
    assert first["state"] == "failed" and "prompt is empty" in first["message"]
    assert first | {"serial": 0} == second | {"serial": 0} and first != second
    assert not caplog.records
    monkeypatch.setattr(workbench, "climb", lambda asked: 1 // 0)
    assert "ZeroDivisionError" in climbed()["message"]
    assert "climbing the ladder failed" in caplog.text


def test_sample_rows_keep_their_numbers_and_leave_out_what_is_no_answer(tmp_path: Path) -> None:
    rows = [
        {"step": 0, "prompt": "May I?", "text": "No.", "flags": ["evasive"], "score": -0.5,
         "harm": None},
        {"step": 0, "grams": [["a b c d e", 0.2]]},
    ]  # fmt: skip
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = curves.samples(tmp_path, Place()).rows
    assert [(one.prompt, one.numbers, one.flags) for one in found] == [
        ("May I?", {"score": -0.5}, ("evasive",))
    ]


def test_every_dropdown_of_models_learns_of_a_new_adapter(workbench: Workbench) -> None:
    """The header tells, as it is on the page whichever tab is open."""
    config = app.build(workbench).get_config_file()
    named = {one["id"]: one["props"].get("elem_id") or "" for one in config["components"]}
    header = next(id for id, name in named.items() if name == "header")
    told = {
        named[output]
        for one in config["dependencies"]
        if [header, "grown"] in [list(target) for target in one["targets"]]
        for output in one["outputs"]
    }
    offered = {
        one["props"].get("elem_id")
        for one in config["components"]
        if one["type"] == "dropdown" and "pocket@none" in str(one["props"].get("choices"))
    }
    assert len(told) >= 5 and offered <= told
