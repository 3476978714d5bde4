"""The most memory held while something runs."""

import resource
import sys
from pathlib import Path

STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Peak:
    """Begins to watch when made. On a GPU the device's memory, else the process's; where a process
    cannot begin anew (not Linux), its peak since its start."""

    def __init__(self, device: str) -> None:
        self._gpu = device == "cuda"
        if self._gpu:
            import torch

            torch.cuda.reset_peak_memory_stats()
        elif _RESET.exists():
            try:
                _RESET.write_text("5")
            except OSError:  # a container may forbid it: then the peak is the process's
                return

    def read(self) -> float:
        """The peak so far, in MiB."""
        if self._gpu:
            import torch

            return float(torch.cuda.max_memory_allocated() / 2**20)
        if STATUS.exists():
            for line in STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 2**10
        unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def peak_of(process: int) -> float:
    """The peak of another process since it began to run its program, in MiB; 0 once it is gone.
    (Not what `wait4` says of it: that counts what its parent held when it was made.)"""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")), 0.0)
