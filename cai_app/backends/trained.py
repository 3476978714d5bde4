"""Adapters of a base by name: shipped ones, named ones of the home, and those inside runs.

An adapter belongs to one base, known by a hash of its weights; with any other it is refused.
"""

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from cai_app.backends import folders
from cai_app.errors import InputError
from cai_app.records import Record
from cai_app.settings import Settings

FACTS = "training.json"  # beside an adapter's weights: what it was made from
_WHOLE = 2**30  # bytes of weights that are hashed whole
_BLOCK, _BLOCKS = 2**16, 64
_PART = 6  # characters of a run's id that may stand for it
_CARD_HASH = re.compile(r"base weights: sha256 ([0-9a-f]{64})")


class Adapter(Record):
    """An adapter that is here: what it is called after the @, where it lies, and of what base.

    `base_hash` is empty where nothing states it; `kind` is the training's, or `shipped`.
    """

    name: str
    path: Path
    base_hash: str
    kind: str = "shipped"


def base_hash(folder: Path) -> str:
    """A hash of a base's weights: sha256 of the file, for larger models of sampled blocks."""
    files = sorted(folder.glob("*.safetensors"))
    return _base_hash(tuple((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in files))


@lru_cache(maxsize=64)
def _base_hash(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    whole = sum(size for _, _, size in files) <= _WHOLE
    for path, _, size in files:
        with Path(path).open("rb") as file:
            if whole:
                while block := file.read(2**20):
                    digest.update(block)
                continue
            digest.update(f"{Path(path).name} {size}".encode())
            for number in range(_BLOCKS):
                file.seek(number * max(0, size - _BLOCK) // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def facts(adapter: Path) -> dict[str, Any]:
    """What an adapter's training wrote of itself; empty where it is somebody else's."""
    try:
        found = json.loads((adapter / FACTS).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def stated_base(adapter: Path) -> str:
    """The hash of the base that an adapter says it was trained on; '' where it says nothing."""
    if known := facts(adapter).get("base_hash"):
        return str(known)
    try:
        card = (adapter / "README.md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    found = _CARD_HASH.search(card)
    return found[1] if found else ""


def check_base(adapter: Path, base: Path) -> Path:
    """The adapter's folder if it belongs to this base. Raises InputError naming both."""
    stated = stated_base(adapter)
    if stated and stated != (own := base_hash(base)):
        config = folders.read_json(adapter / "adapter_config.json")
        named = config.get("base_model_name_or_path")
        raise InputError(
            f"Adapter {name_of(adapter)!r} was trained on {named} with weights {stated[:12]}…, but "
            f"{base.name!r} here has {own[:12]}…; choose the base it was trained on, or train anew."
        )
    return adapter


def of_base(settings: Settings, base: Path, *, shipped: Path | None = None) -> list[Adapter]:
    """Adapters that fit a base: shipped (of `shipped`, a folder of them), named, then of runs,
    the newest first. Those that do not say what base they are of are left out, shipped ones not."""
    found = [
        Adapter(name=path.name, path=path, base_hash=stated_base(path))
        for path in (_in(shipped) if shipped else ())
    ]
    own = None
    for name, path in _home(settings):
        if (stated := stated_base(path)) and name not in {one.name for one in found}:
            own = own or base_hash(base)
            if stated == own:
                kind = str(facts(path).get("kind", "unknown"))
                found.append(Adapter(name=name, path=path, base_hash=stated, kind=kind))
    return found


def find(settings: Settings, name: str, base: Path, *, shipped: Path | None = None) -> Path:
    """The folder of an adapter by name, run id (or a part of one) or path, checked against the
    base. Raises InputError listing those that there are."""
    for folder in (shipped, named_folder(settings)):
        path = folder / name if folder and _plain(name) else None
        if path is not None and (path / "adapter_config.json").is_file():
            return check_base(folders.adapter_folder(path), base)
    if "/" in name:
        return check_base(folders.adapter_folder(Path(name)), base)
    part = len(name) >= _PART
    runs = [(id, path) for id, path in _runs(settings) if id == name or (part and name in id)]
    exact = [path for id, path in runs if id == name] or [path for _, path in runs]
    if len(exact) == 1:
        return check_base(folders.adapter_folder(exact[0]), base)
    if exact:
        some = ", ".join(id for id, _ in runs[:5])
        raise InputError(f"adapter {name!r} may be that of any of {some}; give more of the id")
    known = [one.name for one in of_base(settings, base, shipped=shipped)]
    raise InputError(
        f"{base.name} has no adapter {name!r}; choose one of: {', '.join(known)}, none."
    )


def named_folder(settings: Settings) -> Path:
    """Where adapters with a name of their own lie."""
    return settings.home / "adapters"


def taken(settings: Settings, name: str) -> str | None:
    """What has this adapter name already; None where it is free."""
    if name == "none" or any((settings.data / "pocket" / "adapters").glob(f"*/{name}")):
        return f"{name} ships with the program"
    path = named_folder(settings) / name
    return f"{name} is in {path.parent}" if path.exists() else None


def name_of(adapter: Path) -> str:
    """What an adapter's folder is called: a run's is always `adapter`, so its run says it."""
    return adapter.parent.name if adapter.name == "adapter" else adapter.name


def _plain(name: str) -> bool:
    return "/" not in name and not name.startswith(".")


def _in(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("[!.]*/adapter_config.json"))


def _home(settings: Settings) -> list[tuple[str, Path]]:
    """Named adapters, then those of runs by run id; a run whose adapter has a name comes once."""
    named = [(path.name, path) for path in _in(named_folder(settings))]
    known = {facts(path).get("run") for _, path in named}
    return named + [(id, path) for id, path in _runs(settings) if id not in known]


def _runs(settings: Settings) -> list[tuple[str, Path]]:
    """Adapters of runs, the newest first. A run is complete when its adapter has its facts."""
    found = (settings.home / "runs").glob(f"[!.]*/adapter/{FACTS}")
    return sorted(((path.parent.parent.name, path.parent) for path in found), reverse=True)
