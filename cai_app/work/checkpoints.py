"""Checkpoints of a run: a folder counts once its `done` marker is written, else the one before.

Output files are part of a checkpoint by their sizes: resuming cuts them back to it, so that rows
after the last checkpoint are written again instead of twice.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cai_app import files

log = logging.getLogger(__name__)
_KEPT = 2  # the newest may be torn


@contextlib.contextmanager
def writing(run: Path, *, outputs: Sequence[str] = ()) -> Iterator[Path]:
    """A new checkpoint's folder to write into; it counts when the block ends without an error."""
    numbers = [int(path.name) for path in _folders(run)]
    folder = files.make_folder(run / "checkpoints" / f"{max(numbers, default=0) + 1:06d}")
    yield folder
    sizes = {name: _size(run / name) for name in outputs}
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
    # The marker last: what it says is there must be there.
    files.replace(folder / "done", json.dumps(sizes))
    files.sync_folder(folder)
    files.sync_folder(folder.parent)
    for old in _folders(run)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def save(run: Path, state: dict[str, Any], *, outputs: Sequence[str] = ()) -> None:
    """A checkpoint that is one JSON object."""
    with writing(run, outputs=outputs) as folder:
        files.replace(folder / "state.json", json.dumps(state, ensure_ascii=False))


def newest(run: Path) -> Path | None:
    """The newest checkpoint that counts."""
    return next(iter(complete(run)), None)


def complete(run: Path) -> list[Path]:
    """Checkpoints that count, the newest first."""
    found = []
    for folder in reversed(_folders(run)):
        sizes = _marker(folder)
        if sizes is None or any(_size(run / name) < size for name, size in sizes.items()):
            log.warning("checkpoint %s is torn; taking the one before", folder.name)
            continue
        found.append(folder)
    return found


def cut_back(run: Path, folder: Path | None, outputs: Sequence[str]) -> None:
    """Cut output files back to what they were at a checkpoint; to nothing without one."""
    sizes = (_marker(folder) if folder else None) or {}
    for name in outputs:
        if (run / name).exists():
            os.truncate(run / name, sizes.get(name, 0))


def restore(run: Path, outputs: Sequence[str]) -> dict[str, Any] | None:
    """The newest JSON checkpoint, output files cut back to it; None, and no outputs, without."""
    state = None
    folder = newest(run)
    while folder is not None:
        try:
            state = json.loads((folder / "state.json").read_bytes())
            break
        except (OSError, ValueError):
            log.warning("checkpoint %s cannot be read; taking the one before", folder.name)
            shutil.rmtree(folder)
            folder = newest(run)
    cut_back(run, folder, outputs)
    return state


def _folders(run: Path) -> list[Path]:
    found = (run / "checkpoints").glob("[0-9]*")
    return sorted(path for path in found if path.is_dir() and path.name.isdigit())


def _marker(folder: Path) -> dict[str, int] | None:
    try:
        value = json.loads((folder / "done").read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
