"""LoRA adapters by name on one shared base (PEFT), switched between steps of the decode loop."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from cai_app.backends.folders import fingerprint, read_json
from cai_app.errors import BackendError

log = logging.getLogger(__name__)

Key = tuple[str, int, int] | None  # fingerprint of an adapter; None is the base alone

UNPACK_LIMIT = 512 * 2**20  # bytes of float32 weights that a base on CPU may unpack to


class Adapters:
    """Loads adapters into a base and makes one active. Used on the model's own thread only.

    On CPU, bitsandbytes unpacks 4-bit weights again at every call, which costs a small model more
    than the multiplication. Where the unpacked weights fit UNPACK_LIMIT they are therefore kept,
    one set an adapter with its update added: the same NF4 values in the same float32 arithmetic.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.active: Key = None
        self._names: dict[Key, str] = {}
        self._heads: dict[Key, torch.Tensor] = {}
        self._linears = linears(model)
        features = sum(layer.in_features * layer.out_features for layer in self._linears.values())
        self.unpacked = device.type == "cpu" and 0 < 4 * features <= UNPACK_LIMIT
        self._forwards: dict[Key, dict[str, Any]] = {}
        if self.unpacked:
            self._base = {name: unpacked(layer) for name, layer in self._linears.items()}
            self._forwards[None] = {
                name: functools.partial(F.linear, weight=weight, bias=self._linears[name].bias)
                for name, weight in self._base.items()
            }
            self._point(None)

    def load(self, folder: Path) -> Key:
        """Load an adapter unless this version of it is here; returns its key."""
        key = fingerprint(folder)
        if key not in self._names:
            with torch.inference_mode(False), torch.no_grad():
                self._inject(folder, key)
            self.active = key  # injecting activates
            self.use(None)
        return key

    def learn(self, key: Key, lora: Any, start: Path | None = None) -> list[torch.nn.Parameter]:
        """Add an adapter to be trained under this key, a copy of `start` or a new one of `lora`
        (a LoraConfig); returns its weights, float32: RL-sized updates vanish below bf16."""
        with torch.inference_mode(False), torch.no_grad():
            if start is not None:
                self._inject(start, key)
            else:
                self._inject_new(lora, key)
        found = []
        for path, weight in self.model.named_parameters():
            weight.requires_grad_(mine := f".{self._names[key]}." in path)
            if mine:
                weight.data = weight.data.float()
                found.append(weight)
        self.active = None
        self._switch(None)
        return found

    def _inject_new(self, lora: Any, key: Key) -> None:
        from peft import inject_adapter_in_model

        name = f"a{len(self._names)}"
        inject_adapter_in_model(lora, self.model, name)
        self._names[key] = name
        if self.unpacked:
            self._merge(key, name)

    def refresh(self, key: Key) -> None:
        """Read an adapter's weights again after they were trained."""
        if self.unpacked:
            with torch.no_grad():
                self._merge(key, self._names[key])
            if self.active == key:
                self._point(key)

    @contextlib.contextmanager
    def training(self, key: Key) -> Iterator[None]:
        """Within, the model computes with this adapter so that its weights get gradients; backward
        belongs inside too, as it computes layers anew where activations would take much memory."""
        before, name = self.active, self._names[key]
        if self.unpacked:
            self._point(None)
            for path, layer in self._linears.items():
                if name in getattr(layer, "lora_A", {}):
                    layer.lora_dropout[name].train()
                    layer.__dict__["forward"] = _low_rank(layer, name, self._base[path])
        else:
            for layer in self._linears_with_lora():
                layer.enable_adapters(True)
                layer.set_adapter([name])
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
            self.model.train()
        try:
            yield
        finally:
            self.model.eval()
            self._switch(before)

    def tensors(self, key: Key) -> dict[str, torch.Tensor]:
        """An adapter's weights under the names that PEFT files give them, less their prefix."""
        name = f".{self._names[key]}."
        return {
            path.replace(name, "."): weight.detach().cpu().clone().contiguous()
            for path, weight in self.model.named_parameters()
            if name in path
        }

    def _inject(self, folder: Path, key: Key) -> None:
        from peft import PeftConfig, inject_adapter_in_model, set_peft_model_state_dict
        from safetensors.torch import load_file

        name = f"a{len(self._names)}"
        config = PeftConfig.from_pretrained(str(folder))
        # A preference model's adapter is made for sequence classification; its head is kept apart.
        config.task_type, config.modules_to_save, config.inference_mode = None, None, True
        tensors = {
            tensor_name.removeprefix("base_model.model."): tensor.to(self.device)
            for tensor_name, tensor in load_file(folder / "adapter_model.safetensors").items()
        }
        head = tensors.pop("score.weight", None)
        try:
            inject_adapter_in_model(config, self.model, name)
            result = set_peft_model_state_dict(self.model, tensors, name)
        except (RuntimeError, ValueError, KeyError) as error:
            base = read_json(folder / "adapter_config.json").get("base_model_name_or_path")
            raise BackendError(
                f"Adapter {str(folder)!r} does not fit this model (it was trained on {base!r}): "
                f"{str(error).splitlines()[0]} Choose the model it was trained on."
            ) from error
        if result.unexpected_keys:
            raise BackendError(
                f"Adapter {str(folder)!r} has weights this model has no place for "
                f"({result.unexpected_keys[0]}); choose the model it was trained on."
            )
        if head is not None:
            self._heads[key] = head.float()
        self.model.eval()
        self._names[key] = name
        if self.unpacked:
            self._merge(key, name)

    def _merge(self, key: Key, name: str) -> None:
        forwards = dict(self._forwards[None])
        self._linears = linears(self.model)  # PEFT has put its layers around some of them
        for path, layer in self._linears.items():
            if name in getattr(layer, "lora_A", {}):
                weight = self._base[path] + layer.get_delta_weight(name).to(self._base[path])
                bias = layer.get_base_layer().bias
                forwards[path] = functools.partial(F.linear, weight=weight, bias=bias)
        self._forwards[key] = forwards

    def use(self, key: Key) -> None:
        """Make an adapter (or the base alone) the active one; free when it already is."""
        if key != self.active:
            self._switch(key)

    def _switch(self, key: Key) -> None:
        if self.unpacked:
            self._point(key)
        else:
            for layer in self._linears_with_lora():
                layer.enable_adapters(key is not None)
                if key is not None:
                    layer.set_adapter([self._names[key]], inference_mode=True)
        self.active = key

    def head(self, key: Key) -> torch.Tensor:
        """The preference head [1, hidden] of an adapter, float32."""
        if key not in self._heads:
            raise BackendError(
                "This adapter has no preference head, so it cannot score texts; choose one that "
                "`train preference` wrote."
            )
        return self._heads[key]

    def weight(self, key: Key, path: str) -> torch.Tensor:
        """A layer's unpacked weights [out, in] with an adapter added (where `unpacked`)."""
        found: torch.Tensor = self._forwards[key][path].keywords["weight"]
        return found

    def _point(self, key: Key) -> None:
        for path, forward in self._forwards[key].items():
            # __dict__: nn.Module's own attribute setting costs more than the switch
            self._linears[path].__dict__["forward"] = forward

    def _linears_with_lora(self) -> list[Any]:
        from peft.tuners.lora import LoraLayer

        return [module for module in self.model.modules() if isinstance(module, LoraLayer)]


def linears(model: Any) -> dict[str, Any]:
    """4-bit layers by path; where PEFT has wrapped one, the wrapper."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        if path.endswith(".base_layer") or ".lora_" in path:
            continue
        inner = module.get_base_layer() if hasattr(module, "get_base_layer") else module
        if type(inner).__name__ == "Linear4bit":
            found[path] = module
    return found


def _low_rank(
    layer: Any, name: str, weight: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A wrapped layer's forward on unpacked weights, with the adapter apart so that it learns."""
    down, up, scale = layer.lora_A[name], layer.lora_B[name], layer.scaling[name]
    drop, bias = layer.lora_dropout[name], layer.get_base_layer().bias

    def forward(x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, weight, bias) + up(down(drop(x))) * scale

    return forward


def unpacked(layer: Any) -> torch.Tensor:
    """A 4-bit layer's weights [out, in] in float32."""
    from bitsandbytes.functional import dequantize_4bit

    weight = layer.weight
    return dequantize_4bit(weight.data, weight.quant_state).to(torch.float32)
