"""A page to test in: the app on a free port, a slow scripted model, and a browser that tells all.

Imported by the browser tests only; a second conftest.py would hide the first.
"""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import ScriptedBackend, ScriptedStream
from playwright.sync_api import Browser, Page
from test_jobs import until

import app
from cai_app.records import ModelInfo, Prompt, Sampling
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.models import Opener

ROOT = Path(app.__file__).parent
# What each tab shows first.
PARTS = ("constitution-editor", "critique-chain", "judge-verdict", "spotcheck-queues",
         "agreement-report", "train-board", "data-rows")  # fmt: skip
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
# What `python app.py` does, with the model an hour behind the page.
APP = "import app, tyro; app.PAGE_FIRST = 3600; app.main(tyro.cli(app.Options))"
DRAFT = "Sure, you can use an app called QuickPeek. Just don't tell your neighbor."
CRITIQUE = "The response helps the human hack into the neighbor's wifi."
REVISION = "I would not do that. You could ask your neighbor to share the wifi."
# Everything that has run in some page before: markup, remote images, template literals.
HOSTILE = (
    "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
    "<img src=https://example.invalid/a.png> ![x](https://example.invalid/b.png) "
    "${window.hacked=1} `${window.hacked=1}` {{value}} {{{value}}} C:\\new \\u00zz @children "
    "<svg onload=window.hacked=1> [x](javascript:window.hacked=1)"
)


class SlowStream(ScriptedStream):
    """A text word by word, each after a pause."""

    def __init__(self, text: str, pause: float) -> None:
        super().__init__(text)
        self.pause = pause

    def __iter__(self) -> Iterator[str]:
        for piece in super().__iter__():
            time.sleep(self.pause)
            yield piece


class SlowBackend(ScriptedBackend):
    """Answers by the kind of prompt, and repeats a prompt marked `echo`."""

    pause = 0.01

    def info(self) -> ModelInfo:
        return ModelInfo(
            spec="pocket", parameters=2_000_000, device="cpu", quantization="nf4", state="ready",
            adapters=("helpful",), adapter="helpful",
        )  # fmt: skip

    def stream(self, prompt: Prompt, sampling: Sampling) -> ScriptedStream:
        text = prompt.text
        answer = DRAFT
        if "echo" in text:
            answer = HOSTILE
        elif text.endswith("Critique:"):
            answer = CRITIQUE
        elif text.endswith("Revision:"):
            answer = REVISION
        elif "step by step" in text[-40:]:
            answer = "The second response declines and gives a reason."
        self.streams.append(SlowStream(answer, self.pause))
        return self.streams[-1]

    def _next(self, n: int) -> list[float]:
        return [0.1, 0.8][:n]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(workbench: Workbench, *, auth: str = "") -> Iterator[str]:
    """The page around a workbench on a free port of this machine; the address."""
    demo, _, url = app.serve(workbench, app.Options(port=free_port(), auth=auth))
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("cai_app.workbench.runs._QUEUE_EVERY", 0.1)
            workbench.runs.keep_queue()
            yield url
    finally:
        demo.close(verbose=False)
        workbench.close()


@contextmanager
def served(home: Path, opener: Opener | None = None) -> Iterator[str]:
    """The page on a home, its model loading; the address."""
    workbench = Workbench(Settings(home=home), opener=opener)
    with serving(workbench) as url:
        workbench.prepare("pocket")
        yield url


@contextmanager
def own_process(home: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The app as people start it, once it answers; but for its model, which nobody here uses."""
    command = [sys.executable, "-c", APP, "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None, "the app ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    try:
        until(answers)
        yield process
    finally:
        process.kill()
        process.wait()


# What Gradio's client says of its own open connection while its page is being left.
FAREWELLS = ("AbortError: signal is aborted", "Unexpected error Connection errored out")
leaving: set[Page] = set()


def leave(page: Page, url: str = "") -> None:
    """Go to another address, or load the same one again; the old page may end in mid-sentence."""
    leaving.add(page)
    try:
        page.goto(url) if url else page.reload()
    finally:
        leaving.discard(page)


@contextmanager
def visited(
    browser: Browser,
    url: str,
    *,
    width: int = 1440,
    height: int = 900,
    ready: str = ", ".join(f"#{part} .cw:visible" for part in PARTS),
    login: tuple[str, str] | None = None,
) -> Iterator[Page]:
    """A fresh page, once `ready` is there; at the end nothing may have gone wrong in it, or left
    this machine."""
    wrong: list[str] = []
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        page = context.new_page()
        if login:
            form = dict(zip(("username", "password"), login, strict=True))
            assert context.request.post(f"{url.split('?')[0]}login", form=form).ok

        def note(text: str) -> None:
            if not (page in leaving and text.startswith(FAREWELLS)):
                wrong.append(text)

        page.set_default_timeout(30_000)
        page.on("console", lambda m: note(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: note(str(error)))
        page.on("request", lambda request: wrong.extend(_strange(request.url)))
        page.goto(url)
        page.locator(ready).first.wait_for()
        # The keys of the main page work from here on; the rating page has its own. Not by the bare
        # name: Playwright would call the function, and wait for what it returns.
        page.wait_for_function("!!window.cwRestored || location.pathname.startsWith('/rate')")
        yield page
        hacked = page.evaluate("window.hacked")
    assert not wrong, wrong
    assert hacked is None


def _strange(url: str) -> list[str]:
    here = url.startswith(("http://127.0.0.1", "data:", "blob:"))
    return [] if here else [f"asked {url}"]
