"""Spec strings, and what opening says when something is not there."""

import json
import re
import shutil
from pathlib import Path

import pytest
import tiny

from cai_app.backends import describe, folders, memory, open_backend, parse_spec, pocket_specs
from cai_app.errors import BackendError, InputError
from cai_app.records import Sampling
from cai_app.settings import Settings


@pytest.mark.parametrize(
    ("spec", "kind", "target", "adapter", "model"),
    [
        ("pocket", "pocket", "", None, None),
        ("pocket@none", "pocket", "", "none", None),
        ("pocket@sl-cai", "pocket", "", "sl-cai", None),
        ("pocket-s", "pocket", "s", None, None),
        ("pocket-l@helpful", "pocket", "l", "helpful", None),
        ("hf:/models/llama", "hf", "/models/llama", None, None),
        ("hf:org/name@runs/1/adapter", "hf", "org/name", "runs/1/adapter", None),
        ("openai:http://localhost:8000#llama", "openai", "http://localhost:8000", None, "llama"),
    ],
)
def test_every_form_of_a_spec_is_read(
    spec: str, kind: str, target: str, adapter: str | None, model: str | None
) -> None:
    found = parse_spec(spec)
    assert (found.kind, found.target, found.adapter, found.model) == (kind, target, adapter, model)


@pytest.mark.parametrize(
    "spec",
    ["", "gpt-4", "pocket-x", "pocket@", "pocketm", "hf:", "hf:@a", "openai:localhost#x",
     "openai:http://localhost:8000"],
)  # fmt: skip
def test_another_form_is_an_error_that_lists_the_forms(spec: str) -> None:
    with pytest.raises(InputError, match=re.escape("hf:<path-or-id>[@adapter-dir]")):
        parse_spec(spec)


def refused(spec: str, settings: Settings | None = None) -> str:
    """What opening says: one line, ending as a sentence does."""
    with pytest.raises(InputError) as caught:
        open_backend(spec, settings or tiny.home())
    message = str(caught.value)
    assert "\n" not in message and message.endswith((".", ").")), message
    return message


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert "no model folder" in refused(f"hf:{tmp_path}/nothing")
    assert "no config.json" in refused(f"hf:{tmp_path}")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_text("")
    assert "no *.safetensors" in refused(f"hf:{tmp_path}")
    for id in ("nobody/nothing", "no-such-model"):
        said = refused(f"hf:{id}")
        assert "neither a folder here" in said and f"`hf download {id}`" in said
    model = tiny.home().data / "pocket" / "m"
    assert "no adapter_config.json" in refused(f"hf:{model}@{tmp_path}")
    assert "helpful, pm, rl-cai, sl-cai, none" in refused("pocket@foo")
    assert "no model folder" in refused(
        "pocket-s", tiny.home().model_copy(update={"data": tmp_path})
    )


def test_an_adapter_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING"}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    assert "only plain LoRA" in refused(f"pocket@{tmp_path}")


def test_weights_that_cannot_be_loaded_fail_every_request_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    weights = len(header).to_bytes(8, "little") + header + bytes(4)
    (tmp_path / "model.safetensors").write_bytes(weights)
    backend = open_backend(f"hf:{tmp_path}", tiny.home())
    for _ in range(2):
        with pytest.raises(BackendError, match="cannot be loaded") as caught:
            backend.generate([tiny.prompt("hello")], [Sampling(max_tokens=1)])
        assert "\n" not in str(caught.value)
    with pytest.raises(BackendError, match="cannot be loaded"):
        list(backend.stream(tiny.prompt("hello"), Sampling(max_tokens=1)))
    assert backend.info().state == "failed"
    backend.close()


def test_a_model_with_other_state_than_keys_and_values_is_refused(tmp_path: Path) -> None:
    header = b"{}"
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "config.json").write_text('{"layer_types": ["linear_attention"]}')
    backend = open_backend(f"hf:{tmp_path}", tiny.home())
    with pytest.raises(InputError, match="other than keys and values"):
        backend.count_tokens("x")
    backend.close()


def test_models_can_be_listed_without_opening_them() -> None:
    info = describe("pocket", tiny.home())
    assert info.adapter == "helpful" and info.state == "available"
    assert info.adapters == ("helpful", "pm", "rl-cai", "sl-cai")
    assert info.parameters == 102_720
    assert describe("pocket@none", tiny.home()).adapter is None
    assert pocket_specs(tiny.home()) == ("pocket", "pocket-m")


@pytest.mark.parametrize(
    "weights",
    [b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", b"half", bytes(9),
     (5).to_bytes(8, "little") + b"xxxxx"],
)  # fmt: skip
def test_weights_that_are_damaged_or_a_pointer_are_named(weights: bytes, tmp_path: Path) -> None:
    model = shutil.copytree(tiny.home().data / "pocket" / "m", tmp_path / "model")
    (model / "model.safetensors").write_bytes(weights)
    with pytest.raises(BackendError, match="model.safetensors is damaged.*fetch it again"):
        describe(f"hf:{model}", tiny.home())


def test_an_id_without_an_owner_is_looked_up_in_the_cache_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny.home().data / "pocket" / "m"
    asked: list[str] = []

    def cached(name: str, **_: object) -> str:
        asked.append(name)
        return str(model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    assert folders.model_folder("old-name") == model.resolve()
    assert asked == ["old-name"]


def test_weights_that_lie_there_twice_count_once(tmp_path: Path) -> None:
    model = shutil.copytree(tiny.home().data / "pocket" / "m", tmp_path / "model")
    shutil.copy(model / "model.safetensors", model / "consolidated.safetensors")
    needed = memory.needed("pocket@none", tiny.home())
    assert describe(f"hf:{model}", tiny.home()).parameters == 102_720
    part = "model-00001-of-00002.safetensors"
    (model / "model.safetensors").rename(model / part)
    index = model / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"one": part, "other": part}}))
    assert describe(f"hf:{model}", tiny.home()).parameters == 102_720
    assert memory.needed(f"hf:{model}", tiny.home()) == needed
    index.write_text(json.dumps({"weight_map": {"one": part, "other": "model-00002.safetensors"}}))
    assert "has no model-00002.safetensors, which" in refused(f"hf:{model}")


def test_a_small_base_on_cpu_is_expected_to_be_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = 4 * (102_720 - 448 * 64)
    for gpu, sets in ((True, 0), (False, 1)):
        monkeypatch.setattr(memory, "is_gpu", lambda device, gpu=gpu: gpu)
        bare, adapted = (memory.needed(spec, tiny.home()) for spec in ("pocket@none", "pocket"))
        assert adapted - bare == sets * linear
    monkeypatch.setattr(memory, "UNPACK_LIMIT", linear - 1)
    assert memory.needed("pocket", tiny.home()) == memory.needed("pocket@none", tiny.home())
