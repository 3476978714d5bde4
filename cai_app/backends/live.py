"""A live generation as its reader sees it: pieces of text from the model's thread."""

import queue
import time
from collections.abc import Iterator

from cai_app.backends.loop import Job
from cai_app.records import Completion

# Seconds between hand-overs. Each wakes the reader, who then takes the interpreter from the model
# for about a millisecond; faster than this nobody sees.
PAUSE = 0.012


class LiveStream:
    """One live generation; see `base.Stream`."""

    def __init__(self) -> None:
        self.completion: Completion | None = None
        self.job: Job | None = None
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._error: BaseException | None = None
        self._waiting = ""
        self._handed = 0.0

    def emit(self, piece: str) -> None:
        """Called on the model's thread."""
        self._waiting += piece
        now = time.monotonic()
        if self._waiting and now - self._handed > PAUSE:
            self._pieces.put(self._waiting)
            self._waiting, self._handed = "", now

    def end(self, error: BaseException | None) -> None:
        """Called on the model's thread, once."""
        self._error = error
        if error is None and self.completion is None:
            self.completion = Completion(text="", tokens=0, finish="cancelled")  # never began
        self._pieces.put(self._waiting)
        self._pieces.put(None)

    def cancel(self) -> None:
        """Free the model at its next token."""
        if self.job is not None:
            self.job.cancel()

    def __iter__(self) -> Iterator[str]:
        try:
            while (piece := self._pieces.get()) is not None:
                if piece:
                    yield piece
        finally:
            self.cancel()  # does nothing to a stream that has ended
        self._pieces.put(None)  # iterating again ends at once
        if self._error is not None:
            raise self._error
