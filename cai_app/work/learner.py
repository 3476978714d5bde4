"""The optimizer of a run's own training loop: rate, clipping, and all of its state as tensors."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from cai_app.work.progress import Paused

CLIP = 1.0


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

    def save(self, folder: Path) -> None:
        """Weights and optimizer as one safetensors file."""
        from safetensors.torch import save_file

        tensors = {}
        for number, weight in enumerate(self.weights):
            tensors[f"{number}.weight"] = weight.detach().cpu().clone().contiguous()
            for name, value in self.optimizer.state[weight].items():
                tensors[f"{number}.{name}"] = value.detach().cpu().clone().contiguous()
        save_file(tensors, folder / "learner.safetensors")

    def restore(self, folder: Path) -> None:
        """Go on from what `save` has written."""
        from safetensors.torch import load_file

        tensors = load_file(folder / "learner.safetensors")
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
