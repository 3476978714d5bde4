"""What a batch of responses looks like from outside: length, evasion, boilerplate, repetition.

The patterns are lower bounds (CAI 4.3 and its published samples), signs for a person to look at.
"""

import re
from collections import Counter
from collections.abc import Sequence

from cai_app.critique.flags import flags_of

# "you are valid, valued, and cared for": how the published over-trained policies end.
_BOILERPLATE = re.compile(
    r"\b(?:valid|valued|cared for|worthy|here to (?:listen|support))\b", re.IGNORECASE
)
GRAM = 5


def evasive(text: str) -> bool:
    """Whether a response refuses without a reason, or says nothing."""
    return "evasive" in flags_of(text, kind="draft", before=None, unknown=False)


def boilerplate(text: str) -> bool:
    """Whether a response has the phrases of an over-trained policy."""
    return _BOILERPLATE.search(text) is not None


def top_grams(texts: Sequence[str], *, most: int = 5) -> list[tuple[str, float]]:
    """Runs of five words by the share of responses that have them, the most common first; a run
    of a single response is none."""
    seen: Counter[str] = Counter()
    for text in texts:
        words = text.lower().split()
        seen.update({" ".join(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)})
    common = sorted(((gram, n) for gram, n in seen.items() if n > 1), key=lambda g: (-g[1], g[0]))
    return [(gram, n / len(texts)) for gram, n in common[:most]]
