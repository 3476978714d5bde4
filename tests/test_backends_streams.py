"""Live streams and batches on a tiny NF4 model: replay, turns, cancel, seeds, stops, length."""

import threading
import time
from collections.abc import Iterator

import pytest
import tiny

from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.errors import BackendError, InputError
from cai_app.records import Prompt, Sampling

SHOTS, DIALOGUE, CRITIQUE = tiny.TEXT[:250], tiny.TEXT[250:330], tiny.TEXT[330:]
PROMPT = tiny.prompt(SHOTS, DIALOGUE, CRITIQUE)


@pytest.fixture(scope="module")
def backend() -> Iterator[HuggingFaceBackend]:
    with tiny.opened("pocket") as opened:
        yield opened


def told(backend: HuggingFaceBackend, prompt: Prompt, sampling: Sampling) -> str:
    return "".join(backend.stream(prompt, sampling))


def test_the_model_is_in_nf4_and_says_so(backend: HuggingFaceBackend) -> None:
    while (info := backend.info()).state == "loading":
        time.sleep(0.05)
    assert (info.state, info.quantization, info.adapter) == ("ready", "nf4", "helpful")


def test_a_stream_replays_bit_for_bit_with_the_prefix_cached_or_not() -> None:
    sampling = Sampling(seed=3, max_tokens=60)
    with tiny.opened("pocket") as fresh:
        first = told(fresh, PROMPT, sampling)
        assert told(fresh, PROMPT, sampling) == first
        told(fresh, tiny.prompt(SHOTS, DIALOGUE), sampling)
    with tiny.opened("pocket") as again:
        told(again, tiny.prompt(SHOTS, DIALOGUE), sampling)  # now two chunks of three are there
        assert told(again, PROMPT, sampling) == first


def test_pieces_join_to_the_completion_and_match_a_batch_of_one(
    backend: HuggingFaceBackend,
) -> None:
    sampling = Sampling(seed=1, max_tokens=40)
    stream = backend.stream(PROMPT, sampling)
    assert stream.completion is None
    pieces = list(stream)
    assert stream.completion is not None and len(pieces) >= 2
    assert "".join(pieces) == stream.completion.text
    assert backend.generate([PROMPT], [sampling]) == [stream.completion]
    assert list(stream) == []


