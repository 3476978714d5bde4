"""The shipped few-shots and preamble as the program renders them, for the corpus to quote."""

from dataclasses import dataclass
from pathlib import Path

from cai_app.pocket.documents import Shipped
from cai_app.prompts import few_shots, preamble
from cai_app.settings import ROOT


@dataclass(frozen=True)
class ShippedTexts:
    """Where the repository lies, and its texts."""

    root: Path
    shipped: Shipped


def shipped_texts() -> ShippedTexts:
    """Read them all; the few-shots are whole sets, as the program puts them before a question."""
    return ShippedTexts(
        ROOT,
        Shipped(
            critique=few_shots("critique", 5).text,
            direct=few_shots("direct", 5).text,
            judge=few_shots("judge", 5).text,
            cot=few_shots("judge_cot", 6).text,
            preamble=preamble("hhh"),
        ),
    )
