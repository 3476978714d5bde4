"""The endpoint backend against `transformers serve`: a real server without log-probabilities."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cai_app.backends.endpoint import EndpointBackend
from cai_app.errors import BackendError
from cai_app.prompts import CHOICES, draft, judge
from cai_app.records import Sampling
from cai_app.settings import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
MODEL = ROOT / "data" / "pocket" / "m"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EndpointBackend]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("serve")
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1",
               "--port", str(port), "--device", "cpu", str(MODEL)]  # fmt: skip
    with (folder / "log.txt").open("w") as log:
        offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=offline)
        try:
            _wait(server, f"{url}/health", folder / "log.txt")
            backend = EndpointBackend(f"openai:{url}#{MODEL}", url, str(MODEL))
            yield backend
            backend.close()
        finally:
            server.terminate()
            server.wait(30)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(log.read_text()[-2000:])


def test_it_writes_and_streams(remote: EndpointBackend) -> None:
    prompt, sampling = draft("Can you help me bake a cake?"), Sampling(max_tokens=20)
    [done] = remote.generate([prompt], [sampling])
    assert done.text.strip()
    assert "".join(remote.stream(prompt, sampling)).strip()


def test_judging_there_is_an_error_that_names_the_alternatives(remote: EndpointBackend) -> None:
    asked = judge("Can you help me bake a cake?", "Yes.", "No.", "Which is kinder?")
    with pytest.raises(BackendError, match="no log-probabilities.*sampled votes.*local"):
        remote.choice_logprobs([asked], CHOICES)
