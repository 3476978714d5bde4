"""Several processes on one training (torchrun, accelerate launch): who this one is among them."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class World(NamedTuple):
    """Rank of this process, how many there are, and its number on this machine."""

    rank: int
    size: int
    local: int

    @property
    def first(self) -> bool:
        """Whether this process takes the lock and writes the files."""
        return self.rank == 0


def world() -> World:
    """As the launcher has set it; one process where there is none."""
    return World(*(int(os.environ.get(name, default)) for name, default in _NAMES))


_NAMES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def join() -> None:
    """Meet the other processes, for programs with a training loop of their own. Idempotent."""
    import torch

    if world().size > 1 and not torch.distributed.is_initialized():
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(world().local)
        torch.distributed.init_process_group("nccl" if cuda else "gloo")


def wait() -> None:
    """Go on when all processes are here: what one has written, the others can then read."""
    import torch

    if world().size > 1:
        torch.distributed.barrier()


def summed(tensors: "Sequence[torch.Tensor]") -> None:
    """Each tensor becomes its sum over the processes."""
    import torch

    if world().size > 1:
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)


def gathered(value: T) -> list[T]:
    """What every process has, in the order of their ranks."""
    import torch

    if world().size == 1:
        return [value]
    found: list[Any] = [None] * world().size
    torch.distributed.all_gather_object(found, value)
    return found
