"""Texts as token rows: the prompt is read, only the answer is learned, nothing is cut quietly."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from cai_app.backends.text import Codec
from cai_app.prompts.dialogue import said
from cai_app.records import Prompt, Turn

T = TypeVar("T")
_MOST_HELD_OUT = 200


class Row(NamedTuple):
    """A whole text as tokens, and how many of them are the prompt's."""

    ids: list[int]
    prompt: int


class TooLong(NamedTuple):
    """A row that was set aside, by how many tokens it has."""

    tokens: int


class Encoder:
    """Prompts with their answers, in the form in which the model is asked live."""

    def __init__(self, codec: Codec, max_tokens: int) -> None:
        """`max_tokens` counts prompt and answer together."""
        self.codec, self.max_tokens = codec, max_tokens
        self._end: list[int] = [codec.tokenizer.eos_token_id]

    def answer(self, prompt: Prompt, text: str, *, end: bool = True) -> Row | TooLong:
        """A prompt and the answer to it, with what ends a turn unless the answer was cut off."""
        before = [token for chunk in self.codec.encode(prompt) for token in chunk]
        after = self._chat(prompt, text, end) if self.codec.chat else self._text(prompt, text, end)
        if len(before) + len(after) > self.max_tokens:
            return TooLong(len(before) + len(after))
        return Row([*before, *after], len(before))

    def _text(self, prompt: Prompt, text: str, end: bool) -> list[int]:
        return [*self.codec.continuation(prompt, said(text)), *(self._end if end else ())]

    def _chat(self, prompt: Prompt, text: str, end: bool) -> list[int]:
        """The assistant's turn as the chat template closes it."""
        encode = self.codec.tokenizer.encode
        whole = self.codec.tokenizer.apply_chat_template(
            [
                {"role": turn.role, "content": turn.text}
                for turn in (*prompt.turns, Turn(role="assistant", text=text.strip()))
            ],
            tokenize=False,
        )
        opened = self.codec.render(prompt)[0]
        if end and whole.startswith(opened):
            found: list[int] = encode(whole[len(opened) :].rstrip("\n"), add_special_tokens=False)
            return found
        plain: list[int] = encode(text.strip(), add_special_tokens=False)
        return [*plain, *(self._end if end else ())]


def split(
    rows: Sequence[T], share: float, *, seed: int, key: Callable[[T], str]
) -> tuple[list[T], list[T]]:
    """Rows to train on, and held-out ones: whole prompts, by a hash, so that a prompt is on one
    side only; once 200 rows are held out, no further prompt is."""
    kept: list[T] = []
    out: list[T] = []
    theirs: set[str] = set()
    for row in rows:
        digest = hashlib.sha256(f"held out {seed} {key(row)}".encode()).digest()
        held = int.from_bytes(digest[:4], "big") / 2**32 < share
        if held and (key(row) in theirs or len(out) < _MOST_HELD_OUT):
            theirs.add(key(row))
            out.append(row)
        else:
            kept.append(row)
    return (kept, out) if kept else (out, [])


def pad_collator(pad: int) -> Callable[[Sequence[Row]], dict[str, Any]]:
    """Rows as one batch, padded on the right: input_ids, attention_mask, labels [rows, longest];
    a label is -100 where nothing is learned."""
    import torch

    def collate(rows: Sequence[Row]) -> dict[str, Any]:
        longest = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), longest), pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        labels = torch.full((len(rows), longest), -100)
        for number, row in enumerate(rows):
            length = len(row.ids)
            ids[number, :length] = torch.tensor(row.ids)
            mask[number, :length] = 1
            labels[number, row.prompt : length] = torch.tensor(row.ids[row.prompt :])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    return collate
