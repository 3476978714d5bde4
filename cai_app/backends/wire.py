"""HTTP with an OpenAI-compatible server: one request or one stream, and its failures in words."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from cai_app.errors import BackendError, InputError

TIMEOUT = httpx.Timeout(120.0, connect=5.0)
MISSING = (404, 405, 501)  # "this server has no such route"
REFUSED = (400, 422)  # "not like this"


class NoRouteError(BackendError):
    """The server does not offer this route (or does not know the model)."""


class RefusedError(BackendError):
    """The server offers the route, but does not take this request."""


class Wire:
    """Connections to one server. Only this address is ever contacted."""

    def __init__(self, url: str) -> None:
        base = url.rstrip("/")
        self.url = base if base.endswith("/v1") else f"{base}/v1"
        try:
            if not httpx.URL(self.url).host:
                raise httpx.InvalidURL("it names no host")
        except httpx.InvalidURL as error:
            raise InputError(
                f"{url!r} is no address of a server ({error}); give one such as "
                "http://localhost:8000."
            ) from error
        loopback = urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
        # A proxy named in the environment must not see what is meant for this machine.
        self._client = httpx.Client(timeout=TIMEOUT, trust_env=not loopback)

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._client.close()

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request and its JSON answer; tried once more when the connection fails."""
        for attempt in (1, 2):
            try:
                response = self._client.post(self.url + path, json=body)
                break
            except httpx.TransportError as error:
                if attempt == 2 or isinstance(error, httpx.ReadTimeout):
                    raise self._unreachable(error) from error
        self._check(response)
        return self._parse(response.text)

    def events(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The first choice of each server-sent event of a streamed answer.

        Raises BackendError where the stream ends without a word that the answer is complete.
        """
        try:
            with self._client.stream("POST", self.url + path, json=body | {"stream": True}) as got:
                if got.is_error:
                    got.read()
                self._check(got)
                ended = False
                for line in got.iter_lines():
                    said = line.removeprefix("data:").strip()
                    if said == line.strip():
                        continue  # a comment, or the space between events
                    if said == "[DONE]":
                        ended = True
                        continue
                    choice = self.first(self._parse(said), empty=True)
                    ended = ended or bool(choice.get("finish_reason"))
                    yield choice
            if not ended:
                raise BackendError(
                    f"The server at {self.url} ended its answer in the middle; see its log, and "
                    "ask again."
                )
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def first(self, answer: dict[str, Any], *, empty: bool = False) -> dict[str, Any]:
        """The first choice of an answer; events of a stream may come without one."""
        if answer.get("error"):
            raise BackendError(f"The server at {self.url} reports: {answer['error']}; see its log.")
        choices = answer.get("choices") or []
        if not choices and not empty:
            raise self._strange(json.dumps(answer))
        return dict(choices[0]) if choices else {}

    def _parse(self, text: str) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise self._strange(text) from error
        if not isinstance(answer, dict):
            raise self._strange(text)
        return answer

    def _check(self, response: httpx.Response) -> None:
        if response.is_error:
            kinds: dict[int, type[BackendError]] = {
                **dict.fromkeys(MISSING, NoRouteError), **dict.fromkeys(REFUSED, RefusedError),
            }  # fmt: skip
            raise kinds.get(response.status_code, BackendError)(
                f"The server at {self.url} answered HTTP {response.status_code}: "
                f"{response.text[:200].strip()!r}; check the address and the model's name."
            )

    def _strange(self, text: str) -> BackendError:
        return BackendError(
            f"The server at {self.url} gave an answer that is not OpenAI-compatible: "
            f"{text[:120]!r}; check the address."
        )

    def _unreachable(self, error: Exception) -> BackendError:
        if isinstance(error, httpx.ReadTimeout):
            return BackendError(
                f"The server at {self.url} sent nothing for {TIMEOUT.read:.0f} seconds; allow "
                "fewer tokens, or ask for fewer at once."
            )
        return BackendError(
            f"The server at {self.url} cannot be reached ({error}); start it, or check the address."
        )
