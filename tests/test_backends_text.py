"""From tokens to shown text: whole characters only, and nothing of a stop string."""

import random
from pathlib import Path

import pytest
import tiny
from tokenizers import Tokenizer, models, normalizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from cai_app.backends.text import Codec, TextPieces


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tiny.save_tokenizer(folder)
    return Codec(AutoTokenizer.from_pretrained(folder), chat=False)


@pytest.mark.parametrize(
    "text", ["plain text", " leading", "né 鱼🐟 end", "👩‍👩‍👧 family", "a\n\nb \n c"]
)
def test_pieces_join_to_the_text_and_hold_no_half_letters(codec: Codec, text: str) -> None:
    ids = codec.tokenizer.encode(text)
    pieces = TextPieces(codec, ids[:0], ())
    shown = [pieces.push(token) for token in ids]
    assert "\ufffd" not in "".join(shown)
    assert "".join(shown) + pieces.flush() == text == pieces.text


def test_half_a_letter_at_the_end_is_left_out(codec: Codec) -> None:
    ids = codec.tokenizer.encode("fish 🐟")[:-1]
    pieces = TextPieces(codec, [], ())
    shown = "".join(pieces.push(token) for token in ids) + pieces.flush()
    assert shown == "fish "


def test_a_stop_string_across_tokens_is_never_shown_in_part(codec: Codec) -> None:
    pieces = TextPieces(codec, [], ("\n\nHuman:",))
    shown = ""
    for token in codec.tokenizer.encode("Yes.\n\nHello\n\nHuman: more"):
        shown += pieces.push(token)
        assert "\n\nHum" not in shown
        if pieces.stopped:
            break
    assert pieces.stopped and shown == pieces.text == "Yes.\n\nHello"


def test_the_start_of_a_stop_string_is_shown_when_it_turns_out_to_be_none(codec: Codec) -> None:
    pieces = TextPieces(codec, [], ("\n\nHuman:",))
    shown = "".join(pieces.push(t) for t in codec.tokenizer.encode("Yes.\n\nHum"))
    assert shown == "Yes."
    assert pieces.flush() == "\n\nHum"


def test_chunks_are_cut_at_segments_and_join_to_the_whole_prompt(codec: Codec) -> None:
    segments = ("\n\nHuman: Can you", " help me?\n\nAssistant:", " Sure.")
    chunks = codec.encode(tiny.prompt(*segments))
    assert [codec.decode(chunk) for chunk in chunks] == list(segments)
    assert sum(chunks, ()) == tuple(codec.tokenizer.encode("".join(segments)))


def test_a_tokenizer_that_would_cut_and_fill_texts_does_not(tmp_path: Path) -> None:
    tiny.save_tokenizer(tmp_path)
    asking = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    asking.enable_truncation(8)
    asking.enable_padding(length=8)
    asking.save(str(tmp_path / "tokenizer.json"))
    codec = Codec(AutoTokenizer.from_pretrained(tmp_path), chat=False)
    for text in ("x", tiny.TEXT):
        assert codec.decode(codec.tokens(text)[0]) == text
        assert 0 not in codec.tokens(text)[0]


def test_a_token_across_a_border_goes_behind_the_cut(codec: Codec) -> None:
    whole = codec.tokenizer.encode("The response")
    chunks = codec.encode(tiny.prompt("The respo", "nse"))
    assert sum(chunks, ()) == tuple(whole)


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """No words to split at: merges over the whole text, a mark before its first letter."""
    tokenizer = Tokenizer(models.BPE(unk_token="?"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.train_from_iterator(
        [tiny.TEXT], trainers.BpeTrainer(vocab_size=300, special_tokens=["<s>", "?"])
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="?")


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
def test_a_known_beginning_gives_the_tokens_of_the_whole_text(codec: Codec, kind: str) -> None:
    """Random trees of texts, with cuts within words, spaces and letters of several bytes."""
    whole = codec if kind == "bytes" else Codec(sentencepiece_like(), chat=False)
    rng = random.Random(0)
    stuff = [*tiny.TEXT.split(" "), "\n\n", "   ", "aaaaaaaaa", "🐟", "👩‍👩‍👧", "né", "[[[", ")"]

    def text() -> str:
        made = " ".join(rng.choices(stuff, k=rng.randint(1, 90)))
        return made[rng.randint(0, 2) : len(made) - rng.randint(0, 2)] or "x"

    trunks = [text() for _ in range(4)]
    for _ in range(150):
        segments = (rng.choice(trunks), rng.choice(trunks)[:20], text())
        chunks = whole.encode(tiny.prompt(*segments))
        assert sum(chunks, ()) == tuple(whole.tokens("".join(segments))[0])
    assert whole._beginning.cache_info().hits > 100


def test_a_known_beginning_is_not_read_again(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    shots, tail = tiny.TEXT * 3, " and then?"
    codec.encode(tiny.prompt(shots, tail))
    read: list[str] = []
    tokens = codec.tokens

    def watched(text: str, *, begins: bool = True) -> tuple[list[int], list[int]]:
        read.append(text)
        return tokens(text, begins=begins)

    monkeypatch.setattr(codec, "tokens", watched)
    codec.encode(tiny.prompt(shots, tail + " Why?"))
    assert sum(map(len, read)) < len(shots) / 4
