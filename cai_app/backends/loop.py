"""One thread that owns a model, and the turns that requests take on it.

A request is a generator that yields wherever it can pause: after a token (live), after one forward
pass (batch). The loop gives every live request one step in turn; batch requests run in between and
get at most about half of the time while somebody is watching a stream. Nothing here knows torch.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from cai_app.errors import BackendError

log = logging.getLogger(__name__)

Work = Generator[None, None, Any]


class Job:
    """A request on the loop: its result or error arrives in `future`, exactly once."""

    def __init__(self, work: Work, live: bool, ended: Callable[[BaseException | None], None]):
        self.future: Future[Any] = Future()
        self.live = live
        self.cancelled = threading.Event()
        self._work = work
        self._ended = ended

    def cancel(self) -> None:
        """Leave the loop at the next step. Idempotent, from any thread."""
        self.cancelled.set()

    def step(self) -> bool:
        """Run to the next pause; False when the job has left the loop."""
        if self.cancelled.is_set():
            self._work.close()
            self.end(BackendError("The request was cancelled; ask again to run it."))
            return False
        try:
            next(self._work)
        except StopIteration as stop:
            self._ended(None)
            self.future.set_result(stop.value)
            return False
        except Exception as error:  # reaches the caller through the future, with its traceback
            self.end(error)
            return False
        return True

    def end(self, error: BaseException) -> None:
        """Hand an error to the caller."""
        self._ended(None if self.cancelled.is_set() else error)
        self.future.set_exception(error)


class Loop:
    """The thread. `session` is entered on it first (loads the weights); jobs wait until it has."""

    def __init__(self, name: str, session: Callable[[], AbstractContextManager[None]]):
        self._session = session
        self._inbox: list[Job] = []
        self._wake = threading.Condition()
        self._closed = False
        self._failure: BaseException | None = None
        self._rest = 0.0  # seconds of live work owed before the next batch slice
        self.thread = threading.Thread(target=self._run, name=f"model {name}", daemon=True)
        self.thread.start()

    def submit(
        self,
        work: Work,
        *,
        live: bool = False,
        ended: Callable[[BaseException | None], None] = lambda error: None,
    ) -> Job:
        """Let a request join at the next step. `ended` is called on the loop's thread, once."""
        job = Job(work, live, ended)
        with self._wake:
            refusal = self._failure
            if self._closed:
                refusal = BackendError("The model was unloaded; open it again.")
            if refusal is None:
                self._inbox.append(job)
                self._wake.notify()
        if refusal is not None:
            job.end(refusal)
        return job

    def close(self) -> None:
        """End all requests and the thread. Idempotent.

        Waits for the step in hand: a thread still in torch when Python exits aborts the process.
        """
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self.thread:
            self.thread.join(timeout=10)

    def _run(self) -> None:
        jobs: list[Job] = []
        try:
            with self._session():
                while self._join(jobs):
                    self._turn(jobs)
        except Exception as error:  # loading failed: every request, now and later, hears why
            log.warning("%s: %s", self.thread.name, error)
            self._failure = error
        with self._wake:
            jobs, self._inbox = jobs + self._inbox, []
        for job in jobs:
            job.end(self._failure or BackendError("The model was unloaded; open it again."))

    def _join(self, jobs: list[Job]) -> bool:
        """Take in new requests; wait while there are none. False when closing."""
        with self._wake:
            while not (jobs or self._inbox or self._closed):
                self._wake.wait()
            jobs += self._inbox
            self._inbox.clear()
            return not self._closed

    def _turn(self, jobs: list[Job]) -> None:
        """One step of every live job; a step of one batch job if its time has come."""
        start = time.perf_counter()
        live = [job for job in jobs if job.live]
        for job in live:
            if not job.step():
                jobs.remove(job)
        self._rest -= time.perf_counter() - start
        batch = next((job for job in jobs if not job.live), None)
        for job in [job for job in jobs if not job.live and job.cancelled.is_set()]:
            job.step()
            jobs.remove(job)
        if batch is None or batch not in jobs or (live and self._rest > 0):
            return
        jobs.remove(batch)
        start = time.perf_counter()
        if batch.step():
            jobs.append(batch)  # to the back: batches take turns too
        self._rest = time.perf_counter() - start
