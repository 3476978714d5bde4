"""From tokens to shown text: whole characters only, and nothing of a stop string."""

from pathlib import Path

import pytest
import tiny
from transformers import AutoTokenizer

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


def test_a_token_across_a_border_goes_behind_the_cut(codec: Codec) -> None:
    whole = codec.tokenizer.encode("The response")
    chunks = codec.encode(tiny.prompt("The respo", "nse"))
    assert sum(chunks, ()) == tuple(whole)
