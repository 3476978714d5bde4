"""An OpenAI-compatible server over a backend, on a free port of this machine, for tests."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cai_app.backends.base import Backend
from cai_app.records import Prompt, Sampling, Turn


class Handler(BaseHTTPRequestHandler):
    """/v1/completions with `echo`, `logprobs` and `stream`; chat only where asked."""

    backend: Backend
    logprobs = True
    completions = True
    lists = True
    cut = False
    requests: list[dict[str, Any]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.requests.append({"path": self.path, **body})
        chat = self.path == "/v1/chat/completions"
        if not (chat or (self.completions and self.path == "/v1/completions")):
            return self.answer({"detail": "Not Found"}, 404)
        texts = [body["messages"][-1]["content"]] if chat else body["prompt"]
        if not (self.lists or isinstance(texts, str)):
            return self.answer({"detail": "prompt must be a string."}, 400)
        texts = [texts] if isinstance(texts, str) else texts
        if body.get("echo") and self.logprobs:
            return self.answer({"choices": [self.echo(n, text) for n, text in enumerate(texts)]})
        if body.get("stream"):
            return self.stream(prompt_of(texts[0]), sampling_of(body), chat)
        made = self.backend.generate(
            [prompt_of(text) for text in texts], [sampling_of(body)] * len(texts)
        )
        choices = [
            {"index": n, **said(one.text, chat), "finish_reason": one.finish, "logprobs": None}
            for n, one in enumerate(made)
        ]
        self.answer({"choices": choices, "usage": {"completion_tokens": made[0].tokens}})

    def echo(self, index: int, text: str) -> dict[str, Any]:
        """The text's own tokens and log-probabilities; the first has none, as in OpenAI's."""
        first = re.match(r"\s+|\S+", text)  # a place where no token reaches across
        head = first[0] if first else ""
        rest = text[len(head) :]
        scores = self.backend.token_logprobs([prompt_of(head)], [rest], 2)[0]
        tokens = [head, *(score.token for score in scores)]
        starts = [len("".join(tokens[:n])) for n in range(len(tokens))]
        found = {
            "tokens": tokens,
            "token_logprobs": [None, *(score.logprob for score in scores)],
            "text_offset": starts,
            "top_logprobs": [None, *(dict(score.top) for score in scores)],
        }
        return {"index": index, "text": text, "logprobs": found, "finish_reason": "length"}

    def stream(self, prompt: Prompt, sampling: Sampling, chat: bool) -> None:
        """Server-sent events until the text ends or the reader hangs up."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        live = self.backend.stream(prompt, sampling)
        try:
            for piece in live:
                delta = {"delta": {"content": piece}} if chat else {"text": piece}
                self.event({"choices": [{"index": 0, **delta, "finish_reason": None}]})
                if self.cut:
                    return live.cancel()
            finish = live.completion.finish if live.completion else None
            self.event({"choices": [{"index": 0, "text": "", "finish_reason": finish}]})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            live.cancel()

    def event(self, value: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def answer(self, value: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on standard error."""


def said(text: str, chat: bool) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}} if chat else {"text": text}


def prompt_of(text: str) -> Prompt:
    return Prompt(segments=(text,), turns=(Turn(role="user", text=text),))


def sampling_of(body: dict[str, Any]) -> Sampling:
    return Sampling(
        seed=body.get("seed", 0),
        temperature=body.get("temperature", 1.0),
        max_tokens=body.get("max_tokens", 16),
        stop=tuple(body.get("stop", ())),
    )


@contextmanager
def serve(
    backend: Backend,
    *,
    logprobs: bool = True,
    completions: bool = True,
    lists: bool = True,
    cut: bool = False,
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(base url, list of requests received). Without `logprobs`, echo and logprobs are ignored;
    without `lists`, several prompts in one request are refused; `cut` ends a stream too early."""
    options = {"logprobs": logprobs, "completions": completions, "lists": lists, "cut": cut}
    handler = type("Bound", (Handler,), {"backend": backend, **options, "requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
