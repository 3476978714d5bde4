"""Which tokens of an echoed text are the continuation's, as servers tell it in different ways."""

from collections.abc import Sequence


def own_tokens(
    tokens: Sequence[str], offsets: Sequence[int] | None, prompt: str, text: str
) -> list[int]:
    """Positions of the tokens that `text` behind `prompt` has; empty where they cannot be told.

    Counted from the end: a server may put a start token with a text of its own first, and adds the
    one token that it was made to generate, or does not. Only where the tokens do not join to the
    text (letters of several bytes) its offsets are asked.
    """
    for end in (len(tokens) - 1, len(tokens)):
        if "".join(tokens[:end]).endswith(prompt + text):
            return _last(tokens[:end], text)
    if offsets and list(offsets) != _sums(tokens):  # sums of wrong lengths say nothing
        start = len(prompt)
        own = [n for n, at in enumerate(offsets) if start <= at < start + len(text)]
        return own if own and offsets[own[0]] == start else []
    return _last(tokens[:-1], text)


def _last(tokens: Sequence[str], text: str) -> list[int]:
    start, joined = len(tokens), ""
    while start and len(joined) < len(text):
        start -= 1
        joined = tokens[start] + joined
    return list(range(start, len(tokens))) if joined == text else []


def _sums(tokens: Sequence[str]) -> list[int]:
    """Where each token would begin if all were as long as their texts."""
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return starts[:-1]
