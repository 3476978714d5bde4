"""Several processes on one training (torchrun, accelerate launch): who this one is among them."""

import os
from typing import NamedTuple


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
