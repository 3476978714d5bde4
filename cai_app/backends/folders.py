"""Where models and adapters lie, checked before anything heavy is imported."""

import hashlib
import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from cai_app.errors import BackendError, InputError

SIZES = ("s", "m", "l")
DEFAULT_ADAPTER = "helpful"


def pocket_default(data: Path) -> str:
    """The size that plain `pocket` means (data/pocket/default.txt)."""
    path = data / "pocket" / "default.txt"
    size = path.read_text(encoding="utf-8").strip() if path.is_file() else "m"
    if size not in SIZES:
        raise InputError(f"{path}: size {size!r} is not one of {', '.join(SIZES)}; correct it.")
    return size


def adapter_hash(folder: Path) -> str:
    """16 hex digits over an adapter's weights and configuration."""
    files = [folder / name for name in ("adapter_config.json", "adapter_model.safetensors")]
    return _adapter_hash(tuple((p, p.stat().st_mtime_ns, p.stat().st_size) for p in files))


@lru_cache(maxsize=64)
def _adapter_hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def model_folder(target: str) -> Path:
    """The folder of `hf:<path-or-id>`: a path, or a model in the local Hugging Face cache."""
    path = Path(target).expanduser()
    # An id is `owner/name`, of the oldest models only `name`.
    if not path.exists() and target.count("/") <= 1 and not target.startswith((".", "~", "/")):
        path = _cached(target)
    return check_model(path)


def _cached(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception as error:
        raise InputError(
            f"Model {name!r} is neither a folder here nor in the local Hugging Face cache; "
            f"download it once with `hf download {name}`, or give the path of a folder."
        ) from error


def check_model(path: Path) -> Path:
    """The folder if it can be loaded, else one sentence saying what is missing."""
    if not path.is_dir():
        raise InputError(f"There is no model folder {str(path)!r}; check the path.")
    if not (path / "config.json").is_file():
        raise InputError(f"Folder {str(path)!r} has no config.json, so it holds no model.")
    files = weight_files(path)
    if not files:
        raise InputError(
            f"Model folder {str(path)!r} has no *.safetensors weights; convert them with "
            "`model.save_pretrained(...)` (pickled weights are never loaded)."
        )
    for weights in files:
        with weights.open("rb") as file:
            _header_length(weights, file)
    return path.resolve()


def weight_files(folder: Path) -> list[Path]:
    """The files that a model is loaded from: model.safetensors, else those that its index names,
    else all *.safetensors. Some folders hold the weights once more, laid out for another program.

    Raises InputError naming a file of the index that is not there.
    """
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict):
        raise BackendError(f"{index} has no weight_map; restore the file.")
    files = [folder / name for name in sorted({str(name) for name in named.values()})]
    for path in files:
        if not path.is_file():
            raise InputError(
                f"Model folder {str(folder)!r} has no {path.name}, which {index.name} names; "
                "fetch the model again."
            )
    return files


def adapter_folder(path: Path) -> Path:
    """A PEFT adapter's folder if it can be loaded, else one sentence saying what is missing."""
    path = path.expanduser()
    if not (path / "adapter_config.json").is_file():
        raise InputError(
            f"There is no adapter in {str(path)!r} (no adapter_config.json); give the folder that "
            "a training run wrote."
        )
    if not (path / "adapter_model.safetensors").is_file():
        raise InputError(
            f"Adapter {str(path)!r} has no adapter_model.safetensors; save it again with "
            "`save_pretrained` (pickled weights are never loaded)."
        )
    config = read_json(path / "adapter_config.json")
    if config.get("peft_type") != "LORA" or config.get("use_dora"):
        raise InputError(
            f"Adapter {str(path)!r} is {config.get('peft_type')}"
            f"{' with DoRA' if config.get('use_dora') else ''}; only plain LoRA can be used."
        )
    return path.resolve()


def scores_texts(adapter: Path) -> bool:
    """Whether an adapter has a head that scores, as a preference model does."""
    return read_json(adapter / "adapter_config.json").get("task_type") == "SEQ_CLS"


def writes_nothing(spec: str) -> InputError:
    """What is said where a spec whose adapter `scores_texts` is asked to write or to judge."""
    return InputError(
        f"{spec} is a preference model: it scores responses and writes none; choose another "
        "adapter."
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BackendError(f"{path} is not valid JSON ({error}); restore the file.") from error
    if not isinstance(value, dict):
        raise BackendError(f"{path} holds no JSON object; restore the file.")
    return value


def count_parameters(folder: Path) -> int:
    """Parameters of a model, from the headers of its safetensors files (8-byte length, JSON)."""
    total = 0
    for path in weight_files(folder):
        with path.open("rb") as file:
            text = file.read(_header_length(path, file))
        try:
            header = json.loads(text)
        except ValueError as error:
            raise _damaged(path) from error
        shapes = (entry["shape"] for name, entry in header.items() if name != "__metadata__")
        total += sum(math.prod(shape) for shape in shapes)
    return total


def _header_length(path: Path, file: BinaryIO) -> int:
    """The length that a safetensors file states at its beginning, if the file has as much."""
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= path.stat().st_size - 8:
        raise _damaged(path)
    return length


def _damaged(path: Path) -> BackendError:
    return BackendError(
        f"{path} is damaged, or a Git LFS pointer instead of weights; fetch it again (`git lfs "
        "pull` in its repository)."
    )


def fingerprint(folder: Path) -> tuple[str, int, int]:
    """Which version of an adapter lies here: path, time (ns) and size (bytes) of its weights."""
    stat = (folder / "adapter_model.safetensors").stat()
    return str(folder), stat.st_mtime_ns, stat.st_size
