"""The models of this workbench: each spec opened once, loading behind, with a state to show."""

import logging
import threading
from collections.abc import Callable, Sequence

from cai_app.backends import (
    adapters_of,
    describe,
    is_preference_model,
    locate,
    open_backend,
    pocket_specs,
)
from cai_app.backends.base import Backend
from cai_app.errors import CaiError, InputError
from cai_app.records import ModelInfo
from cai_app.settings import Settings

log = logging.getLogger(__name__)
Opener = Callable[[str, Settings], Backend]


class Models:
    """Backends by spec. Opening one returns at once; its verbs wait for the weights."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        self._settings = settings
        self._opener = opener or open_backend
        self._lock = threading.Lock()
        self._opened: dict[str, Backend] = {}
        self._refused: dict[str, str] = {}

    def open(self, spec: str) -> Backend:
        """The backend of a spec; one whose weights failed to load is opened afresh."""
        spec = spec.strip()
        if not spec:
            raise InputError("no model is chosen; choose one, such as pocket")
        with self._lock:
            known = self._opened.get(spec)
            if known is not None and known.info().state != "failed":
                return known
            if known is not None:
                known.close()
                del self._opened[spec]
            self._opened[spec] = self._opener(spec, self._settings)
            self._refused.pop(spec, None)
            return self._opened[spec]

    def prepare(self, spec: str) -> None:
        """Start loading a spec. What is wrong with it shows in `infos`, and again in `open`."""
        try:
            self.open(spec)
        except CaiError as error:
            log.warning("model %s: %s", spec, error)
            self._refused[spec.strip()] = str(error)

    def infos(self) -> list[ModelInfo]:
        """Shipped models, the default first, then others that were opened or refused."""
        found = {spec: self.described(spec) for spec in pocket_specs(self._settings)}
        with self._lock:
            opened, refused = dict(self._opened), dict(self._refused)
        found |= {spec: self._now(spec, backend) for spec, backend in opened.items()}
        for spec, reason in refused.items():
            known = found.get(spec, ModelInfo(spec=spec))
            found[spec] = known.model_copy(update={"state": "failed", "note": reason})
        return list(found.values())

    def _now(self, spec: str, backend: Backend) -> ModelInfo:
        """An open model, with the adapters that are here by now: trainings end meanwhile."""
        info = backend.info()
        try:
            adapters = adapters_of(locate(spec, self._settings), self._settings)
        except (CaiError, OSError, ValueError, KeyError):
            return info  # remote, or gone: what it says of itself
        return info.model_copy(update={"adapters": adapters})

    def writes(self, spec: str) -> bool:
        """Whether a model can be asked to write; one that cannot be read says what is wrong when it
        is opened."""
        try:
            return not is_preference_model(spec, self._settings)
        except (CaiError, OSError, ValueError, KeyError):
            return True

    def described(self, spec: str) -> ModelInfo:
        """What can be said of a model that is here, without opening it; a broken one must not take
        the page with it."""
        try:
            return describe(spec, self._settings)
        except (CaiError, OSError, ValueError, KeyError) as error:
            log.info("model %s: %s", spec, error)  # asked again and again; its note says so
            damaged = "" if isinstance(error, CaiError) else "its files are damaged: "
            return ModelInfo(spec=spec, state="failed", note=f"{damaged}{error}")

    def close(self) -> None:
        """Close all that was opened."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for backend in opened.values():
            backend.close()


def specs_of(infos: Sequence[ModelInfo]) -> list[str]:
    """Specs of models, each followed by the same with every other adapter that fits it."""
    found: dict[str, None] = {}
    seen: set[tuple[int | None, tuple[str, ...]]] = set()
    for info in infos:
        found.setdefault(info.spec)
        base, at, _ = info.spec.partition("@")
        # `pocket` and the size that it means are one base: its adapters are offered once. Another
        # size may have adapters of the same names.
        if at or (info.parameters, info.adapters) in seen or not info.adapters:
            continue
        seen.add((info.parameters, info.adapters))
        others = [name for name in ("none", *info.adapters) if name != (info.adapter or "none")]
        found |= dict.fromkeys(f"{base}@{name}" for name in others)
    return list(found)
