"""The endpoint backend against our own servers over the tiny model."""

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import tiny
from serve_backend import serve

from cai_app.backends import open_backend
from cai_app.backends.echo import own_tokens
from cai_app.backends.endpoint import EndpointBackend
from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.backends.wire import NoRouteError, RefusedError
from cai_app.errors import BackendError, InputError
from cai_app.records import Prompt, Sampling, Turn

PROMPT = tiny.prompt(tiny.TEXT[:100], tiny.TEXT[100:200])
SAMPLING = Sampling(seed=2, max_tokens=25)


@pytest.fixture(scope="module")
def local() -> Iterator[HuggingFaceBackend]:
    with tiny.opened("pocket") as opened:
        yield opened


@pytest.fixture(scope="module")
def remote(local: HuggingFaceBackend) -> Iterator[EndpointBackend]:
    with serve(local) as (url, _):
        backend = open_backend(f"openai:{url}#tiny", tiny.home())
        assert isinstance(backend, EndpointBackend)
        yield backend
        backend.close()


def test_texts_are_those_of_the_model_behind_it(
    local: HuggingFaceBackend, remote: EndpointBackend
) -> None:
    [ours] = local.generate([PROMPT], [SAMPLING])
    assert remote.generate([PROMPT, PROMPT], [SAMPLING] * 2) == [ours, ours]
    stream = remote.stream(PROMPT, SAMPLING)
    pieces = list(stream)
    assert "".join(pieces) == ours.text and len(pieces) > 1
    assert stream.completion is not None and stream.completion.finish == ours.finish


def test_choices_score_as_they_do_locally(
    local: HuggingFaceBackend, remote: EndpointBackend
) -> None:
    prompts, choices = [PROMPT, tiny.prompt("The answer is:")], [" (A)", " (B)", " You could"]
    for theirs, ours in zip(
        remote.choice_logprobs(prompts, choices),
        local.choice_logprobs(prompts, choices),
        strict=True,
    ):
        assert theirs == pytest.approx(ours, abs=1e-4)


def test_tokens_and_their_alternatives_come_along(
    local: HuggingFaceBackend, remote: EndpointBackend
) -> None:
    [theirs] = remote.token_logprobs([PROMPT], [" You could ask"], 2)
    [ours] = local.token_logprobs([PROMPT], [" You could ask"], 2)
    assert [s.token for s in theirs] == [s.token for s in ours]
    assert [s.logprob for s in theirs] == pytest.approx([s.logprob for s in ours], abs=1e-4)
    assert all(len(score.top) == 2 for score in theirs)


def test_hanging_up_frees_the_model(remote: EndpointBackend) -> None:
    stream = remote.stream(PROMPT, Sampling(max_tokens=250))
    pieces = iter(stream)
    said = next(pieces)
    stream.cancel()
    said += "".join(pieces)
    assert stream.completion is not None
    assert stream.completion.finish == "cancelled" and stream.completion.text == said


def test_a_stream_that_ends_in_the_middle_is_an_error_and_no_answer(
    local: HuggingFaceBackend,
) -> None:
    with serve(local, cut=True) as (url, _):
        backend = open_backend(f"openai:{url}#tiny", tiny.home())
        stream, seen = backend.stream(PROMPT, SAMPLING), list[str]()
        with pytest.raises(BackendError, match="ended its answer in the middle"):
            for piece in stream:
                seen.append(piece)
        assert len(seen) == 1 and stream.completion is None
        backend.close()


def test_a_server_without_logprobs_is_an_error_naming_the_alternatives(
    local: HuggingFaceBackend,
) -> None:
    with serve(local, logprobs=False) as (url, _):
        backend = EndpointBackend("x", url, "tiny")
        with pytest.raises(BackendError, match="no log-probabilities.*sampled votes.*local"):
            backend.choice_logprobs([PROMPT], [" (A)", " (B)"])
        assert backend.generate([PROMPT], [SAMPLING])[0].text
        backend.close()


def test_a_server_that_takes_one_prompt_a_request_scores_the_same(
    local: HuggingFaceBackend, remote: EndpointBackend
) -> None:
    with serve(local, lists=False) as (url, requests):
        backend = EndpointBackend("x", url, "tiny")
        assert backend.choice_logprobs([PROMPT], [" (A)", " (B)"]) == remote.choice_logprobs(
            [PROMPT], [" (A)", " (B)"]
        )
        backend.choice_logprobs([PROMPT], [" (A)"])
        assert [isinstance(r["prompt"], list) for r in requests] == [True, False, False, False]
        backend.close()


def test_a_server_with_chat_only_gets_turns(local: HuggingFaceBackend) -> None:
    prompt = Prompt(
        segments=("x",), turns=(Turn(role="user", text="Which one?"),), prefill="The answer is:"
    )
    with serve(local, completions=False) as (url, requests):
        backend = EndpointBackend("x", url, "tiny")
        streamed = "".join(backend.stream(prompt, SAMPLING))
        assert backend.generate([prompt], [SAMPLING])[0].text == streamed
        assert requests[-1]["messages"] == [
            {"role": "user", "content": "Which one?"},
            {"role": "assistant", "content": "The answer is:"},
        ]
        assert [r["path"] for r in requests].count("/v1/completions") == 1
        with pytest.raises(BackendError, match="no log-probabilities"):
            backend.choice_logprobs([prompt], [" (A)"])
        backend.close()


