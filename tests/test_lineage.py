"""Lineage: from a label back to the words it was given under, and what is stale on the way."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_exchange import hh
from test_store_ingest import RUN, chain, finished, label, pair

from cai_app import commands
from cai_app.errors import InputError
from cai_app.formats import ReadOptions
from cai_app.records import Comparison, ConstitutionRef, Label, Response, Transcript, transcript_id
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.lineage import Edge, Lineage


def comparison() -> Comparison:
    sides = (Response(prompt="p", text=f"t{n}", model="pocket", seed=n) for n in (1, 2))
    return Comparison.of(*sides)


def now(workbench: Workbench, transcript: Transcript) -> Transcript:
    """The same chain, made under the constitution as it stands."""
    ref = workbench.constitution("harmless").ref
    return transcript.model_copy(update={"constitution": ref})


@pytest.fixture
def workbench(settings: Settings) -> Iterator[Workbench]:
    made = Workbench(settings)
    yield made
    made.close()


@pytest.fixture
def judged(workbench: Workbench) -> Label:
    """A label about a comparison, both from one run that has been taken in."""
    about = comparison()
    given = label(about)
    finished(workbench.settings.home, about, given)
    workbench.ingest()
    return given


def edges(found: Lineage) -> set[tuple[str, str, str]]:
    return {(edge.child, edge.relation, edge.parent) for edge in found.edges}


def test_a_label_leads_back_to_responses_run_models_and_constitution(
    workbench: Workbench, judged: Label
) -> None:
    found = workbench.lineage(judged.id)
    about = comparison()
    assert found.type == "label"
    assert {
        (judged.id, "about", about.id),
        (judged.id, "under", "privacy@h2"),
        (judged.id, "by", "pocket@none"),
        (judged.id, "from", RUN),
        (about.id, "side", about.a.id),
        (about.a.id, "by", "pocket"),
        (about.a.id, "from", RUN),
        (RUN, "read", "sha256:abc"),
    } <= edges(found)


def test_what_was_made_under_words_that_have_changed_since_is_stale(
    workbench: Workbench, judged: Label
) -> None:
    assert workbench.lineage(judged.id).stale == ("privacy@h2",)
    assert workbench.lineage(comparison().a.id).stale == ("privacy@h2",)  # its run judged too


def test_a_row_under_the_words_of_today_is_not_stale(workbench: Workbench) -> None:
    fresh = now(workbench, chain())
    finished(workbench.settings.home, fresh)
    workbench.ingest()
    found = workbench.lineage(transcript_id(fresh))
    assert found.stale == ()
    assert [one.version for one in found.nodes if one.type == "constitution"] == ["current"]


def test_a_row_is_not_made_stale_by_another_row_of_its_run(workbench: Workbench) -> None:
    fresh = now(workbench, chain())
    finished(workbench.settings.home, fresh, chain())
    workbench.ingest()
    assert workbench.lineage(transcript_id(fresh)).stale == ()
    assert workbench.lineage(transcript_id(chain())).stale == ("harmless@h1",)
    assert workbench.lineage(RUN).stale == ("harmless@h1",)


def test_words_of_a_name_that_is_not_here_are_not_called_stale(workbench: Workbench) -> None:
    strange = chain().model_copy(
        update={"constitution": ConstitutionRef(name="mine", hash="0123456789abcdef")}
    )
    finished(workbench.settings.home, strange)
    workbench.ingest()
    found = workbench.lineage(transcript_id(strange))
    assert found.stale == ()
    assert [one.version for one in found.nodes if one.type == "constitution"] == ["unknown"]


def test_a_comparison_names_its_labels_and_a_response_its_comparisons(
    workbench: Workbench, judged: Label
) -> None:
    about = comparison()
    assert (judged.id, "about", about.id) in edges(workbench.lineage(about.id))
    assert (about.id, "side", about.b.id) in edges(workbench.lineage(about.b.id))


def test_a_run_counts_its_rows_and_is_found_by_a_part(workbench: Workbench, judged: Label) -> None:
    found = workbench.lineage(RUN[-9:])
    assert (found.id, found.type) == (RUN, "run")
    assert found.rows == {"comparison": 1, "label": 1, "response": 2}


def test_a_constitution_and_a_model_name_the_runs_that_used_them(
    workbench: Workbench, judged: Label
) -> None:
    assert (RUN, "by", "pocket@none") in edges(workbench.lineage("pocket@none"))
    current = workbench.constitution("harmless").ref
    fresh = now(workbench, chain())
    finished(workbench.settings.home, fresh, name="20260103-030405-generate-def")
    workbench.ingest()
    by_name = ("harmless", f"harmless@{current.hash[:6]}", f"harmless@{current.hash}")
    for id in (*by_name, current.hash):
        found = workbench.lineage(id)
        assert found.rows == {"transcript": 1}
        assert [edge.child for edge in found.edges] == ["20260103-030405-generate-def"]


def test_a_run_that_is_deleted_keeps_its_lineage(workbench: Workbench, judged: Label) -> None:
    workbench.runs.delete(RUN)
    assert Edge(child=RUN, parent="pocket@none", relation="by") in workbench.lineage(RUN).edges


def test_an_imported_row_leads_to_its_file(workbench: Workbench, tmp_path: Path) -> None:
    workbench.import_file("hh-rlhf", hh(tmp_path / "a", 2), ReadOptions(source="mine"))
    row = workbench.store.comparisons.page().rows[0]
    found = workbench.lineage(row.id)
    (file,) = (node.id for node in found.nodes if node.type == "file")
    assert {(row.id, "from", "mine"), ("mine", "read", file)} <= edges(found)
    source = workbench.lineage("mine")
    assert (source.type, source.rows) == ("source", {"comparison": 2, "response": 4})
    of_file = workbench.lineage(file)
    assert (of_file.type, of_file.rows) == ("file", source.rows)
    assert {node.id: node.type for node in of_file.nodes}["mine"] == "source"


def test_an_unknown_id_is_named_with_what_can_be_asked(workbench: Workbench) -> None:
    with pytest.raises(InputError, match="has the id 'nobody'.*NAME@HASH"):
        workbench.lineage("nobody")


def test_the_command_prints_one_json_value_and_words_for_people(
    settings: Settings, judged: Label, workbench: Workbench, capsys: Any
) -> None:
    workbench.close()
    home = ["--home", str(settings.home)]
    assert commands.main([*home, "lineage", judged.id, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"id", "type", "stale", "rows", "nodes", "edges"}
    assert commands.main([*home, "lineage", judged.id]) == 0
    assert "stale: the constitution has changed" in capsys.readouterr().out
    assert commands.main([*home, "lineage", "nobody", "--json"]) == 1
    assert capsys.readouterr().out == ""


def test_pairs_are_under_no_constitution(workbench: Workbench) -> None:
    finished(workbench.settings.home, pair(1))
    workbench.ingest()
    assert not [one for one in workbench.lineage(RUN).nodes if one.type == "constitution"]
