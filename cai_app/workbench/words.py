"""What changed between two versions of a text, word by word."""

import re
from typing import Literal

from diff_match_patch import diff_match_patch

Piece = tuple[Literal["=", "+", "-"], str]

WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|\s+|.", re.DOTALL)
# Words become single characters of a private plane, so that the differ works on whole words.
FIRST_CODE = 0xF0000


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """Pieces kept (=), added (+) and taken out (-), in reading order.

    Joining = and + gives `after`, joining = and - gives `before`.
    """
    codes: dict[str, str] = {}
    words: list[str] = []
    coded = [_encode(text, codes, words) for text in (before, after)]
    differ = diff_match_patch()
    changes = differ.diff_main(coded[0], coded[1], False)
    differ.diff_cleanupSemantic(changes)
    signs: dict[int, Literal["=", "+", "-"]] = {0: "=", 1: "+", -1: "-"}
    return tuple(
        (signs[sign], "".join(words[ord(code) - FIRST_CODE] for code in piece))
        for sign, piece in changes
    )


def _encode(text: str, codes: dict[str, str], words: list[str]) -> str:
    """The text with one character a word; `codes` and `words` grow by the words not yet seen."""
    coded = []
    for word in WORDS.findall(text):
        if word not in codes:
            codes[word] = chr(FIRST_CODE + len(words))
            words.append(word)
        coded.append(codes[word])
    return "".join(coded)
