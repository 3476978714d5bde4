"""The workbench: models opened once, chains that replay, examples, JSON in and out."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import ScriptedBackend

from cai_app.backends import trained
from cai_app.critique import ChainConfig, ChainEnded
from cai_app.errors import InputError
from cai_app.judge import JudgeConfig, Judged
from cai_app.records import ModelInfo, Transcript
from cai_app.settings import Settings
from cai_app.workbench import (
    Workbench,
    critique_json,
    judge_json,
)
from cai_app.workbench.models import specs_of

ASK = "Can you help me hack into my neighbor's wifi?"


def bench(settings: Settings, backend: ScriptedBackend) -> Workbench:
    return Workbench(settings, opener=lambda spec, _: backend)


def chain(workbench: Workbench, config: ChainConfig) -> Transcript:
    *_, last = workbench.chain(ASK, config, backend="scripted", constitution="harmless")
    assert isinstance(last, ChainEnded)
    return last.transcript


def test_a_model_is_opened_once_and_shared(settings: Settings) -> None:
    opened: list[str] = []

    def opener(spec: str, _: Settings) -> ScriptedBackend:
        opened.append(spec)
        return ScriptedBackend()

    workbench = Workbench(settings, opener=opener)
    workbench.prepare("one")
    assert workbench.open(" one ") is workbench.open("one") is not workbench.open("two")
    assert opened == ["one", "two"]


def test_what_prepare_refuses_shows_in_models_and_is_tried_again(settings: Settings) -> None:
    tries: list[str] = []

    def opener(spec: str, _: Settings) -> ScriptedBackend:
        tries.append(spec)
        if len(tries) == 1:
            raise InputError("no such folder; check the path")
        return ScriptedBackend()

    workbench = Workbench(settings, opener=opener)
    workbench.prepare("hf:x")
    assert workbench.models()[-1].note == "no such folder; check the path"
    workbench.open("hf:x")
    assert workbench.models()[-1].state == "ready"


def test_an_adapter_that_a_training_made_meanwhile_is_offered(settings: Settings) -> None:
    workbench = Workbench(settings)
    workbench.open("pocket")
    made = settings.home / "adapters" / "mine"
    shutil.copytree(settings.data / "pocket" / "adapters" / "m" / "helpful", made)
    base = trained.base_hash(settings.data / "pocket" / "m")
    (made / trained.FACTS).write_text(json.dumps({"base_hash": base}), encoding="utf-8")
    found = {info.spec: info for info in workbench.models()}
    assert "mine" in found["pocket"].adapters
    assert "pocket@mine" in specs_of(list(found.values()))
    workbench.close()


def test_sizes_with_adapters_of_the_same_names_are_offered_without_them_too() -> None:
    small, large = (
        ModelInfo(spec=spec, parameters=size, adapters=("helpful",), adapter="helpful")
        for spec, size in (("pocket-s", 1), ("pocket-l", 2))
    )
    usual = small.model_copy(update={"spec": "pocket"})
    assert specs_of([usual, small, large]) == [
        "pocket", "pocket@none", "pocket-s", "pocket-l", "pocket-l@none"
    ]  # fmt: skip


def test_preference_models_are_offered_only_where_they_may_score(settings: Settings) -> None:
    workbench = Workbench(settings)
    writing, scoring = workbench.model_specs(), workbench.model_specs(scoring=True)
    assert "pocket@sl-cai" in writing and "pocket@pm" not in writing
    assert set(scoring) - set(writing) == {"pocket@pm"}


def test_a_damaged_shipped_size_says_so_and_leaves_the_others(
    settings: Settings, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for size in ("m", "s"):
        for place in ("", "adapters"):
            whole = settings.data / "pocket" / place / "m"
            shutil.copytree(whole, data / "pocket" / place / size)
    shutil.copy(settings.data / "pocket" / "default.txt", data / "pocket")
    (data / "pocket" / "s" / "model.safetensors").write_bytes(b"half a file")
    workbench = Workbench(settings.model_copy(update={"data": data}))
    found = {info.spec: info for info in workbench.models()}
    assert found["pocket-s"].state == "failed" and found["pocket-s"].note
    assert found["pocket"].parameters and found["pocket"].state == "available"


def test_a_model_whose_weights_failed_is_opened_afresh(settings: Settings) -> None:
    class Failed(ScriptedBackend):
        def info(self) -> ModelInfo:
            return ModelInfo(spec="x", state="failed")

    made = iter([Failed(), ScriptedBackend()])
    workbench = Workbench(settings, opener=lambda spec, _: next(made))
    assert isinstance(workbench.open("x"), Failed)
    assert not isinstance(workbench.open("x"), Failed)


def test_an_empty_spec_is_refused(settings: Settings) -> None:
    with pytest.raises(InputError, match="no model is chosen"):
        Workbench(settings).open(" ")


def test_an_unknown_spec_lists_the_forms(settings: Settings) -> None:
    with pytest.raises(InputError, match="nope.*pocket"):
        Workbench(settings).open("nope")


def test_critique_json_has_the_promised_fields(settings: Settings) -> None:
    made = chain(bench(settings, ScriptedBackend("D", "C", "D")), ChainConfig(seed=4))
    found = critique_json(made)
    assert list(found) == [
        "prompt", "backend", "adapter", "constitution", "seed", "draft", "rounds", "revision"
    ]  # fmt: skip
    assert found["draft"] == found["revision"] == "D"
    assert list(found["constitution"]) == ["name", "hash"]
    (only,) = found["rounds"]
    assert (only["critique"], only["revision"], only["flags"]) == ("C", "D", ["unchanged"])


def test_direct_json_has_no_critique(settings: Settings) -> None:
    made = chain(bench(settings, ScriptedBackend("D", "R")), ChainConfig(direct=True))
    assert critique_json(made)["rounds"][0]["critique"] is None


def test_judge_json_has_the_promised_fields(settings: Settings) -> None:
    workbench = bench(settings, ScriptedBackend(p_first=[0.3, 0.9]))
    *_, last = workbench.compare(
        ASK, "Sure.", "No.", JudgeConfig(), backend="scripted", constitution="harmless"
    )
    assert isinstance(last, Judged)
    found = judge_json(last.verdict)
    assert found["p_a"] == pytest.approx(0.2)
    assert [list(order) for order in found["orders"]] == [["first", "p_a", "lost_mass"]] * 2
    assert found["rationale"] is found["unscored_reason"] is None


def test_examples_are_harmful_and_harmless_in_turn(settings: Settings) -> None:
    workbench = Workbench(settings)
    assert workbench.examples()[0] == ASK
    assert len(workbench.examples()) == 8
    assert {"prompt", "a", "b"} == set(workbench.pairs()[0])


def test_near_examples_share_words_and_hold_none_that_the_model_never_saw(
    settings: Settings,
) -> None:
    workbench = Workbench(settings)
    backend = workbench.open("pocket")
    near = workbench.near_examples("hack the wifi of my xylophonist", backend)
    assert near[0] == ASK
    assert len(near) == 3
    shown = workbench.near_examples("How can I burgle my neighbor's house?", backend)
    assert len(shown) == 3 and not any(backend.unknown_words(text) for text in shown)
    workbench.close()


def test_a_space_is_read_only(tmp_path: Path) -> None:
    assert Workbench(Settings(home=tmp_path, space=True)).read_only
    assert not Workbench(Settings(home=tmp_path)).read_only
