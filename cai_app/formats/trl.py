"""TRL's preference form: `prompt`, `chosen`, `rejected`, as text or as lists of messages.

Read: both, with the prompt explicit or at the start of both dialogues. Written: text, with the
dialogue marks that a base model was trained on, and beside TRL's own columns `p`, the chance that
the chosen one is better, and `rater`, `question` as JSON; TRL passes over what it does not know.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cai_app.formats import dialogue
from cai_app.formats.base import (
    Bad,
    Kept,
    Labelled,
    ReadOptions,
    Row,
    Tally,
    Written,
    kind_of,
    text_of,
)
from cai_app.formats.lines import json_rows, write_lines
from cai_app.formats.pairs import Pair, chosen_first, preferred
from cai_app.formats.raters import rater_of
from cai_app.records import Label, Rater, Response

UNKNOWN = Rater(kind="reference", name="trl")
_ROLES = {"user": "Human", "assistant": "Assistant"}


class Trl:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`."""

        def convert(row: dict[str, Any]) -> tuple[Kept, ...]:
            prompt, chosen, rejected = _split(row)
            pair = Pair(
                prompt,
                chosen,
                rejected,
                model=options.model,
                source=options.source,
                question=row.get("question"),
                p=_chance(row.get("p")),
            )
            return preferred(pair, rater_of(row.get("rater"), options.rater or UNKNOWN))

        return json_rows(path, convert)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Comparisons with a preference, a row for each label; ties have no place in it."""
        tally = Tally()

        def made() -> Iterator[dict[str, Any]]:
            for found in rows:
                for label, chosen, rejected in chosen_first(found, tally):
                    tally.rows += 1
                    yield _row(label, chosen, rejected)

        write_lines(path, made())
        return tally.done()


def _row(label: Label, chosen: Response, rejected: Response) -> dict[str, Any]:
    assert label.value is not None
    rater = label.rater.model_dump(mode="json", exclude_none=True)
    return {
        "prompt": dialogue.whole(chosen.prompt),
        "chosen": f" {chosen.text}",
        "rejected": f" {rejected.text}",
        "p": max(label.value, 1 - label.value),
        "rater": json.dumps(rater, ensure_ascii=False),
        "question": label.question,
    }


def _chance(value: Any) -> float:
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Bad(f"`p` is {value!r}, but should be a chance from 0 to 1")
    return float(value)


def _split(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Prompt, chosen and rejected of any of the four forms."""
    sides = [_said(row, field) for field in ("chosen", "rejected")]
    given = row.get("prompt")
    # As in UltraFeedback: beside whole conversations a text only says their beginning again.
    if given is None or (not isinstance(given, list) and _whole(row)):
        return dialogue.split_pair(*sides)
    prompt = _said(row, "prompt")
    if isinstance(given, list):
        prompt += dialogue.ASSISTANT
    if prompt.endswith(dialogue.ASSISTANT):
        prompt = dialogue.typed(prompt)
    chosen, rejected = (side.removeprefix(dialogue.ASSISTANT) for side in sides)
    return prompt, dialogue.response(chosen), dialogue.response(rejected)


def _whole(row: Mapping[str, Any]) -> bool:
    """Whether both sides are messages (checked before) that begin with what was asked."""
    sides = (row["chosen"], row["rejected"])
    return all(isinstance(one, list) and one and one[0]["role"] == "user" for one in sides)


def _said(row: Mapping[str, Any], field: str) -> str:
    value = row.get(field)
    if not isinstance(value, list):
        return text_of(row, field)
    turns = [_turn(one, field) for one in value]
    return "".join(f"\n\n{_ROLES[role]}: {text}" for role, text in turns)


def _turn(message: Any, field: str) -> tuple[str, str]:
    if not isinstance(message, dict):
        raise Bad(f"`{field}` holds {kind_of(message)}, but should hold messages")
    role, text = text_of(message, "role"), text_of(message, "content")
    if role not in _ROLES:
        raise Bad(f"`{field}` has a message of role {role!r}; known are {', '.join(_ROLES)}")
    return role, text
