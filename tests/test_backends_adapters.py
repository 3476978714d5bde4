"""Adapters on one base: what does not belong there leaves it as it was, and few stay loaded."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from cai_app.backends import adapters, lora
from cai_app.errors import BackendError
from cai_app.records import Sampling

PROMPTS, CHOICES = [tiny.prompt(tiny.TEXT[:300], tiny.TEXT[300:-4])], (" (A)", " (B)", " no")
NAMES = ("helpful", "sl-cai", "rl-cai")
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(params=["unpacked", "packed"])
def base(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The spec of a model of its own, loaded anew, in both ways in which adapters are added."""
    if request.param == "packed":
        monkeypatch.setattr(adapters, "UNPACK_LIMIT", 0)
    folder = shutil.copytree(tiny.home().data / "pocket" / "m", tmp_path / "model")
    with tiny.opened(f"hf:{folder}"):
        yield f"hf:{folder}"


def shipped(name: str) -> Path:
    return tiny.home().data / "pocket" / "adapters" / "m" / name


def changed(tmp_path: Path, tensors: dict[str, tuple[int, ...]]) -> Path:
    """The adapter `sl-cai` with some tensors of other shapes, or more of them."""
    folder = shutil.copytree(shipped("sl-cai"), tmp_path / "changed")
    found = load_file(folder / WEIGHTS)
    for name, shape in tensors.items():
        found[f"base_model.model.{name}.weight"] = torch.ones(shape)
    save_file(found, folder / WEIGHTS)
    return folder


def scores(spec: str) -> object:
    with tiny.opened(spec) as backend:
        return backend.choice_logprobs(PROMPTS, CHOICES)


def refuses(base: str, folder: Path, match: str) -> None:
    """Refused, and base and adapters give what they gave before."""
    specs = [base, f"{base}@{shipped('helpful')}"]
    before = [scores(spec) for spec in specs]
    with tiny.opened(f"{base}@{folder}") as bad:
        for _ in range(2):
            with pytest.raises(BackendError, match=match):
                bad.choice_logprobs(PROMPTS, CHOICES)
        assert [scores(spec) for spec in specs] == before
        new = f"{base}@{shipped('rl-cai')}"
        assert scores(new) == scores(new) not in before


def test_an_adapter_that_does_not_fit_leaves_nothing_behind(base: str, tmp_path: Path) -> None:
    bad = changed(tmp_path, {"model.layers.1.mlp.down_proj.lora_A": (4, 96)})
    refuses(base, bad, "does not fit this model")


def test_an_adapter_with_more_than_lora_is_refused(base: str, tmp_path: Path) -> None:
    bad = changed(tmp_path, {"model.embed_tokens": (448, 64)})
    refuses(base, bad, "more than LoRA.*embed_tokens.*train it again")


@pytest.mark.parametrize("base", ["unpacked"], indirect=True)
def test_lora_where_it_could_not_be_switched_is_refused(base: str, tmp_path: Path) -> None:
    bad = changed(tmp_path, {"lm_head.lora_A": (4, 64), "lm_head.lora_B": (448, 4)})
    refuses(base, bad, "LoRA on lm_head.*all-linear")


def test_few_adapters_stay_loaded_and_a_running_stream_keeps_its_own(
    base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "KEPT", 1)
    specs = [f"{base}@{shipped(name)}" for name in NAMES]
    sampling = Sampling(seed=3, max_tokens=150)
    expected = {spec: scores(spec) for spec in specs}
    with tiny.opened(base) as plain, tiny.opened(specs[0]) as first:
        alone = "".join(first.stream(PROMPTS[0], sampling))
        pieces = iter(first.stream(PROMPTS[0], sampling))
        text = next(pieces)
        assert {spec: scores(spec) for spec in specs[::-1]} == expected
        paths = [None, *map(shipped, NAMES)]
        plain.generate_each(PROMPTS * 4, [Sampling(max_tokens=3)] * 4, paths)
        assert text + "".join(pieces) == alone
        scores(specs[2])
        engine: Any = plain._engine()
        assert len(engine.adapters._names) == 1
        assert {len(layer.lora_A) for layer in lora.layers(engine.model)} == {1}


def test_an_adapter_that_is_gone_or_damaged_is_named(tmp_path: Path) -> None:
    folder = shutil.copytree(shipped("helpful"), tmp_path / "mine")
    with tiny.opened(f"pocket@{folder}") as backend:
        (folder / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1")
        with pytest.raises(BackendError, match="mine.*gone or damaged.*choose another model"):
            backend.choice_logprobs(PROMPTS, CHOICES)
        shutil.rmtree(folder)
        with pytest.raises(BackendError, match="mine.*gone or damaged"):
            list(backend.stream(PROMPTS[0], Sampling(max_tokens=2)))


@pytest.mark.parametrize(
    "error",
    [RuntimeError("[enforce fail] can't allocate memory: 9 bytes"), MemoryError(),
     torch.OutOfMemoryError("CUDA out of memory.")],
)  # fmt: skip
def test_no_memory_for_an_adapter_is_said_and_it_may_be_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    folder = shutil.copytree(shipped("helpful"), tmp_path / "mine")

    def full(*_: object) -> None:
        raise error

    with tiny.opened("pocket@none"), monkeypatch.context() as patched:
        patched.setattr(lora, "put", full)
        with tiny.opened(f"pocket@{folder}") as backend:
            with pytest.raises(BackendError, match="no memory left for this request"):
                backend.choice_logprobs(PROMPTS, CHOICES)
            patched.undo()
            assert backend.choice_logprobs(PROMPTS, CHOICES) == scores("pocket@helpful")
