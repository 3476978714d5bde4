"""Example prompts from data/prompts, and those nearest to what somebody typed."""

import json
import re
from pathlib import Path
from typing import Any

from cai_app.errors import InputError
from cai_app.settings import Settings

SHOWN = 8
NEAR = 3
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and any are at be best by can could do easy for from good help how i in is it me my "
        "of on please should some tell that the there this to want way what with you your",
    )
)


def prompts(settings: Settings) -> list[str]:
    """All example prompts, harmful and harmless in turn."""
    harmful, harmless = (
        [row["prompt"] for row in _rows(settings.data / "prompts" / f"{name}.jsonl")]
        for name in ("red-team", "helpful")
    )
    longer = max(len(harmful), len(harmless))
    return [text for i in range(longer) for rows in (harmful, harmless) for text in rows[i : i + 1]]


def pairs(settings: Settings) -> list[dict[str, str]]:
    """Example comparisons: prompt, a, b."""
    return _rows(settings.data / "prompts" / "pairs.jsonl")


def few(known: list[str]) -> list[str]:
    """The ones to click."""
    return known[:SHOWN]


def near(prompt: str, known: list[str]) -> list[str]:
    """Prompts that share most content words, by Jaccard; the order of the file breaks ties."""
    asked = _words(prompt)

    def likeness(text: str) -> float:
        words = _words(text)
        return len(asked & words) / (len(asked | words) or 1)

    return sorted((text for text in known if text != prompt.strip()), key=likeness, reverse=True)[
        :NEAR
    ]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower())) - _COMMON


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise InputError(f"{path.name}, line {number}: not JSON; restore the line") from error
    return rows
