"""What a model is expected to need, and what a device has left; asks no torch."""

import subprocess
from functools import cache
from pathlib import Path

from cai_app.backends import folders
from cai_app.settings import Settings

# Python, torch and transformers themselves; on a GPU the context that CUDA takes.
OVERHEAD = 700 * 2**20
NF4_BYTES = 0.56  # a parameter, block constants included
WINDOW = 2048
UNPACK_LIMIT = 512 * 2**20  # bytes of float32 weights that a base on CPU may unpack to
_RAN_OUT = ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")


def needed(spec: str, settings: Settings, *, rows: int = 1) -> int:
    """Bytes that a model takes for `rows` texts at once, by its config; 0 for a remote one.

    Linear layers in NF4, embeddings and the key/value cache in float32, one window a row. On CPU a
    small base is unpacked besides, once more with the spec's adapter.
    """
    from cai_app.backends import parse_spec

    parsed = parse_spec(spec)
    if parsed.kind == "openai":
        return 0
    if parsed.kind == "pocket":
        size = parsed.target or folders.pocket_default(settings.data)
        folder = folders.check_model(settings.data / "pocket" / size)
    else:
        folder = folders.model_folder(parsed.target)
    config = folders.read_json(folder / "config.json")
    heads = config.get("num_attention_heads") or 1
    hidden = config.get("hidden_size") or 0
    head = config.get("head_dim") or hidden // heads
    per_token = 2 * 4 * head * (config.get("num_key_value_heads") or heads)
    window = min(config.get("max_position_embeddings") or WINDOW, WINDOW)
    cache_bytes = rows * window * per_token * (config.get("num_hidden_layers") or 0)
    parameters = folders.count_parameters(folder)
    embeddings = min(parameters, hidden * (config.get("vocab_size") or 0))
    linear = parameters - embeddings
    adapter = parsed.adapter or (folders.DEFAULT_ADAPTER if parsed.kind == "pocket" else "none")
    sets = 1 if adapter == "none" else 2
    unpacked = 4 * linear if not is_gpu(0) and 4 * linear <= UNPACK_LIMIT else 0
    return int(OVERHEAD + linear * NF4_BYTES + sets * unpacked + embeddings * 4 + cache_bytes)


def training(spec: str, settings: Settings, *, tokens: int, longest: int, rank: int) -> int:
    """Bytes that training an adapter of this rank on a local base takes, with `tokens` tokens in
    rows of at most `longest` at once on the device.

    Beside the base: float32 adapter, gradient and two moments; what the backward pass keeps of
    every layer; logits, their softmax and its gradient.
    """
    from cai_app.backends import locate

    config = folders.read_json(locate(spec, settings).base / "config.json")
    hidden, layers = config.get("hidden_size") or 0, config.get("num_hidden_layers") or 0
    inner = config.get("intermediate_size") or 4 * hidden
    heads = config.get("num_attention_heads") or 1
    adapter = layers * rank * (4 * 2 * hidden + 3 * (hidden + inner))
    gpu = is_gpu(0)
    width = 2 if gpu else 4
    # On a GPU only each layer's input is kept, and one layer at a time is computed again.
    layer = tokens * (14 * hidden + 6 * inner) * width + tokens * longest * heads * 2 * width
    kept = layer + layers * tokens * hidden * width if gpu else layers * layer
    logits = 3 * 4 * tokens * (config.get("vocab_size") or 0)
    return int(needed(spec, settings, rows=0) + 16 * adapter + kept + logits)


@cache
def is_gpu(device: int) -> bool:
    """Whether this device is a CUDA one that the driver knows."""
    return _free_on_gpu(device) is not None


def free(device: int) -> int | None:
    """Bytes free on the device: the GPU's, else the machine's; None where nobody can say."""
    found = _free_on_gpu(device)
    if found is not None:
        return found
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    values = dict(line.split(":", 1) for line in lines)
    return int(values["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in values else None


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there was no memory left: torch on CPU, CUDA and the system each
    have words of their own for it."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _RAN_OUT)


def text(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _free_on_gpu(device: int) -> int | None:
    asked = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        ran = subprocess.run(
            [*asked, f"--id={device}"], capture_output=True, text=True, timeout=20, check=True
        )
        return int(ran.stdout.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
