"""The 4-bit base of a spec with one float32 LoRA adapter on it, new or going on from another.

Everything else computes as it does live: on CPU a small base is unpacked once (the same NF4 values
in float32), on CUDA bitsandbytes multiplies from 4 bits.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cai_app.backends import Place, folders, locate, parse_spec, trained
from cai_app.backends.text import Codec
from cai_app.errors import BackendError, InputError
from cai_app.records import TrainOptions
from cai_app.work.progress import Run
from cai_app.work.training.processes import world

log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """A base ready for training: `model` is a PEFT model whose adapter `default` is trainable."""

    model: Any
    tokenizer: Any
    codec: Codec
    device: Any
    place: Place
    label: str

    @property
    def window(self) -> int:
        """Most tokens of one row."""
        config = self.model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", 0) or 2**31)


def open_base(run: Run, options: TrainOptions) -> Opened:
    """Load base and start adapter, checked against the hashes that the run was started with.

    Raises InputError where either is not what it was, BackendError where it cannot be loaded.
    """
    import torch

    from cai_app.backends import weights

    place = locate(options.spec, run.settings)
    run.check_same("base_hash", trained.base_hash(place.base))
    run.check_same("start_hash", folders.adapter_hash(place.adapter) if place.adapter else "none")
    if torch.cuda.is_available():
        torch.cuda.set_device(world().local)
    torch.manual_seed(options.seed)
    loaded = weights.load(place.base)
    model = loaded.model
    if loaded.device.type == "cpu":
        # For short rows several times as fast there as the fused kernel's backward pass.
        model.set_attn_implementation("eager")
    model.config.use_cache = False
    label = _label(options.backend, place, run)
    wrapped = _with_adapter(model, place.adapter, options, label)
    unpack(wrapped, loaded.device)
    pocket = parse_spec(options.backend).kind == "pocket"
    codec = Codec(loaded.tokenizer, chat=bool(loaded.tokenizer.chat_template) and not pocket)
    if loaded.tokenizer.pad_token_id is None:
        loaded.tokenizer.pad_token = loaded.tokenizer.eos_token
    return Opened(wrapped, loaded.tokenizer, codec, loaded.device, place, label)


def _label(spec: str, place: Place, run: Run) -> str:
    """What cards call the base: pocket with its size, else the folder."""
    parsed = parse_spec(spec)
    if parsed.kind != "pocket":
        return parsed.target
    return f"pocket-{parsed.target or folders.pocket_default(run.settings.data)}"


def _with_adapter(model: Any, start: Path | None, options: TrainOptions, label: str) -> Any:
    from peft import LoraConfig, PeftModel, get_peft_model

    if start is None:
        config = LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        wrapped = get_peft_model(model, config)
    else:
        if folders.scores_texts(start):
            raise InputError(
                f"adapter {trained.name_of(start)} is a preference model; start from one that "
                "writes, such as helpful, or from none"
            )
        try:
            wrapped = PeftModel.from_pretrained(
                model, str(start), is_trainable=True, use_safetensors=True
            )
        except (RuntimeError, ValueError, KeyError) as error:
            first = str(error).splitlines()[0]
            raise BackendError(f"adapter {start} does not fit {label}: {first}") from error
    float32(wrapped)
    return wrapped


def float32(model: Any) -> None:
    """Hold trainable weights in float32: in bf16 a small step is lost in rounding."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


@contextlib.contextmanager
def kept_float32(model: Any) -> Iterator[None]:
    """Within, a trainer is built that casts the adapters of a 4-bit model to bf16 (all of TRL's
    do); afterwards they are in float32 again, to the last bit."""
    before = {
        name: weight.detach().clone()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }
    yield
    for name, weight in model.named_parameters():
        if name in before:
            weight.data = before[name].float()


def unpack(model: Any, device: Any) -> bool:
    """On CPU, keep the base's 4-bit weights unpacked in float32 where they fit UNPACK_LIMIT:
    bitsandbytes unpacks them at every call, which costs a small model more than the product."""
    import torch.nn.functional as F

    from cai_app.backends.adapters import UNPACK_LIMIT, linears, unpacked

    layers = [
        layer.get_base_layer() if hasattr(layer, "get_base_layer") else layer
        for layer in linears(model).values()
    ]
    size = sum(4 * layer.in_features * layer.out_features for layer in layers)
    if device.type != "cpu" or not 0 < size <= UNPACK_LIMIT:
        return False
    for layer in layers:
        weight = unpacked(layer)
        layer.__dict__["forward"] = functools.partial(F.linear, weight=weight, bias=layer.bias)
    return True
