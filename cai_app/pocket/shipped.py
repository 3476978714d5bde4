"""The shipped few-shots as the program renders them, for the corpus to quote."""

from dataclasses import dataclass
from pathlib import Path

from cai_app.pocket.segments import Shipped
from cai_app.prompts import few_shots
from cai_app.settings import ROOT, Settings


@dataclass(frozen=True)
class ShippedTexts:
    """Where the repository lies, and its texts."""

    root: Path
    shipped: Shipped


def shipped_texts() -> ShippedTexts:
    """Read them all; the few-shots are whole sets, as the program puts them before a question."""
    settings = Settings(home=ROOT / "data" / "local")
    shipped = Shipped(
        critique=few_shots("critique", 5, settings).text,
        direct=few_shots("direct", 5, settings).text,
        judge=few_shots("judge", 5, settings).text,
        cot=few_shots("judge_cot", 6, settings).text,
    )
    return ShippedTexts(ROOT, shipped)
