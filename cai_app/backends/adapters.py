"""LoRA adapters by name on one shared base (PEFT), switched between steps of the decode loop."""

import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from cai_app.backends import lora, memory
from cai_app.backends.folders import fingerprint
from cai_app.errors import BackendError

Key = tuple[str, int, int] | None  # fingerprint of an adapter; None is the base alone


class Each(NamedTuple):
    """An adapter for every row of a batch."""

    keys: tuple[Key, ...]

    def rows(self, kept: Sequence[int]) -> "Each":
        """The same for the rows that are kept."""
        return Each(tuple(self.keys[n] for n in kept))


UNPACK_LIMIT = memory.UNPACK_LIMIT
KEPT = 4  # adapters that stay loaded while nobody uses them; each may take twice UNPACK_LIMIT


class Adapters:
    """Loads adapters into a base and makes one active. Used on the model's own thread only.

    On CPU, bitsandbytes unpacks 4-bit weights again at every call, which costs a small model more
    than the multiplication. Where the unpacked weights fit UNPACK_LIMIT they are therefore kept,
    one set an adapter with its update added: the same NF4 values in the same float32 arithmetic.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.active: Key | Each = None
        self.fused: dict[Key, Any] = {}  # what `lean` makes of an adapter; it goes with it
        self._names: dict[Key, str] = {}  # the least recently used first
        self._numbers = itertools.count()  # a name is never used again
        self._held: Counter[Key] = Counter()
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
        try:
            key = fingerprint(folder)
        except OSError as error:
            raise lora.gone(folder, error) from error
        if key in self._names:
            self._names[key] = self._names.pop(key)
        else:
            with torch.inference_mode(False), torch.no_grad():
                self._inject(folder, key)
        return key

    @contextlib.contextmanager
    def holding(self, folders: Sequence[Path | None]) -> Iterator[list[Key]]:
        """The keys of adapters, loaded where they are not here, None for the base; within, none of
        them is dropped. Of those that nobody holds, only the last few are kept."""
        keys: list[Key] = []
        try:
            for folder in folders:
                keys.append(self.load(folder) if folder else None)
                self._held[keys[-1]] += 1
            self._spare()
            yield keys
        finally:
            self._held.subtract(keys)
        self._spare()  # not where the work was closed: that may be on another thread

    def _spare(self) -> None:
        free = [key for key in self._names if not self._held[key]]
        for key in free[: max(0, len(free) - KEPT)]:
            self._drop(key)

    def learn(self, key: Key, config: Any, start: Path | None = None) -> list[torch.nn.Parameter]:
        """Add an adapter to be trained under this key, a copy of `start` or a new one of `config`
        (a LoraConfig); returns its weights, float32: RL-sized updates vanish below bf16."""
        from peft import inject_adapter_in_model

        with torch.inference_mode(False), torch.no_grad():
            if start is not None:
                self._inject(start, key)
            else:
                self._add(key, lambda name: inject_adapter_in_model(config, self.model, name))
        found = []
        for path, weight in self.model.named_parameters():
            weight.requires_grad_(mine := f".{self._names[key]}." in path)
            if mine:
                weight.data = weight.data.float()
                found.append(weight)
        self._switch(None)
        return found

    def refresh(self, key: Key) -> None:
        """Read an adapter's weights again after they were trained."""
        self.fused.pop(key, None)
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
            for layer in lora.layers(self.model):
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
        files = lora.read(folder, self.device)
        lora.check(files, self.model, self._linears if self.unpacked else None)
        self._add(key, lambda name: lora.put(self.model, files, name))
        if files.head is not None:
            self._heads[key] = files.head.float()

    def _add(self, key: Key, put: Callable[[str], None]) -> None:
        """Put an adapter in under a name of its own; one that fails leaves nothing behind."""
        name = self._names[key] = f"a{next(self._numbers)}"
        try:
            put(name)
            if self.unpacked:
                self._merge(key, name)
        except Exception:
            self._drop(key)
            raise
        self._switch(None)  # putting in activates

    def _drop(self, key: Key) -> None:
        """Take an adapter out, with everything that was made of it."""
        lora.remove(self.model, self._names.pop(key))
        self._heads.pop(key, None)
        self._forwards.pop(key, None)
        self.fused.pop(key, None)
        if self.unpacked:
            self._linears = linears(self.model)
        self._switch(None)

    def _merge(self, key: Key, name: str) -> None:
        forwards = dict(self._forwards[None])
        self._linears = linears(self.model)  # PEFT has put its layers around some of them
        for path, layer in self._linears.items():
            if name in getattr(layer, "lora_A", {}):
                weight = self._base[path] + layer.get_delta_weight(name).to(self._base[path])
                bias = layer.get_base_layer().bias
                forwards[path] = functools.partial(F.linear, weight=weight, bias=bias)
        self._forwards[key] = forwards

    def use(self, key: Key | Each) -> None:
        """Make an adapter (or the base alone) the active one, or one for each row of the batches
        that follow; free when it already is."""
        if key != self.active:
            self._switch(key)

    def _switch(self, key: Key | Each) -> None:
        if isinstance(key, Each):
            self._mix(key)
        elif self.unpacked:
            self._point(key)
        else:
            for layer in lora.layers(self.model):
                layer.__dict__.pop("forward", None)  # of a mixed batch
                layer.enable_adapters(key is not None)
                if key is not None:
                    layer.set_adapter([self._names[key]], inference_mode=True)
        self.active = key

    def _mix(self, each: Each) -> None:
        """Rows with the same adapter go through a layer together; the rest of the model, and so the
        batch, is one."""
        if self.unpacked:
            places: dict[Key, list[int]] = {}
            for row, key in enumerate(each.keys):
                places.setdefault(key, []).append(row)
            for path, layer in self._linears.items():
                forwards = {key: self._forwards[key].get(path) for key in places}
                base = self._forwards[None][path]
                parts = [(rows, forwards[key] or base) for key, rows in places.items()]
                layer.__dict__["forward"] = functools.partial(_by_rows, parts=parts)
            return
        names = ["__base__" if key is None else self._names[key] for key in each.keys]
        for layer in lora.layers(self.model):
            layer.enable_adapters(True)
            layer.__dict__["forward"] = functools.partial(
                type(layer).forward, layer, adapter_names=names
            )

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


def _by_rows(x: torch.Tensor, *, parts: Sequence[tuple[list[int], Any]]) -> torch.Tensor:
    """A layer on a batch [rows, …] whose rows have different weights."""
    found: torch.Tensor | None = None
    for rows, forward in parts:
        part = forward(x[rows])
        if found is None:
            found = part.new_empty(x.shape[0], *part.shape[1:])
        found[rows] = part
    assert found is not None, "a batch without rows"
    return found


def unpacked(layer: Any) -> torch.Tensor:
    """A 4-bit layer's weights [out, in] in float32."""
    from bitsandbytes.functional import dequantize_4bit

    weight = layer.weight
    return dequantize_4bit(weight.data, weight.quant_state).to(torch.float32)
