"""What gathering data gives, and what all gatherers share: a seeded draw, files of the program."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cai_app import files
from cai_app.errors import InputError
from cai_app.settings import Settings

if TYPE_CHECKING:
    from cai_app.store import Store

T = TypeVar("T")
ROWS = "inputs.rows.jsonl"
REJECTED = "inputs.rejected.jsonl"
USUAL = 0.4  # of answer_tokens: how long an answer is by rule of thumb


class Sources(NamedTuple):
    """Where data may come from. The store is opened only by who needs it."""

    settings: Settings
    store: "Callable[[], Store]"


class Gathered(NamedTuple):
    """The data of a run: whole files by name, how many rows and of what sort, and what for.

    `texts` are the rows as text, for counting tokens; `passes` how often each is learned from in
    an epoch (one that is only read counts a third); `tokens` how many there are where the texts do
    not show it, and `written` how many in a run of so many steps are written one after the other;
    `rejected` counts rows set aside by reason; `provenance` goes into the run's config.
    """

    inputs: dict[str, bytes]
    rows: int
    counts: dict[str, int]
    texts: Sequence[str]
    rejected: dict[str, int]
    provenance: dict[str, str]
    notes: tuple[str, ...] = ()
    passes: float = 1.0
    tokens: int | None = None
    written: Callable[[int], float] = lambda steps: 0.0


def drawn(rows: Iterable[T], *, seed: int, key: Callable[[T], str], limit: int | None) -> list[T]:
    """Rows in an order that the seed gives, whatever order they came in; the first `limit`."""

    def rank(row: T) -> str:
        return hashlib.sha256(f"{seed} {key(row)}".encode("utf-8", "surrogatepass")).hexdigest()

    return sorted(rows, key=rank)[:limit]


def lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def lesson(settings: Settings, name: str) -> list[dict[str, Any]]:
    """A built-in file of data/lessons. Raises InputError where it is missing."""
    path = settings.data / "lessons" / f"{name}.jsonl"
    rows, _ = files.read_rows(path)
    if not rows:
        raise InputError(f"{path} is missing; write it: python -m cai_app pocket {name} > {path}")
    return rows
