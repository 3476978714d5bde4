"""Versions in a home: saved, found, restored, and never lost to a second editor or a kill."""

import json
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from cai_app import constitution as constitutions
from cai_app.constitution import (
    ConflictError,
    Constitution,
    Edit,
    list_all,
    load,
    parse,
    save,
    to_yaml,
    versions,
)
from cai_app.errors import InputError
from cai_app.records import GenerateOptions, PreferencePrinciple, SupervisedPrinciple
from cai_app.settings import Settings
from cai_app.workbench import Workbench, generation


def mine(question: str = "Which is kinder?", **more: object) -> Constitution:
    asked = PreferencePrinciple(id="kind", question=question)
    return Constitution(name="mine", title="Mine", preference=(asked,), **more)


def test_a_saved_constitution_is_found_by_name_and_by_hash(settings: Settings) -> None:
    first = save(mine(), Edit(author="ann", message="start"), settings)
    second = save(mine("Which is nicer?"), Edit(parent=first.hash, author="bob"), settings)
    assert load("mine", settings).preference[0].question == "Which is nicer?"
    assert load(f"mine@{first.hash[:8]}", settings) == mine()
    history = versions(settings).history("mine")
    assert [(one.author, one.parent) for one in history] == [("ann", None), ("bob", first.hash)]
    assert history[1] == second and history[0].message == "start"
    assert "mine" in [one.name for one in list_all(settings)]


