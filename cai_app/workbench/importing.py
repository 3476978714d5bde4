"""An import behind the page: it goes on when the page is closed, tells how far it is, and stops."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from cai_app.errors import CaiError, InputError
from cai_app.formats import ReadOptions
from cai_app.records import Record
from cai_app.workbench.data import Imported, Watch

log = logging.getLogger(__name__)

# Format, file, how to read it, whom to tell: what a file's rows are taken in with.
Take = Callable[[str, Path, ReadOptions, Watch], Imported]


class Importing(Record):
    """How the latest import is. `total` counts lines, None where nobody knows; a stopped or failed
    one has taken nothing in."""

    state: Literal["none", "reading", "keeping", "stopping", "done", "stopped", "failed"] = "none"
    format: str = ""
    file: str = ""
    read: int = 0
    total: int | None = None
    result: Imported | None = None
    message: str = ""

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("reading", "keeping", "stopping")


class _Stopped(Exception):
    """Somebody pressed Stop."""


class Imports:
    """One import at a time, in a thread of its own."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._now = Importing()
        self._thread: threading.Thread | None = None

    def now(self) -> Importing:
        """How the latest one is."""
        with self._lock:
            return self._now

    def start(self, format: str, path: Path, options: ReadOptions) -> None:
        """Begin. Raises InputError while another one is under way."""
        with self._lock:
            if self._now.under_way:
                raise InputError(f"{self._now.file} is being imported; wait for it, or stop it")
            self._now = Importing(state="reading", format=format, file=path.name)
            arguments = (format, path, options)
            self._thread = threading.Thread(target=self._run, args=arguments, name="import")
            self._thread.start()

    def stop(self) -> None:
        """End it before the next rows; nothing is kept of it. Rows that are being kept are."""
        with self._lock:
            if self._now.state == "reading":
                self._now = self._now.model_copy(update={"state": "stopping"})

    def close(self) -> None:
        """Stop, and wait for the end."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _run(self, format: str, path: Path, options: ReadOptions) -> None:
        try:
            result = self._take(format, path, options, self._told)
        except _Stopped:
            self._set(state="stopped")
        except CaiError as error:
            self._set(state="failed", message=str(error))
        except Exception as error:
            log.exception("the import of %s failed", path)
            name = type(error).__name__
            self._set(
                state="failed", message=f"an error that nobody expected ({name}); see the log"
            )
        else:
            self._set(state="done", result=result, read=result.read)

    def _told(self, read: int, total: int | None, phase: str) -> None:
        with self._lock:
            if self._now.state == "stopping":
                raise _Stopped
            self._now = self._now.model_copy(update={"state": phase, "read": read, "total": total})

    def _set(self, **update: object) -> None:
        with self._lock:
            self._now = self._now.model_copy(update=update)
