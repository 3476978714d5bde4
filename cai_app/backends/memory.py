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


def needed(spec: str, settings: Settings, *, rows: int = 1) -> int:
    """Bytes that a model takes for `rows` texts at once, by its config; 0 for a remote one.

    Linear layers in NF4, embeddings and the key/value cache in float32, one window a row.
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
    return int(OVERHEAD + linear * NF4_BYTES + embeddings * 4 + cache_bytes)


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