def test_saving_what_is_in_force_adds_no_version(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    assert save(mine(), Edit(parent="anything"), settings) == first
    assert len(versions(settings).history("mine")) == 1


def test_the_second_of_two_editors_is_told_and_nothing_is_overwritten(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    theirs = save(mine("Theirs?"), Edit(parent=first.hash, author="ann"), settings)
    with pytest.raises(ConflictError, match=f"in force is {theirs.hash}") as caught:
        save(mine("Ours?"), Edit(parent=first.hash), settings)
    assert caught.value.theirs == theirs
    assert load("mine", settings).preference[0].question == "Theirs?"


def test_a_new_name_that_is_taken_is_a_conflict(settings: Settings) -> None:
    save(mine(), Edit(), settings)
    with pytest.raises(ConflictError):
        save(mine("Other?"), Edit(parent=None), settings)


def _save(job: tuple[Path, str, int]) -> bool:
    home, parent, number = job
    try:
        save(mine(f"Question {number}?"), Edit(parent=parent), Settings(home=home))
    except ConflictError:
        return False
    return True


def test_of_processes_that_save_at_once_one_wins(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    with ProcessPoolExecutor(4) as pool:
        won = list(pool.map(_save, [(settings.home, first.hash, n) for n in range(8)]))
    assert won.count(True) == 1
    history = versions(settings).history("mine")
    assert len(history) == 2
    assert load("mine", settings).preference[0].question == f"Question {won.index(True)}?"


def test_restoring_brings_an_old_version_back_and_keeps_the_rest(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    second = save(mine("Worse?"), Edit(parent=first.hash), settings)
    back = Workbench(settings).workshop.restore("mine", first.hash[:8], Edit(parent=second.hash))
    assert (back.hash, back.action, back.parent) == (first.hash, "restore", second.hash)
    assert load("mine", settings) == mine()
    assert [one.hash for one in versions(settings).history("mine")] == [
        first.hash, second.hash, first.hash,
    ]  # fmt: skip


def test_a_shipped_name_is_never_saved_over(settings: Settings) -> None:
    changed = load("harmless", settings).model_copy(update={"title": "Mine now"})
    with pytest.raises(InputError, match="under another name, such as my-harmless"):
        save(changed, Edit(), settings)
    with pytest.raises(InputError, match="comes with the program"):
        save(changed.model_copy(update={"name": "HARMLESS"}), Edit(), settings)


def test_a_torn_log_line_costs_only_itself(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    log = settings.home / "constitutions" / "mine" / "log.jsonl"
    log.write_text(log.read_text() + '{"hash": "dead')
    second = save(mine("Next?"), Edit(parent=first.hash), settings)
    assert versions(settings).history("mine") == (first, second)


def test_a_file_changed_by_hand_is_told_and_older_versions_stay(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    second = save(mine("Next?"), Edit(parent=first.hash), settings)
    path = settings.home / "constitutions" / "mine" / f"{second.hash}.yaml"
    path.write_text(path.read_text().replace("Next?", "Hacked?"))
    with pytest.raises(InputError, match="was changed by hand"):
        load("mine", settings)
    assert load(f"mine@{first.hash}", settings) == mine()
    assert "mine" not in [one.name for one in list_all(settings)]
    back = Workbench(settings).workshop.restore("mine", first.hash, Edit(parent=second.hash))
    assert load("mine", settings).hash == back.hash


def test_an_unknown_version_lists_the_known(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    with pytest.raises(InputError, match=f"no version 000000; its versions: {first.hash}"):
        load("mine@000000", settings)


@pytest.mark.parametrize("name", ["../evil", "a/b", "", "..", "x" * 65])
def test_a_name_cannot_leave_the_folder(settings: Settings, name: str) -> None:
    assert versions(settings).history(name) == ()
    with pytest.raises(InputError):
        load(name, settings)


def test_a_kill_before_the_log_line_leaves_the_old_version_in_force(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save(mine(), Edit(), settings)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cai_app.constitution.history.files.append", killed)
    with pytest.raises(KeyboardInterrupt):
        save(mine("Next?"), Edit(parent=first.hash), settings)
    monkeypatch.undo()
    assert load("mine", settings) == mine()
    assert save(mine("Next?"), Edit(parent=first.hash), settings).parent == first.hash


def test_a_run_is_started_with_the_version_that_is_named(settings: Settings) -> None:
    """A worker reads the snapshot of its run, and a later save does not change it."""
    critique = SupervisedPrinciple(id="s", critique_request="C.", revision_request="R.")
    first = save(mine(supervised=(critique,)), Edit(), settings)
    save(mine("Later?", supervised=(critique,)), Edit(parent=first.hash), settings)
    options = GenerateOptions(
        backend="pocket", constitution=f"mine@{first.hash[:8]}", mode="chains", limit=1
    )
    run = generation.prepare(options, prompts="red-team", settings=settings)
    snapshot = parse(run.inputs["inputs.constitution.yaml"].decode(), "snapshot")
    assert snapshot.hash == first.hash
    assert run.provenance["constitution"] == f"mine@{first.hash}"


def test_the_store_knows_every_version(settings: Settings) -> None:
    first = save(mine(), Edit(), settings)
    second = save(mine("Later?"), Edit(parent=first.hash), settings)
    workbench = Workbench(settings)
    try:
        found = workbench.store.constitutions.get([first.hash, second.hash])
    finally:
        workbench.close()
    assert set(found) == {first.hash, second.hash}


def test_every_shipped_constitution_is_written_and_read_back(settings: Settings) -> None:
    for one in list_all(settings):
        assert parse(to_yaml(one), one.name).hash == one.hash


ODD = [" ", "  ", "\t", ":", " #", "- ", "'", '"', "{", "*", "é", "\u2028", "\x85", "\\", "%", "@",
       "yes", "3", "null", "😀", "word", "another", "sentence.", "---", "|", ">"]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_any_text_is_written_and_read_back(seed: int) -> None:
    rng = random.Random(seed)

    def text() -> str:
        made = "x" + "".join(rng.choice(ODD) for _ in range(rng.choice((3, 60)))) + "y"
        return constitutions.parsing.unfolded(made)

    one = Constitution(
        name="odd",
        title=text(),
        description=text(),
        supervised=(
            SupervisedPrinciple(
                id="a", critique_request=text(), revision_request=text(), note=text(),
                weight=rng.choice((0, 0.5, 3)), enabled=rng.random() < 0.5, tags=(text(),),
            ),
        ),
    )  # fmt: skip
    assert parse(to_yaml(one), "odd.yaml") == one


def test_the_log_is_plain_lines(settings: Settings) -> None:
    save(mine(), Edit(author="ann", message="first"), settings)
    (line,) = (settings.home / "constitutions" / "mine" / "log.jsonl").read_text().splitlines()
    assert json.loads(line)["author"] == "ann"
