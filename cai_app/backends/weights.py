"""Load a causal language model in 4-bit NF4 from a local folder, on CPU or GPU."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cai_app.backends import memory
from cai_app.backends.folders import read_json
from cai_app.errors import BackendError, InputError

log = logging.getLogger(__name__)


class Weights(NamedTuple):
    """A loaded base model and what the page says of it."""

    model: Any
    tokenizer: Any
    device: torch.device
    quantization: str
    note: str


def load(folder: Path, *, nf4: bool = True) -> Weights:
    """Load model and tokenizer. Local files, safetensors, no code from the folder.

    `nf4` off keeps bf16, to compare the two.
    """
    from transformers import AutoTokenizer

    _quiet()
    _check_architecture(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    quantize = nf4 and has_nf4(device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        model = _model(folder, device, quantize)
    except (OSError, ValueError, KeyError) as error:
        if memory.ran_out(error):
            raise _no_memory(folder) from error
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BackendError(f"Model {str(folder)!r} cannot be loaded: {first}") from error
    except (RuntimeError, MemoryError) as error:  # torch's own is a RuntimeError
        if memory.ran_out(error):
            raise _no_memory(folder) from error
        raise
    _try_out(model, folder, device)
    missing = nf4 and not quantize
    note = "no NF4 kernel on this machine: weights are bf16, not 4-bit" if missing else ""
    return Weights(model, tokenizer, device, "nf4" if quantize else "bf16", note)


def _no_memory(folder: Path) -> BackendError:
    return BackendError(
        f"Model {str(folder)!r} does not fit the device's free memory (out of memory); choose a "
        "smaller model or stop the run that holds the device."
    )


def _quiet() -> None:
    """No progress bars and notes on standard error, and no questions to the Hub (before import)."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")


def has_nf4(device: torch.device) -> bool:
    """Whether bitsandbytes can quantize to NF4 here (it has no kernel on macOS, for example)."""
    try:
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit

        packed, state = quantize_4bit(torch.ones(64, 64, device=device), quant_type="nf4")
        dequantize_4bit(packed, state)
    except (ImportError, RuntimeError, NotImplementedError, AttributeError) as error:
        log.warning("bitsandbytes has no NF4 here: %s", error)
        return False
    return True


def _model(folder: Path, device: torch.device, quantize: bool) -> Any:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    # float32 on CPU: as fast for one stream as bf16, and the same bits however a batch is made up.
    dtype = torch.float32 if device.type == "cpu" and quantize else torch.bfloat16
    options: dict[str, Any] = {}
    if quantize:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    model = AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=dtype,
        # Under several processes each has a GPU of its own, and its number must be said.
        device_map={"": torch.cuda.current_device() if device.type == "cuda" else device},
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        **options,
    )
    for module in model.modules():
        # Else bitsandbytes computes in bf16 on CPUs that have AVX512-BF16, whatever was asked for.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model.eval()


def _check_architecture(folder: Path) -> None:
    config = read_json(folder / "config.json")
    text = config.get("text_config", config)
    kinds = set(text.get("layer_types") or ())
    if kinds - {"full_attention", "sliding_attention"} or config.get("is_encoder_decoder"):
        raise InputError(
            f"Model {str(folder)!r} ({config.get('model_type')}) keeps a state other than keys and "
            "values; choose a decoder-only attention model such as Llama, Qwen or Mistral."
        )


def _try_out(model: Any, folder: Path, device: torch.device) -> None:
    """One short pass: sizes that no 4-bit kernel takes show here, not in the middle of a stream."""
    try:
        with torch.inference_mode():
            model(input_ids=torch.zeros(1, 2, dtype=torch.long, device=device))
    except RuntimeError as error:
        if memory.ran_out(error):
            raise _no_memory(folder) from error
        first = str(error).splitlines()[0]
        raise BackendError(
            f"Model {str(folder)!r} does not run in 4-bit here ({first}); every linear layer needs "
            "in and out features that are multiples of 64."
        ) from error
