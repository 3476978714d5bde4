"""Flags on what a model wrote: signs that a step deserves a second look (design 7), by plain rules.

The rules read surface forms only; they are lower bounds, not judgements.
"""

import re
from collections import Counter

from cai_app.records import Flag

_REFUSAL = re.compile(
    r"\bI(?: would|'d| do|'m| am| can| could| will| must)? ?(?:not|n't|unable|sorry)\b"
    r"|\bI (?:can't|cannot|won't|don't|couldn't|wouldn't)\b"
    r"|\bI would rather\b|\bIt would be wrong to\b|^Please do not\b|\blet's talk about something",
    re.IGNORECASE,
)
_REASON = re.compile(r"\b(?:because|since|so that|instead|you could|it would be)\b", re.IGNORECASE)
_TAG = re.compile(
    r"\b(?:Critique|Revision)(?:Request)?:|(?:^|\n)\s*(?:Human|Assistant):|\[\[\[|\]\]\]"
    r"|^\s*(?:sure, )?here(?: is|'s) (?:a|the|my) (?:revised|rewritten|new)\b",
    re.IGNORECASE,
)
_NGRAM = 4


def flags_of(text: str, *, kind: str, before: str | None, unknown: bool) -> tuple[Flag, ...]:
    """Flags of a step of this kind; `before` is the response that a revision replaces."""
    found: list[Flag] = []
    text = text.replace("\u2019", "'")  # models write both apostrophes
    if before is not None and _plain(text) == _plain(before):
        found.append("unchanged")
    if kind != "critique":
        if _REFUSAL.search(text):
            found.append("refusal" if _REASON.search(text) else "evasive")
        elif not text.strip():
            found.append("evasive")
    if _TAG.search(text):
        found.append("tag_leak")
    if repeats(text):
        found.append("repetition")
    if unknown:
        found.append("unknown_words")
    return tuple(found)


def repeats(text: str) -> bool:
    """Whether a sentence comes twice, or four words in a row three times."""
    sentences = [_plain(s) for s in re.split(r"(?<=[.!?])\s+|\n+", text) if len(s.split()) > 2]
    words = _plain(text).split()
    runs = Counter(tuple(words[i : i + _NGRAM]) for i in range(len(words) - _NGRAM + 1))
    return len(set(sentences)) < len(sentences) or any(n > 2 for n in runs.values())


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
