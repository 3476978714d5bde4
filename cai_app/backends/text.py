"""Between text and tokens: prompts cut into chunks, and tokens turned into pieces of text."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from cai_app.errors import InputError
from cai_app.records import Prompt

Chunk = tuple[int, ...]
# Tokens at the end of a known beginning that are read again with what follows it: the first half
# must come out as before, or the whole text is read.
OVERLAP = 32


class Codec:
    """A tokenizer, and the dialogue style of its model."""

    def __init__(self, tokenizer: Any, *, chat: bool) -> None:
        self.tokenizer = tokenizer
        self.chat = chat
        if getattr(tokenizer, "is_fast", False):
            # tokenizer.json may ask for either, and would then cut or fill every text unasked.
            tokenizer.backend_tokenizer.no_truncation()
            tokenizer.backend_tokenizer.no_padding()
        self.tail = lru_cache(maxsize=4096)(self._tail)
        self._beginning = lru_cache(maxsize=64)(self._behind)

    def render(self, prompt: Prompt) -> tuple[str, list[int]]:
        """The prompt in the model's own form, and the character positions of its cuts."""
        if not self.chat:
            ends = [0]
            for segment in prompt.segments:
                ends.append(ends[-1] + len(segment))
            return prompt.text, ends[1:-1]
        turns = [{"role": turn.role, "content": turn.text} for turn in prompt.turns]
        apply = self.tokenizer.apply_chat_template
        text = apply(turns, tokenize=False, add_generation_prompt=True) + prompt.prefill
        # A chain's segments are: few-shots, dialogue, then one for each further user turn. So the
        # cuts fall before the last len(segments) - 1 user turns.
        users = [n for n, turn in enumerate(prompt.turns) if turn.role == "user" and n > 0]
        wanted = users[-(len(prompt.segments) - 1) :] if len(prompt.segments) > 1 else []
        starts = (apply(turns[:n], tokenize=False) for n in wanted)
        return text, [len(start) for start in starts if text.startswith(start)]

    def whole(self, prompt: Prompt, response: str) -> str:
        """A dialogue with the response that ends it, as a preference model reads it."""
        text = response.strip()
        if not self.chat:
            return prompt.text + (f" {text}" if text else "")
        turns = [{"role": turn.role, "content": turn.text} for turn in prompt.turns]
        turns.append({"role": "assistant", "content": text})
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False))

    def count(self, prompt: Prompt) -> int:
        """How many tokens `encode` gives."""
        text, cuts = self.render(prompt)
        return len(self._behind(text, tuple(cuts))[0])

    def encode(self, prompt: Prompt) -> tuple[Chunk, ...]:
        """A prompt's tokens in chunks, cut at segment borders; a token never spans two chunks."""
        text, cuts = self.render(prompt)
        ids, ends = self._behind(text, tuple(cuts))
        if not ids:
            raise InputError("The prompt is empty; write a request first.")
        borders = sorted({0, len(ids), *(bisect_right(ends, cut) for cut in cuts)})
        return tuple(
            tuple(ids[start:end]) for start, end in zip(borders, borders[1:], strict=False)
        )

    def tokens(self, text: str, *, begins: bool = True) -> tuple[list[int], list[int]]:
        """Token ids and the end of each in the text; one that begins has the model's own start
        token."""
        tokenizer, special = self.tokenizer, begins and not self.chat
        if getattr(tokenizer, "is_fast", False):
            encoded = tokenizer.backend_tokenizer.encode(text, add_special_tokens=special)
            ids, ends = encoded.ids, [end for _, end in encoded.offsets]
        else:
            ids = tokenizer(text, add_special_tokens=special)["input_ids"]
            ends = [len(text)] * len(ids)  # no offsets: one chunk
        if ids and ids[-1] == tokenizer.eos_token_id and len(ids) > 1 and not self.chat:
            ids, ends = ids[:-1], ends[:-1]
        return ids, ends

    def _behind(self, text: str, cuts: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """`tokens` of a text, of which what is before the last cut may be known already."""
        before = text[: cuts[-1]] if cuts else ""
        ids, ends = self._beginning(before, cuts[:-1]) if before else ([], [])
        first, middle = len(ids) - OVERLAP, len(ids) - OVERLAP // 2
        if first <= 0:
            return self.tokens(text)
        start, border = ends[first - 1], ends[middle - 1]
        again, where = self.tokens(text[start:], begins=False)
        where = [end + start for end in where]
        at = bisect_right(where, border)
        checked = slice(middle - OVERLAP // 4, middle)
        same = slice(max(0, at - OVERLAP // 4), at)
        if again[same] != ids[checked] or where[same] != ends[checked]:
            return self.tokens(text)
        return ids[:middle] + again[at:], ends[:middle] + where[at:]

    def continuation(self, prompt: Prompt, text: str) -> Chunk:
        """Tokens of a text that follows a prompt."""
        before = self.render(prompt)[0] if not self.chat or not prompt.prefill else prompt.prefill
        line = before.rpartition("\n")[2] if before else ""
        return self.tail(line[-80:], text)

    def _tail(self, line: str, text: str) -> Chunk:
        encode = self.tokenizer.encode
        before = encode(line, add_special_tokens=False)
        both = encode(line + text, add_special_tokens=False)
        if both[: len(before)] == before and len(both) > len(before):
            return tuple(both[len(before) :])
        return tuple(encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of tokens, special ones left out."""
        if getattr(self.tokenizer, "is_fast", False):
            text: str = self.tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=True)
            return text
        return str(
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )


class TextPieces:
    """Turns one row's tokens into text: whole characters only, and nothing of a stop string."""

    MOST_BYTES = 4  # a character of UTF-8; a longer wait means that the bytes are no character

    def __init__(self, codec: Codec, prompt: Sequence[int], stop: Sequence[str]) -> None:
        self._codec = codec
        self._stop = tuple(s for s in stop if s)
        self._ids = list(prompt[-4:])  # some tokenizers drop a text's leading space
        self._known = codec.decode(self._ids)
        self._fresh = 0
        self._held = ""
        self.text = ""
        self.stopped = False

    def push(self, token: int) -> str:
        """Add a token; returns the text that is now certain, perhaps none."""
        self._ids.append(token)
        self._fresh += 1
        text = self._codec.decode(self._ids)
        if text.endswith("\ufffd") and self._fresh < self.MOST_BYTES:
            return ""
        new = text[len(self._known) :]
        self._ids = self._ids[-self._fresh :]
        self._known = self._codec.decode(self._ids)
        self._fresh = 0
        return self._release(self._held + new)

    def flush(self) -> str:
        """The text held back at the end, without half a character."""
        if self.stopped:
            return ""
        new = self._codec.decode(self._ids)[len(self._known) :] if self._fresh else ""
        piece, self._held, self._fresh = self._held + new.rstrip("\ufffd"), "", 0
        self.text += piece
        return piece

    def _release(self, text: str) -> str:
        found = [at for at in (text.find(stop) for stop in self._stop) if at >= 0]
        if found:
            self.stopped, keep = True, min(found)
        else:
            keep = len(text) - max((_overlap(text, stop) for stop in self._stop), default=0)
        piece, self._held = text[:keep], text[keep:]
        self.text += piece
        return piece


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text that begins the stop string."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