def test_a_server_that_is_down_is_named_in_one_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    backend = EndpointBackend("x", url, "tiny")
    with pytest.raises(BackendError, match=f"{url}/v1 cannot be reached"):
        backend.generate([PROMPT], [SAMPLING])
    with pytest.raises(BackendError, match="cannot be reached"):
        list(backend.stream(PROMPT, SAMPLING))


def test_what_only_the_server_knows_is_not_made_up(remote: EndpointBackend) -> None:
    assert remote.count_tokens("text") == 0 and remote.context_window() is None
    assert remote.unknown_words("zyx") == ()
    with pytest.raises(BackendError, match="preference adapter"):
        remote.score(["text"])


def test_a_start_token_and_a_generated_one_do_not_move_what_is_scored() -> None:
    """vLLM's offsets count the text of the start token, and letters of several bytes as many."""
    bare = ["The", " cat", ":", " (", "A", ")"]
    offsets = [0, 3, 7, 8, 10, 11]
    assert own_tokens(bare, offsets, "The cat:", " (A)") == [3, 4, 5]
    assert own_tokens([*bare, " x"], None, "The cat:", " (A)") == [3, 4, 5]
    begun = ["<s>", *bare, " (A)"]
    moved = [0, *(at + 3 for at in [*offsets, 12])]
    assert own_tokens(begun, moved, "The cat:", " (A)") == [4, 5, 6]
    letters = ["The", "\ufffd", "\ufffd", "\ufffd", ":", " (", "A", ")", "."]
    sums = [0, 3, 4, 5, 6, 7, 9, 10, 11]
    assert own_tokens(letters, sums, "The🐟:", " (A)") == [5, 6, 7]
    assert own_tokens(letters[:-1], [0, 3, 3, 3, 4, 5, 7, 8], "The🐟:", " (A)") == [5, 6, 7]
    assert own_tokens(["The cat: (", "A", ")", "."], [0, 10, 11, 12], "The cat:", " (A)") == []


class Scripted:
    """A server's answers to echo requests; texts beyond `most` characters are refused."""

    def __init__(self, most: int) -> None:
        self.url, self.most, self.asked = "http://x/v1", most, list[object]()

    def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body["prompt"])
        texts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        if max(map(len, texts)) > self.most:
            raise RefusedError("HTTP 400: too many tokens")
        tokens = [[text[:-1], text[-1], "!"] for text in texts]
        found = [{"tokens": one, "token_logprobs": [None, -1.0, -2.0]} for one in tokens]
        return {"choices": [{"index": n, "logprobs": one} for n, one in enumerate(found)]}

    def first(self, answer: dict[str, Any]) -> dict[str, Any]:
        return dict(answer["choices"][0])


def test_one_text_that_is_too_long_is_named_and_slows_nothing_after_it() -> None:
    backend = EndpointBackend("x", "http://localhost:1", "tiny")
    server: Any = Scripted(most=20)
    backend._wire = server
    short, long = tiny.prompt("Short"), tiny.prompt("Long" * 9)
    with pytest.raises(BackendError, match=r"text of 37 characters.*too long.*HTTP 400"):
        backend.choice_logprobs([short, long], ["A"])
    server.asked.clear()
    assert backend.choice_logprobs([short, short], ["A"]) == [(-1.0,), (-1.0,)]
    assert server.asked == [["ShortA", "ShortA"]]


def test_what_another_thread_learns_of_the_routes_does_not_stop_this_one() -> None:
    backend = EndpointBackend("x", "http://localhost:1", "tiny")

    def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/completions":
            backend._chat = True  # the other thread has its answer by now
            raise NoRouteError("HTTP 404")
        return {"choices": [{"message": {"content": "Yes."}}]}

    backend._wire.ask = ask  # type: ignore[method-assign]
    assert backend.generate([PROMPT], [SAMPLING])[0].text == "Yes."


def test_a_wrong_model_name_may_be_the_reason_and_the_servers_answer_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = EndpointBackend("x", "http://localhost:1", "tinny")
    answer = httpx.Response(404, text="The model `tinny` does not exist.")
    monkeypatch.setattr(backend._wire._client, "post", lambda *args, **named: answer)
    with pytest.raises(BackendError, match=r"check the model's name.*`tinny` does not exist"):
        backend.choice_logprobs([PROMPT], [" (A)"])


def test_a_server_that_is_slow_is_not_said_to_be_down(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = EndpointBackend("x", "http://localhost:1", "tiny")

    def late(*args: object, **named: object) -> None:
        raise httpx.ReadTimeout("timed out")

    monkeypatch.setattr(backend._wire._client, "post", late)
    with pytest.raises(BackendError, match="sent nothing for 120 seconds; allow fewer tokens"):
        backend.generate([PROMPT], [SAMPLING])


@pytest.mark.parametrize("url", ["http://[::1", "http://localhost:port", "http://"])
def test_what_is_no_address_is_refused_when_it_is_opened(url: str) -> None:
    with pytest.raises(InputError, match="no address of a server.*such as"):
        open_backend(f"openai:{url}#tiny", tiny.home())
