"""Which comparisons a constitution is measured on: built in, from a file, or saved in the store."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from cai_app.errors import InputError
from cai_app.judge import Pair
from cai_app.settings import Settings

if TYPE_CHECKING:
    from cai_app.store import Store

BUILT_IN = "built-in"
SAVED = "saved"
MAX_BYTES = 50_000_000
_PAGE = 200


def read(source: str, settings: Settings, *, limit: int | None = None) -> list[Pair]:
    """Pairs of the built-in set, or of a JSONL file whose lines have prompt, a and b.

    Raises InputError naming file and line.
    """
    shipped = settings.data / "prompts" / "comparisons.jsonl"
    path = shipped if source == BUILT_IN else Path(source).expanduser()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is over 50 MB; cut it to the pairs to be judged")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save it as UTF-8") from error
    except OSError as error:
        raise InputError(
            f"pairs {source}: {error.strerror}; name a JSONL file, or {BUILT_IN}"
        ) from error
    found: list[Pair] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and (limit is None or len(found) < limit):
            found.append(_pair(line, f"{path.name}, line {number}"))
    if not found:
        raise InputError(f'{path} holds no pairs; write one a line: {{"prompt", "a", "b"}}')
    return found


def saved(store: "Store", *, limit: int) -> list[Pair]:
    """The newest comparisons of the store. Raises InputError where there are none."""
    found: list[Pair] = []
    before: int | None = None
    while len(found) < limit:
        page = store.comparisons.page(before=before, limit=min(_PAGE, limit - len(found)))
        found += [
            Pair(id=one.id, prompt=one.prompt, a=one.a.text, b=one.b.text) for one in page.rows
        ]
        before = page.next
        if before is None:
            break
    if not found:
        raise InputError(
            "no comparisons are saved yet; run `generate --mode pairs`, import some, or use the "
            "built-in set"
        )
    return found


def _pair(line: str, place: str) -> Pair:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not JSON ({error})") from error
    texts = [row.get(name) if isinstance(row, dict) else None for name in ("prompt", "a", "b")]
    for name, text in zip(("prompt", "a", "b"), texts, strict=True):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f'{place}: no text in "{name}"; a line has prompt, a and b')
    given = row.get("id")
    return Pair.of(*map(str, texts), id=given if isinstance(given, str) else "")
