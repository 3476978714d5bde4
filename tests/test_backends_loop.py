"""The loop's turns, with plain generators: joining, leaving, errors, closing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cai_app.backends.loop import Loop, Work
from cai_app.errors import BackendError


@contextmanager
def nothing() -> Iterator[None]:
    yield


def counting(seen: list[str], name: str, steps: int, pause: float = 0.0) -> Work:
    for _ in range(steps):
        seen.append(name)
        time.sleep(pause)
        yield
    return name


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop("test", nothing)
    yield loop
    loop.close()
    loop.thread.join(5)
    assert not loop.thread.is_alive()


def test_live_requests_alternate_and_each_gets_its_result(loop: Loop) -> None:
    seen: list[str] = []
    gate = threading.Event()

    def hold() -> Work:
        gate.wait()
        yield

    loop.submit(hold(), live=True)
    jobs = [loop.submit(counting(seen, name, 4), live=True) for name in "ab"]
    gate.set()
    assert [job.future.result(5) for job in jobs] == ["a", "b"]
    assert "".join(seen) == "abababab"


def test_an_error_reaches_its_caller_and_nobody_else(loop: Loop) -> None:
    def fails() -> Work:
        yield
        raise ValueError("torn")

    bad = loop.submit(fails(), live=True)
    good = loop.submit(counting([], "good", 3))
    with pytest.raises(ValueError, match="torn"):
        bad.future.result(5)
    assert good.future.result(5) == "good"


def test_batches_take_about_half_the_time_while_somebody_watches(loop: Loop) -> None:
    seen: list[str] = []
    batch = loop.submit(counting(seen, "batch", 20, pause=0.02))
    live = loop.submit(counting(seen, "live", 60, pause=0.005), live=True)
    live.future.result(10)
    assert 8 <= seen.count("batch") <= 20
    assert "batch batch" not in " ".join(seen[seen.index("live") :][:60])
    batch.future.result(10)


def test_a_cancelled_request_leaves_and_says_so(loop: Loop) -> None:
    seen: list[str] = []
    ended: list[BaseException | None] = []
    job = loop.submit(counting(seen, "x", 10**6), ended=ended.append)
    job.cancel()
    with pytest.raises(BackendError, match="cancelled"):
        job.future.result(5)
    assert ended == [None]


def test_closing_ends_what_runs_and_refuses_what_comes() -> None:
    loop = Loop("test", nothing)
    job = loop.submit(counting([], "x", 10**6))
    loop.close()
    for late in (job, loop.submit(counting([], "y", 1))):
        with pytest.raises(BackendError, match="unloaded"):
            late.future.result(5)


def test_a_session_that_fails_fails_every_request() -> None:
    @contextmanager
    def broken() -> Iterator[None]:
        raise BackendError("no weights")
        yield

    loop = Loop("test", broken)
    for _ in range(2):
        with pytest.raises(BackendError, match="no weights"):
            loop.submit(counting([], "x", 1)).future.result(5)
