"""The Agreement tab without a browser: what to do first, the report, its rows, its file."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import tyro
from test_audit import AI, N, ai_label, pair, said, truth

from cai_app.commands.audit import Audit
from cai_app.errors import InputError
from cai_app.records import AuditOptions, Comparison, Rater, Response
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from components.agreement import handlers
from components.agreement.view import PUBLISHED

FORM = ("", [], "", "", "", 3)
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def bench(settings: Settings) -> Iterator[Workbench]:
    made = Workbench(settings)
    yield made
    made.close()


def shown(bench: Workbench, *form: Any) -> dict[str, Any]:
    """The last view; the first one says that it is being worked on."""
    views = [view for view, _ in handlers.show(bench, *(form or FORM))]
    assert views[0] == {"state": "working"}
    last: dict[str, Any] = views[-1]
    return last


@pytest.fixture
def labelled(bench: Workbench) -> Workbench:
    pairs = [pair(k) for k in range(N)]
    bench.store.comparisons.add(pairs)
    bench.store.labels.add([ai_label(one, 0.8 if k % 2 else 0.2) for k, one in enumerate(pairs)])
    bench.store.labels.add([said(one, truth(k)) for k, one in enumerate(pairs)])
    return bench


def test_an_empty_home_says_what_to_do_first_and_ticks_what_is_done(bench: Workbench) -> None:
    steps = [(one["done"], one["tab"]) for one in shown(bench)["steps"]]
    assert steps == [(False, "Data"), (False, "Data"), (False, "Spot-check")]
    bench.store.comparisons.add([pair(1)])
    bench.store.labels.add([ai_label(pair(1), 0.9)])
    view = shown(bench)
    assert view["state"] == "empty"
    assert [one["done"] for one in view["steps"]] == [True, True, False]


def test_the_report_is_shown_with_its_command(labelled: Workbench) -> None:
    view = shown(labelled)
    assert view["state"] == "ready" and view["report"]["agreement"] == pytest.approx(0.75)
    assert view["names"][0] == "pocket@judge-x" and view["people"] == ["ann"]
    assert view["command"] == f"python -m cai_app --home {labelled.settings.home} audit"


def test_the_command_asks_for_what_the_form_asks_for(labelled: Workbench) -> None:
    form = (f"preference|{AI.id}", ["ann"], "none", "Which is kinder?", "confidence>=0.6", 5)
    asked = handlers.read_form(*form)
    told = shown(labelled, *form)["command"]
    typed = tyro.cli(Audit, args=shlex.split(told)[6:])
    assert {name: getattr(typed, name) for name in AuditOptions.model_fields if name != "seed"} == {
        name: value for name, value in asked.model_dump().items() if name != "seed"
    }


def test_what_cannot_be_asked_is_told_in_place(labelled: Workbench) -> None:
    view = shown(labelled, "", [], "", "", "colour=red", 3)
    assert view["state"] == "failed" and "--slice" in view["message"]
    assert shown(labelled, "nothing|x", [], "", "", "", 3)["state"] == "failed"


def test_looking_at_the_tab_lists_who_is_there(labelled: Workbench) -> None:
    first, last = [*handlers.opened(labelled, *FORM)]
    ai, people, queues = (update["choices"] for update in first[:3])
    assert [value for _, value in ai] == ["", f"preference|{AI.id}"]
    assert people[0][0].startswith("ann") and [one for _, one in queues] == ["", "none"]
    assert last[3]["state"] == "ready"
    assert ("Which is kinder?", "Which is kinder?") in last[4]["choices"]


def test_a_cell_and_the_file_are_of_the_report_that_is_shown(labelled: Workbench) -> None:
    asked = shown(labelled)["asked"]
    payload = {"asked": asked, "ai": "second", "human": "first", "limit": 3}
    found = handlers.rows(labelled, payload, "")
    assert found["n"] == N / 4 and len(found["examples"]) == 3
    assert "All numbers" in handlers.file(labelled, {"asked": asked}, "")
    for wrong in ({**payload, "ai": "third"}, {**payload, "limit": "all"}, {"asked": {"x": 1}}):
        with pytest.raises(InputError, match="reload"):
            handlers.rows(labelled, {"ai": "tie", "human": "tie", "limit": 1, **wrong}, "")


def test_pairs_that_are_read_leave_the_reader_s_queues_whoever_wrote_them(
    labelled: Workbench,
) -> None:
    twin = pair(0, ("m8", "m9"))
    labelled.store.comparisons.add([twin])
    payload = {"asked": shown(labelled)["asked"], "ai": "second", "human": "first", "limit": 200}
    found = handlers.rows(labelled, payload, "eve")
    read = {one["comparison"] for one in found["examples"]}
    revealed = labelled.store.queues.revealed
    ids = {name: Rater(kind="human", name=name).id for name in ("eve", "owner", "bob")}
    assert revealed(ids["eve"]).keys() == read | {twin.id} and pair(0).id in read
    assert not revealed(ids["owner"])
    handlers.file(labelled, {"asked": payload["asked"]}, "")
    assert len(revealed(ids["owner"])) >= 12 and not revealed(ids["bob"])


def test_hostile_texts_are_text_in_the_file(bench: Workbench) -> None:
    sides = [Response(prompt=HOSTILE, text=f"{HOSTILE}{k}") for k in range(2)]
    one = Comparison.of(*sides, source=HOSTILE)
    bench.store.comparisons.add([one])
    rater = Rater(kind="human", name=HOSTILE)
    bench.store.labels.add([ai_label(one, 0.9), said(one, 0.0, rater)])
    text = handlers.file(bench, {"asked": shown(bench)["asked"]}, "")
    assert "<script" not in text and text.count("&lt;script&gt;") >= 4


def test_published_values_never_stand_behind_pocket(labelled: Workbench) -> None:
    assert shown(labelled)["published"] == []
    real = Rater(kind="ai", backend="hf:some/model")
    labelled.store.labels.add([said(pair(k), truth(k), real) for k in range(N)])
    view = shown(labelled, f"preference|{real.id}", [], "", "", "", 3)
    assert [one["value"] for one in view["published"]] == [one.value for one in PUBLISHED]
