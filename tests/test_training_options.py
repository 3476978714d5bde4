"""Options of trainings: presets, words, files, earlier runs, and the sentences that people read."""

import json
import re
import shlex
from pathlib import Path

import pytest
import training as small

from cai_app import constitution as constitutions
from cai_app import jobs
from cai_app.commands import main
from cai_app.errors import InputError
from cai_app.settings import Settings
from cai_app.workbench import training
from cai_app.workbench.training import planning


@pytest.mark.parametrize("kind", list(training.KINDS))
def test_every_option_says_in_one_sentence_what_it_does(kind: str) -> None:
    for one in training.describe(kind):
        assert one.description.endswith("."), one.name
        assert not re.search(r"[.!?] [A-Z]", one.description), one.name
        assert set(one.values) == {"notes", "paper"}


@pytest.mark.parametrize("kind", list(training.KINDS))
def test_the_options_are_in_the_help(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", kind, "--help"]) == 0
    said = capsys.readouterr().out
    for one in training.describe(kind):
        assert f"{one.name}=" in said and one.description in said


def test_a_preset_fills_what_is_left_out_and_no_more() -> None:
    paper = training.options_of("sft", {"preset": "paper"})
    assert (paper.batch, paper.start_of_preset()) == (32, "none")
    chosen = training.options_of("sft", {"preset": "paper", "batch": "8"})
    assert (chosen.batch, chosen.lr) == (8, paper.lr)
    assert training.options_of("sft", {}).start_of_preset() == "helpful"
    assert training.options_of("sft", {"data": "helpful"}).start_of_preset() == "none"


def test_what_cannot_be_used_is_named_with_what_can() -> None:
    with pytest.raises(InputError, match="no option 'rate'; there are: preset, .*lr"):
        training.options_of("sft", {"rate": 1})
    with pytest.raises(InputError, match="lr is 'fast', but"):
        training.options_of("sft", {"lr": "fast"})
    with pytest.raises(InputError, match="no training 'x'; choose one of sft"):
        training.options_of("x", {})
    with pytest.raises(InputError, match="NAME=VALUE"):
        training.read_settings(["lr"])
    with pytest.raises(InputError, match="name is '../up'"):
        training.options_of("sft", {"name": "../up"})


def test_a_command_gives_the_options_it_was_made_from(settings: Settings) -> None:
    values = {"preset": "paper", "lr": 0.01, "max_steps": 7, "name": "mine", "data": "helpful"}
    options = training.options_of("sft", values)
    words = shlex.split(training.command("sft", options, settings))
    assert words[:3] == ["python", "-m", "cai_app"] and words[-6] == "--set"
    given = training.read_settings(words[words.index("--set") + 1 :])
    assert training.options_of("sft", given) == options


def test_a_file_of_options_and_a_runs_own_file_are_taken(
    settings: Settings, tmp_path: Path
) -> None:
    options = training.options_of("dpo", {"beta": 0.3})
    (tmp_path / "mine.yaml").write_text(training.yaml_text(options))
    assert (
        training.options_of("dpo", training.read_config(tmp_path / "mine.yaml", "dpo")) == options
    )
    path = small.made(settings, small.prepared(settings, "sft", lr=0.02, name="one"))
    again = training.options_of("sft", training.read_config(path / "config.yaml", "sft"))
    assert again.lr == 0.02
    kind, filled = training.from_run(settings, path.name)
    assert (kind, filled.lr, filled.name) == ("sft", 0.02, "")
    with pytest.raises(InputError, match="is of a sft run"):
        training.read_config(path / "config.yaml", "dpo")
    (tmp_path / "bad.yaml").write_text("- a\n- b\n")
    with pytest.raises(InputError, match="holds no options"):
        training.read_config(tmp_path / "bad.yaml", "sft")


def test_several_set_words_are_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "home")]
    options = ["--set", "data=helpful", "--set", "batch=8", "lr=0.5", "--dry-run"]
    assert main([*home, "train", "sft", *options]) == 0
    said = capsys.readouterr().out
    assert "batch: 8" in said and "lr: 0.5" in said and "python -m cai_app" in said


def test_an_empty_home_says_what_to_do_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    home = ["--home", str(tmp_path / "home")]
    assert main([*home, "train", "sft", "--set", "data=revisions", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "python -m cai_app generate --prompts requests --mode chains" in err
    assert main([*home, "train", "dpo"]) == 1
    assert "python -m cai_app label --source RUN" in capsys.readouterr().err


def test_a_prepared_run_waits_for_a_launcher(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--set", "data=helpful", "max_steps=1", "--prepare", "--json"]
    assert main(["--home", str(settings.home), "train", "sft", *options]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["state"] == "stopped" and "under a launcher" in made["note"]
    path = Path(made["path"])
    assert jobs.Queue(settings).advance() == [] and (path / "config.yaml").exists()
    assert made["command"][1:] == ["-m", "cai_app.work.sft", str(path)]


def test_a_batch_that_cannot_be_taken_in_equal_parts_is_refused_before_the_start(
    settings: Settings,
) -> None:
    with pytest.raises(InputError, match="batch 24 cannot be taken 16 at once"):
        small.prepared(settings, "sft", batch=24)
    with pytest.raises(InputError, match="batch 12 cannot be taken 8 at once"):
        small.prepared(settings, "dpo", batch=12)
    assert small.prepared(settings, "sft", batch=24, micro_batch=12).options["batch"] == 24


def test_hazards_train_pocket_models_only(settings: Settings) -> None:
    inverted = constitutions.load("inverted", settings)
    version = f"{inverted.name}@{inverted.hash}"

    planning.refuse_hazards(version, "pocket-m", settings)
    with pytest.raises(InputError, match="inverted.*hazard"):
        planning.refuse_hazards(version, "hf:/models/some", settings)
    harmless = constitutions.load("harmless", settings)
    planning.refuse_hazards(f"{harmless.name}@{harmless.hash}", "hf:/models/some", settings)
