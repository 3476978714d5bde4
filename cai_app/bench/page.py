"""How long the page takes from the start of its process: to an answer, and to a usable tab."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cai_app.errors import BackendError
from cai_app.settings import Settings

log = logging.getLogger(__name__)

PATIENCE = 120.0  # seconds
PROMPT, RUN = "#critique-prompt textarea", "#critique-run"


def measure(settings: Settings) -> tuple[float, float | None]:
    """Seconds until the page answers, and until a person can type and click in a browser.

    The latter is None, and logged, where Playwright or a Chromium is missing.
    """
    with _browser() as browser, _app(settings) as (url, start):
        answers = time.perf_counter() - start
        if browser is None:
            return answers, None
        page = browser.new_page()
        page.goto(url, wait_until="commit")
        page.fill(PROMPT, "ready?", timeout=PATIENCE * 1000)  # waits until it can be edited
        page.click(RUN, trial=True, timeout=PATIENCE * 1000)  # waits until it can be clicked
        return answers, time.perf_counter() - start


@contextmanager
def _app(settings: Settings) -> Iterator[tuple[str, float]]:
    """The app in a process of its own, on a free port and an empty home, once it answers.

    Gives its url, and when it was started.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "app.py", "--port", str(port), "--home", home]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=settings.root, stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{port}/"
            _wait(url, process)
            yield url, start
        finally:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the page answers. BackendError where its process ends, or takes over two minutes."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        if process.poll() is not None:
            raise BackendError(
                f"app.py ended with exit code {process.returncode} instead of serving the page; "
                "run it by hand to see why"
            )
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                answer.read()
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise BackendError(f"the page did not answer within {PATIENCE:.0f} s; run app.py by hand")


@contextmanager
def _browser() -> Iterator[Any]:
    """A Chromium, started before the clock; None where there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        log.warning("page usable: unscored, as Playwright is not installed; use `make bench`")
        yield None
        return
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, args=sandbox)
        except Error as error:
            log.warning("page usable: unscored, as no Chromium starts: %s", error.message)
            yield None
            return
        yield browser
        browser.close()
