"""A preference model labels: both responses of every pair scored, the pair's P(a) derived."""

from pathlib import Path

import pytest
from test_label import in_this_process, labels, pair, pair_file, work

from cai_app.backends import open_backend
from cai_app.errors import InputError
from cai_app.jobs import control
from cai_app.prompts import draft
from cai_app.records import LabelOptions
from cai_app.settings import Settings
from cai_app.store import Store, ingest_finished, judging
from cai_app.store import audit as columns
from cai_app.work.pm_label import chance
from cai_app.workbench import labelling

__all__ = ["in_this_process"]
PM = "pocket@pm"


def started(settings: Settings, count: int, word: str = "text", **options: object) -> Path:
    path = pair_file(settings.home.parent / "pairs.jsonl", count, word)
    chosen = LabelOptions(**{"backend": PM, "batch": 2, **options})  # type: ignore[arg-type]
    task = labelling.of_file(path, chosen, settings)
    return Path(control.start(settings, labelling.prepare(task, settings)).path)


def test_both_responses_are_scored_once_and_the_pair_s_chance_follows(settings: Settings) -> None:
    path = started(settings, 3)
    info = work(path)
    assert (info.state, info.done, info.error) == ("done", 3, None)
    found = labels(path)
    assert {one.subject for one in found} == {
        s.id for n in range(3) for s in (pair(n).a, pair(n).b)
    }
    assert {(one.kind, one.about, one.rater.kind) for one in found} == {
        ("score", "response", "preference_model")
    }
    backend = open_backend(PM, settings)
    scores = {one.subject: one.value for one in found}
    for side in (pair(0).a, pair(0).b):
        text = draft(side.prompt).text + f" {side.text}"
        assert backend.score([text])[0] == pytest.approx(scores[side.id], abs=1e-4)
    backend.close()
    store = Store(settings.home)
    ingest_finished(settings.home, store)
    ids = sorted(pair(n).id for n in range(3))
    said = columns.said(store, found[0].rater.id, ids)
    for id, p in zip(ids, said.p, strict=True):
        one = next(pair(n) for n in range(3) if pair(n).id == id)
        assert p == pytest.approx(chance(scores[one.a.id], scores[one.b.id]))
    store.close()


def test_what_is_too_long_is_unscored_with_the_reason_and_can_be_retried(
    settings: Settings,
) -> None:
    path = started(settings, 2, word="word " * 3000)
    assert work(path).metrics["unscored"] == 2
    found = labels(path)
    assert [one.value for one in found] == [None] * 4
    assert all("token" in (one.unscored_reason or "") for one in found)
    store = Store(settings.home)
    ingest_finished(settings.home, store)
    assert judging.count_unscored(store, path.name) == 4
    assert len(judging.unscored(store, path.name)) == 2
    assert len(labelling.of_unscored(store, settings, path.name, None).pairs) == 2
    store.close()


def test_how_a_question_is_asked_means_nothing_to_it(settings: Settings) -> None:
    for option in ({"principle": "all"}, {"cot": True}, {"orders": "one"}):
        with pytest.raises(InputError, match="is asked nothing"):
            started(settings, 1, **option)
