"""The optimizer of a run's own training loop: rate, clipping, and all of its state as tensors."""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from cai_app import files
from cai_app.errors import BackendError
from cai_app.work import checkpoints
from cai_app.work.progress import Paused, Run
from cai_app.work.training.processes import gathered, summed, wait, world

log = logging.getLogger(__name__)

CLIP = 1.0
_TENSORS = "learner.safetensors"


class Learner:
    """AdamW on float32 weights; its state goes into a checkpoint and comes back bit by bit."""

    def __init__(
        self,
        weights: Sequence[torch.Tensor],
        *,
        lr: float,
        warmup: int = 0,
        schedule: Literal["constant", "linear", "cosine"] = "constant",
        total: int = 1,
    ) -> None:
        self.weights = list(weights)
        self.lr, self.warmup, self.schedule, self.total = lr, warmup, schedule, total
        self.optimizer = torch.optim.AdamW(self.weights, lr=lr, weight_decay=0.0)

    def rate(self, done: int) -> float:
        """The learning rate of the step after `done` steps."""
        rise = min(1.0, (done + 1) / (self.warmup + 1))
        left = max(0.0, 1 - done / self.total)
        fall = {
            "constant": 1.0,
            "linear": left,
            "cosine": 0.5 * (1 + math.cos(math.pi * (1 - left))),
        }
        return self.lr * rise * fall[self.schedule]

    def step(self, done: int) -> float:
        """One update from the gradients that are there; returns their norm before clipping.

        Raises Paused where they are no numbers: the weights stay as they were.
        """
        for weight in self.weights:  # a process may have had no row of this step
            if weight.grad is None and world().size > 1:
                weight.grad = torch.zeros_like(weight)
        summed([weight.grad for weight in self.weights if weight.grad is not None])
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, CLIP))
        if not math.isfinite(norm):
            self.optimizer.zero_grad(set_to_none=True)
            raise Paused(
                f"step {done + 1}: the gradient is not a number; resume with a smaller learning "
                "rate (lr), or look at the rows of this step"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(done)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def keep(self, run: Run, state: dict[str, Any], *, outputs: Sequence[str]) -> None:
        """A checkpoint of the run: this learner and a JSON state. Written by the first process."""
        if world().first:
            with checkpoints.writing(run.path, outputs=outputs) as folder:
                self.save(folder)
                known = {**state, "sha256": _sha256(folder)}
                files.replace(folder / "state.json", json.dumps(known))
        wait()

    def save(self, folder: Path) -> None:
        """Weights and optimizer as one safetensors file."""
        from safetensors.torch import save_file

        tensors = {}
        for number, weight in enumerate(self.weights):
            tensors[f"{number}.weight"] = weight.detach().cpu().clone().contiguous()
            for name, value in self.optimizer.state[weight].items():
                tensors[f"{number}.{name}"] = value.detach().cpu().clone().contiguous()
        save_file(tensors, folder / _TENSORS)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` has written."""
        from safetensors.torch import load_file

        tensors = load_file(folder / _TENSORS)
        for number, weight in enumerate(self.weights):
            own = {
                name.partition(".")[2]: value
                for name, value in tensors.items()
                if name.partition(".")[0] == str(number)
            }
            with torch.no_grad():
                weight.copy_(own.pop("weight"))
            self.optimizer.state[weight] = {
                name: value.to(weight.device) if name != "step" else value
                for name, value in own.items()
            }


def begun(run: Run, outputs: Sequence[str]) -> dict[str, Any] | None:
    """The state of the newest whole checkpoint, output files cut back to it; None to begin anew.

    Raises BackendError where there are checkpoints and every one is damaged.
    """
    state = None
    if world().first:
        found = checkpoints.complete(run.path)
        for folder in found:
            if _whole(folder):
                break
            log.warning("checkpoint %s is damaged; taking the one before", folder.name)
            shutil.rmtree(folder)
        else:
            if found:
                raise BackendError(
                    f"every checkpoint of {run.path.name} was damaged and is gone; resume begins "
                    "the run anew"
                )
        state = checkpoints.restore(run.path, outputs)
    return gathered(state)[0]


def _whole(folder: Path) -> bool:
    try:
        known = json.loads((folder / "state.json").read_bytes())["sha256"]
        return bool(known == _sha256(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _sha256(folder: Path) -> str:
    with (folder / _TENSORS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def asked_to_stop(run: Run) -> bool:
    """Whether any process was asked to stop: all stop at one and the same step."""
    return any(gathered(run.stopping))
