"""A base model in memory with its thread, shared by every backend on the same folder.

torch and transformers are imported on that thread, behind the page that is already up.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cai_app.backends import folders
from cai_app.backends.loop import Loop
from cai_app.errors import BackendError, CaiError

if TYPE_CHECKING:
    from cai_app.backends.engine import Engine


class Base:
    """One model in memory with its thread, shared by every backend on the same folder."""

    _open: dict[tuple[Path, bool], "Base"] = {}
    _lock = threading.Lock()

    def __init__(self, folder: Path, *, dialogue: bool, cache_bytes: int, nf4: bool) -> None:
        self.folder = folder
        self.parameters = folders.count_parameters(folder)
        self.engine: Engine | None = None
        self.quantization: str | None = None
        self.device: str | None = None
        self.note = ""
        self.failed = False
        self._dialogue = dialogue
        self._nf4 = nf4
        self._cache_bytes = cache_bytes
        self._users = 0
        self.ready = threading.Event()
        self.loop = Loop(folder.name, self._loaded)

    @classmethod
    def open(cls, folder: Path, *, dialogue: bool, cache_bytes: int, nf4: bool = True) -> "Base":
        """The base on this folder, loading behind the call if it is not here yet."""
        with cls._lock:
            base = cls._open.get((folder, nf4))
            if base is None or base.failed:
                base = cls(folder, dialogue=dialogue, cache_bytes=cache_bytes, nf4=nf4)
                cls._open[folder, nf4] = base
            base._users += 1
            return base

    def release(self) -> None:
        """One user fewer; the last one out frees the weights."""
        with self._lock:
            self._users -= 1
            if self._users > 0:
                return
            if self._open.get((self.folder, self._nf4)) is self:
                del self._open[self.folder, self._nf4]
        self.loop.close()

    @contextmanager
    def _loaded(self) -> Iterator[None]:
        try:
            import torch

            from cai_app.backends.engine import Engine
            from cai_app.backends.weights import load

            weights = load(self.folder, nf4=self._nf4)
            chat = bool(weights.tokenizer.chat_template) and not self._dialogue
            with torch.inference_mode():
                self.engine = Engine(weights, chat=chat, cache_bytes=self._cache_bytes)
                self.quantization, self.note = weights.quantization, weights.note
                self.device = str(weights.device)
                self.ready.set()
                del weights
                yield
        except Exception as error:
            self.failed = True
            if isinstance(error, CaiError):
                raise
            raise BackendError(f"Model {str(self.folder)!r} cannot be loaded: {error}") from error
        finally:
            self.engine = None
            self.ready.set()