def test_two_streams_take_turns(backend: HuggingFaceBackend) -> None:
    order: list[str] = []
    together = threading.Barrier(2)

    def read(name: str) -> None:
        together.wait()
        for _ in backend.stream(PROMPT, Sampling(seed=5, max_tokens=400)):
            order.append(name)

    threads = [threading.Thread(target=read, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first_end = min(order.index(name) + order.count(name) for name in "ab")
    assert len(set(order[:first_end])) == 2
    half = order[: len(order) // 2]
    assert min(half.count("a"), half.count("b")) > len(half) // 5


def test_a_batch_and_a_stream_do_not_wait_for_each_other(backend: HuggingFaceBackend) -> None:
    done = threading.Event()

    def label() -> None:
        backend.generate([PROMPT] * 24, [Sampling(seed=n, max_tokens=120) for n in range(24)])
        done.set()

    thread = threading.Thread(target=label)
    thread.start()
    told(backend, PROMPT, Sampling(max_tokens=20))
    assert not done.is_set()
    thread.join()


def test_cancel_frees_the_model_at_once_and_keeps_what_is_there(
    backend: HuggingFaceBackend,
) -> None:
    stream = backend.stream(PROMPT, Sampling(max_tokens=300))
    pieces = iter(stream)
    said = next(pieces)
    stream.cancel()
    stream.cancel()
    said += "".join(pieces)
    assert stream.completion is not None
    assert stream.completion.finish == "cancelled" and stream.completion.text == said
    assert stream.completion.tokens < 150
    assert len(backend.choice_logprobs([PROMPT], [" (A)"])) == 1


def test_a_reader_who_walks_away_cancels(backend: HuggingFaceBackend) -> None:
    stream = backend.stream(PROMPT, Sampling(max_tokens=300))
    for _ in stream:
        break
    deadline = time.perf_counter() + 5
    while stream.completion is None and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert stream.completion is not None and stream.completion.finish == "cancelled"


def test_a_row_does_not_depend_on_its_neighbours(backend: HuggingFaceBackend) -> None:
    prompts = [tiny.prompt(SHOTS, DIALOGUE[: 10 + 7 * n]) for n in range(9)]
    sampling = [Sampling(seed=n, max_tokens=15 + n) for n in range(9)]
    together = backend.generate(prompts, sampling)
    alone = [backend.generate([p], [s])[0] for p, s in zip(prompts, sampling, strict=True)]
    assert together == alone
    assert len({one.text for one in together}) == 9
    assert backend.generate(prompts[::-1], sampling[::-1]) == together[::-1]


def test_one_seed_gives_one_text_and_another_seed_another(backend: HuggingFaceBackend) -> None:
    seeds = [1, 2, 1]
    texts = backend.generate([PROMPT] * 3, [Sampling(seed=s, max_tokens=20) for s in seeds])
    assert texts[0] == texts[2] != texts[1]


def test_temperature_zero_takes_the_likeliest_token(backend: HuggingFaceBackend) -> None:
    greedy = [Sampling(seed=s, temperature=0, max_tokens=12) for s in (1, 2)]
    first, second = backend.generate([PROMPT] * 2, greedy)
    assert first == second
    prompts = [tiny.prompt(tiny.TEXT[:n]) for n in range(20, 30)]
    made = backend.generate(prompts, [Sampling(temperature=0, max_tokens=1)] * 10)
    scores = backend.token_logprobs(prompts, ["x"] * 10, 1)
    likeliest = [tokens[0].top[0][0] for tokens in scores]
    whole = [n for n, text in enumerate(likeliest) if "\ufffd" not in text]
    assert whole and [made[n].text for n in whole] == [likeliest[n] for n in whole]


def test_a_stop_string_ends_a_row_and_is_never_shown(backend: HuggingFaceBackend) -> None:
    whole = told(backend, PROMPT, Sampling(seed=7, max_tokens=40))
    stop = whole[20:24]
    stream = backend.stream(PROMPT, Sampling(seed=7, max_tokens=40, stop=("never", stop)))
    pieces = list(stream)
    assert "".join(pieces) == whole[: whole.index(stop)]
    assert stream.completion is not None and stream.completion.finish == "stop"


def test_a_prompt_beyond_the_window_is_refused_with_both_numbers(
    backend: HuggingFaceBackend,
) -> None:
    long = tiny.prompt("word " * 600)
    assert backend.count_tokens(long.text) == 2401
    for ask in (
        lambda: told(backend, long, Sampling()),
        lambda: backend.generate([PROMPT, long], [Sampling()] * 2),
        lambda: backend.choice_logprobs([long], [" (A)"]),
    ):
        with pytest.raises(InputError, match=r"2,40\d tokens.*512"):
            ask()
    assert backend.context_window() == 512


def test_an_answer_stops_at_the_end_of_the_window(backend: HuggingFaceBackend) -> None:
    text = "word " * 100
    room = 512 - backend.count_tokens(text)
    [made] = backend.generate([tiny.prompt(text)], [Sampling(max_tokens=5000, seed=4)])
    assert made.finish in ("length", "stop") and made.tokens <= room
    stream = backend.stream(tiny.prompt(text), Sampling(max_tokens=5000, seed=4))
    assert "".join(stream) == made.text


def test_an_empty_prompt_is_refused(backend: HuggingFaceBackend) -> None:
    with pytest.raises(InputError, match="empty"):
        told(backend, tiny.prompt(""), Sampling())


def test_unknown_words_are_those_outside_the_vocabulary(backend: HuggingFaceBackend) -> None:
    found = backend.unknown_words("Can you help my NEIGHBOR'S drone? You can.")
    assert found == ("you", "my", "drone")


def test_a_closed_backend_says_so() -> None:
    with tiny.opened("pocket") as closed:
        closed.count_tokens("x")
    closed.close()
    with pytest.raises(BackendError, match="unloaded"):
        closed.generate([PROMPT], [Sampling()])
    with pytest.raises(BackendError, match="unloaded"):
        list(closed.stream(PROMPT, Sampling()))
