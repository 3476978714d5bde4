"""One LoRA adapter: its files, whether it may go into a model at all, and in and out (PEFT)."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cai_app.backends import memory
from cai_app.backends.folders import read_json
from cai_app.errors import BackendError

HEAD = "score.weight"  # of a preference model; kept apart from the base


class Files(NamedTuple):
    """What an adapter's folder holds: PEFT's config, tensors by PEFT's names, perhaps a head."""

    folder: Path
    config: Any
    tensors: dict[str, torch.Tensor]
    head: torch.Tensor | None


def read(folder: Path, device: torch.device) -> Files:
    """An adapter's files. Raises BackendError where they are gone or damaged."""
    from peft import PeftConfig
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = PeftConfig.from_pretrained(str(folder))
        loaded = load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        if memory.ran_out(error):
            raise
        raise gone(folder, error) from error
    # A preference model's adapter is made for sequence classification; its head is kept apart.
    config.task_type, config.modules_to_save, config.inference_mode = None, None, True
    tensors = {
        name.removeprefix("base_model.model."): tensor.to(device) for name, tensor in loaded.items()
    }
    return Files(folder, config, tensors, tensors.pop(HEAD, None))


def gone(folder: Path, error: Exception) -> BackendError:
    """An adapter that was here, and cannot be read now."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BackendError(
        f"Adapter {str(folder)!r} is gone or damaged ({first}); choose another model."
    )


def check(files: Files, model: Any, linears: Collection[str] | None) -> None:
    """Raises BackendError for an adapter that would change the base, which all adapters share.

    `linears`: the only layers that may have LoRA, where the others could not be switched.
    """
    strange = next((name for name in files.tensors if ".lora_" not in name), None)
    if strange is not None:
        raise BackendError(
            f"Adapter {str(files.folder)!r} holds more than LoRA ({strange}), which would change "
            "the base for every other adapter; train it again on linear layers alone, without "
            "modules_to_save and saved embeddings."
        )
    if linears is None:
        return
    known = {path for path, _ in model.named_modules()}
    for name in files.tensors:
        path = name.rpartition(".lora_")[0]
        if path in known and path not in linears:
            raise BackendError(
                f"Adapter {str(files.folder)!r} has LoRA on {path}, which is not a 4-bit layer "
                'here; train it again with target_modules="all-linear".'
            )


def put(model: Any, files: Files, name: str) -> None:
    """Put an adapter into a model under a name. Raises BackendError where it does not fit, and may
    then leave half of it there."""
    from peft import inject_adapter_in_model, set_peft_model_state_dict

    try:
        inject_adapter_in_model(files.config, model, name)
        result = set_peft_model_state_dict(model, files.tensors, name)
    except (RuntimeError, ValueError, KeyError) as error:
        if memory.ran_out(error):
            raise
        base = read_json(files.folder / "adapter_config.json").get("base_model_name_or_path")
        raise BackendError(
            f"Adapter {str(files.folder)!r} does not fit this model (it was trained on {base!r}): "
            f"{str(error).splitlines()[0]} Choose the model it was trained on."
        ) from error
    if result.unexpected_keys:
        raise BackendError(
            f"Adapter {str(files.folder)!r} has weights this model has no place for "
            f"({result.unexpected_keys[0]}); choose the model it was trained on."
        )
    model.eval()


def layers(model: Any) -> list[Any]:
    """The layers that PEFT has wrapped."""
    from peft.tuners.lora import LoraLayer

    return [module for module in model.modules() if isinstance(module, LoraLayer)]


def remove(model: Any, name: str) -> None:
    """Take an adapter, or what there is of it, out of a model."""
    for layer in layers(model):
        others = [one for one in layer.active_adapters if one != name]
        layer.set_adapter(others, inference_mode=True)  # or PEFT would choose one, and warn
        layer.delete_adapter(name)
    (getattr(model, "peft_config", None) or {}).pop(name, None)
