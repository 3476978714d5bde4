"""Checkpoints of a library's trainer: taken over with a hash of every file, and gone on from."""

import hashlib
import json
import logging
import shutil
from pathlib import Path

from cai_app import files
from cai_app.errors import BackendError
from cai_app.work import checkpoints
from cai_app.work.training.sampling import SAMPLES

log = logging.getLogger(__name__)

CUT = ("metrics.jsonl", SAMPLES)  # files that belong to a checkpoint by their sizes
_MANIFEST = "files.json"


def adopt(run: Path, made: Path) -> None:
    """Take over a checkpoint that the trainer has written, with a hash of every file."""
    with checkpoints.writing(run, outputs=CUT) as folder:
        (made / "training_args.bin").unlink(missing_ok=True)  # pickled, and never read
        for path in sorted(made.iterdir()):
            path.rename(folder / path.name)
        known = {
            str(path.relative_to(folder)): _sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        files.replace(folder / _MANIFEST, json.dumps(known, indent=1))
    shutil.rmtree(made, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def resume_point(run: Path) -> Path | None:
    """The newest checkpoint all of whose files are what they were; None to begin anew. Raises
    BackendError where there are checkpoints and every one of them is damaged."""
    found = checkpoints.complete(run)
    for folder in found:
        if _whole(folder):
            return folder
        log.warning("checkpoint %s is damaged; taking the one before", folder.name)
    if found:
        raise BackendError(
            f"every checkpoint of {run.name} is damaged; delete the folder "
            f"{run / 'checkpoints'} to begin it anew"
        )
    return None


def _whole(folder: Path) -> bool:
    try:
        known = json.loads((folder / _MANIFEST).read_bytes())
        return all(_sha256(folder / name) == digest for name, digest in known.items())
    except (OSError, ValueError, AttributeError):
        return False


def finished(folder: Path) -> int:
    """The steps of a training that a checkpoint is the end of, else 0: a run may end between its
    last checkpoint and its adapter."""
    state = json.loads((folder / "trainer_state.json").read_bytes())
    return int(state["max_steps"]) if state["global_step"] >= state["max_steps"] else 0
