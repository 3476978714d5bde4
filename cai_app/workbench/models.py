"""The models of this workbench: opened once, loading in the background, with a state to show."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future

from cai_app.backends import folders, open_backend
from cai_app.backends.base import Backend
from cai_app.errors import CaiError, InputError
from cai_app.records import ModelInfo
from cai_app.settings import Settings

log = logging.getLogger(__name__)
Opener = Callable[[str, Settings], Backend]


class Models:
    """Backends by spec. Two who ask for one spec at once wait for the same load."""

    def __init__(self, settings: Settings, opener: Opener | None = None) -> None:
        self._settings = settings
        self._opener = opener or open_backend
        self._lock = threading.Lock()
        self._opened: dict[str, Future[Backend]] = {}

    def open(self, spec: str) -> Backend:
        """The backend of a spec; a load that failed is tried again."""
        spec = _clean(spec)
        future, ours = self._future(spec, retry=True)
        if ours:
            self._load(spec, future)
        return future.result()

    def prepare(self, spec: str) -> None:
        """Load in a thread, unless it is loaded, loading, or has failed."""
        spec = _clean(spec)
        future, ours = self._future(spec, retry=False)
        if ours:
            # A daemon: quitting does not wait for weights.
            threading.Thread(target=self._load, args=(spec, future), daemon=True).start()

    def _future(self, spec: str, *, retry: bool) -> tuple[Future[Backend], bool]:
        """The load of a spec, and whether the caller is the one to do it."""
        with self._lock:
            future = self._opened.get(spec)
            failed = future is not None and future.done() and future.exception() is not None
            if future is not None and not (failed and retry):
                return future, False
            self._opened[spec] = Future()
            return self._opened[spec], True

    def _load(self, spec: str, future: Future[Backend]) -> None:
        try:
            future.set_result(self._opener(spec, self._settings))
        except BaseException as error:
            future.set_exception(error)
            if not isinstance(error, Exception):
                raise  # Ctrl-C: those who wait are told, and it goes on its way
            if not isinstance(error, CaiError):
                log.exception("model %s failed to load", spec)

    def infos(self) -> list[ModelInfo]:
        """Shipped models, the default first, then others that were opened."""
        found = {info.spec: info for info in shipped(self._settings)}
        with self._lock:
            opened = dict(self._opened)
        for spec, future in opened.items():
            known = found.get(spec, ModelInfo(spec=spec))
            found[spec] = _state(known, future)
        return list(found.values())

    def close(self) -> None:
        """Close what was opened, waiting for no load."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for future in opened.values():
            if future.done() and future.exception() is None:
                future.result().close()


def shipped(settings: Settings) -> list[ModelInfo]:
    """The pocket models in data/pocket, as they lie there; `pocket` is the default size."""
    default = folders.pocket_default(settings.data)
    found: list[ModelInfo] = []
    for size in (default, *folders.SIZES):
        folder = settings.data / "pocket" / size
        if not (folder / "config.json").is_file():
            continue
        found.append(
            ModelInfo(
                spec="pocket" if not found and size == default else f"pocket-{size}",
                parameters=folders.count_parameters(folder),
                quantization="nf4",
                adapters=folders.pocket_adapters(settings.data, size),
                adapter=folders.DEFAULT_ADAPTER,
            )
        )
    return found


def _clean(spec: str) -> str:
    if not spec or not spec.strip():
        raise InputError("no model is chosen; choose one, such as pocket")
    return spec.strip()


def _state(known: ModelInfo, future: Future[Backend]) -> ModelInfo:
    if not future.done():
        return known.model_copy(update={"state": "loading"})
    if (error := future.exception()) is not None:
        return known.model_copy(update={"state": "failed", "note": str(error)})
    return future.result().info().model_copy(update={"spec": known.spec})
