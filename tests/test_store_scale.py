"""A store of a million responses: every page of the Data tab in a third of a second."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cai_app.bench import rows
from cai_app.settings import Settings
from cai_app.store import Store
from cai_app.workbench import Workbench
from components.data import browsing, reading

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PAGES = {
    f"{noun} {name}": page
    for noun, found in rows.pages().items()
    for name, page in found.items()
}  # fmt: skip
ASKED: dict[str, dict[str, Any]] = {
    "responses": {},
    "comparisons": {},
    "labels": {},
    "transcripts": {},
    "runs": {},
    "comparisons nobody labelled": {"noun": "comparisons", "filters": {"labelled": "no"}},
    "responses with a rare number": {"noun": "responses", "search": "with 123456?"},
}


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    made = Workbench(Settings(home=tmp_path_factory.mktemp("scale")))
    rows.fill(made.store)
    rows.write_runs(made.settings)
    yield made
    made.close()


def timed(name: str, act: Callable[[Any], Any], given: Any) -> float:
    took = rows.timed(act, given)
    print(f"{name:45} {took * 1000:7.1f} ms")
    return took


@pytest.mark.parametrize("name", PAGES)
def test_a_page_takes_a_third_of_a_second(workbench: Workbench, name: str) -> None:
    store: Store = workbench.store
    assert timed(name, PAGES[name], store) < rows.PAGE_TARGET


class Event:
    """What the table's script sends."""

    def __init__(self, **data: Any) -> None:
        self._data = data


@pytest.mark.parametrize("name", ASKED)
def test_the_whole_answer_to_the_page_does_too(workbench: Workbench, name: str) -> None:
    """With filters, counts and marks; what a filter offers is found once, when rows came in."""
    event = Event(**{"noun": name, **ASKED[name]})
    assert browsing.ask(workbench, event)["state"] == "ready"  # type: ignore[arg-type]
    assert timed(f"page: {name}", lambda w: browsing.ask(w, event), workbench) < rows.PAGE_TARGET


@pytest.mark.parametrize("noun", ["responses", "comparisons", "labels"])
def test_a_row_is_read_with_its_lineage_as_fast(workbench: Workbench, noun: str) -> None:
    line = browsing.ask(workbench, Event(noun=noun))["rows"][7]  # type: ignore[arg-type]
    event = Event(noun=noun, id=line["id"])
    assert reading.open_row(workbench, event)["state"] == "ready"  # type: ignore[arg-type]
    took = timed(f"read: {noun}", lambda w: reading.open_row(w, event), workbench)
    assert took < rows.PAGE_TARGET


def test_two_hundred_runs_are_listed_in_a_fifth_of_a_second(workbench: Workbench) -> None:
    assert timed("runs listed", lambda w: w.runs.list(), workbench) < rows.RUNS_TARGET
