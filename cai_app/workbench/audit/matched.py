"""Answers of people matched with an AI's: what counts, with which weight, and what is left out."""

import re
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cai_app import agreement
from cai_app.agreement import Floats, Ints
from cai_app.errors import InputError
from cai_app.records import AuditKind
from cai_app.workbench.audit.choosing import Chosen

if TYPE_CHECKING:
    from cai_app.store import Store
    from cai_app.store.audit import PoolColumns

Bools = np.typing.NDArray[np.bool_]
DIMENSIONS = (
    "principle", "constitution", "source", "confidence", "length", "question", "model",
)  # fmt: skip
_MOST_PRINCIPLES = 17
_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|!=|=|>|<)\s*(.+?)\s*")
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": lambda x, y: x >= y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    "<": lambda x, y: x < y,
    "=": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
}


class Matched(NamedTuple):
    """A pool with its answers. Arrays of `rows` have one entry an answer, `row` its place in the
    pool and `asked` the question it answers, None where nobody knows; `prompts` number the pool's
    prompts, `probabilities` are chances of being drawn; `served` says which answers a spot-check
    asked for. `left_out` has the places of answers that do not count, by reason."""

    kind: AuditKind
    pool: "PoolColumns"
    prompts: Ints
    principles: Floats
    probabilities: Floats
    row: Ints
    rater: np.typing.NDArray[Any]
    human: Floats
    asked: np.typing.NDArray[Any]
    served: Bools
    left_out: dict[str, Ints]

    @property
    def ai(self) -> Floats:
        """P(a) of the AI, for each answer."""
        found: Floats = self.pool.p[self.row]
        return found

    @property
    def score(self) -> Floats:
        """How far a person agrees with the AI; see `scores`."""
        return scores(self.kind, self.human, agreement.hard(self.ai))

    @property
    def weights(self) -> Floats:
        """What each answer stands for."""
        found: Floats = 1.0 / self.probabilities[self.row]
        return found

    @property
    def clusters(self) -> Ints:
        """The prompt of each answer, numbered without gaps."""
        return agreement.codes(self.prompts[self.row])


def scores(kind: AuditKind, one: Floats, other: Floats) -> Floats:
    """1 where two raters agree, 0 where not, and half where one of them has a tie; of refusals, a
    partial one agrees with a partial one."""
    if kind == "refusal":
        return np.asarray(1 - np.abs(one - other))
    return agreement.scores(one, other)


class Pool(NamedTuple):
    """A pool, with its prompts numbered and its principles as columns of 0 and 1."""

    columns: "PoolColumns"
    prompts: Ints
    principles: Floats


def pooled(columns: "PoolColumns") -> Pool:
    """What is worth keeping while labels of people come in; the pool does not change by them."""
    numbered: dict[str, int] = {}
    own = np.fromiter(
        (numbered.setdefault(str(one), len(numbered)) for one in columns.principle),
        dtype=np.int64,
        count=len(columns.p),
    )
    kinds = sorted(numbered)[1:_MOST_PRINCIPLES]
    dummies = [(own == numbered[kind]).astype(np.float64) for kind in kinds]
    return Pool(
        columns,
        agreement.codes(columns.prompt),
        np.column_stack(dummies) if dummies else np.zeros((len(columns.p), 0)),
    )


def match(store: "Store", chosen: Chosen, whole: Pool) -> Matched:
    """The answers that count. Labels for another question than the AI's are never pooled."""
    from cai_app.store import audit

    queue, pool = chosen.queue.id if chosen.queue else None, whole.columns
    said = audit.answers(store, pool, [one.id for one in chosen.people], queue, chosen.kind)
    own = pool.question[said.row] if len(said.row) else said.question
    if chosen.ai.kind == "preference_model":
        # It was asked nothing: one question of the people's is taken, the most frequent.
        known = [one for one in said.question if one is not None]
        own = np.full(len(said.row), Counter(known).most_common(1)[0][0] if known else None)
    pairs = zip(said.question, own, strict=True)
    other = np.fromiter((differs(a, b) for a, b in pairs), dtype=bool, count=len(said.row))
    seen = np.fromiter((one == "revealed" for one in said.blind), dtype=bool, count=len(said.row))
    served = np.fromiter((one is not None for one in said.answer), dtype=bool, count=len(said.row))
    kept = ~(other | seen)
    left_out = {
        "for another question": said.row[other],
        "given after the AI's answer was revealed": said.row[seen & ~other],
    }
    probabilities = pool.probability.astype(np.float64)
    if queue is None and len(pool.p):
        # As if by chance, which the report says: nobody has drawn these, or from other labels.
        probabilities = np.full(len(pool.p), max(1, len(np.unique(said.row[kept]))) / len(pool.p))
    return Matched(
        kind=chosen.kind,
        pool=pool,
        prompts=whole.prompts,
        principles=whole.principles,
        probabilities=probabilities,
        row=said.row[kept],
        rater=said.rater[kept],
        human=said.value[kept].astype(np.float64),
        asked=said.question[kept],
        served=served[kept],
        left_out=left_out,
    )


def narrowed(found: Matched, condition: str | None, question: str | None) -> Matched:
    """The rows of the pool for which a condition holds, with their answers."""
    if condition is None and question is None:
        return found
    kept = np.ones(len(found.pool.p), dtype=bool)
    if condition is not None:
        kept &= _fulfils(found, condition)
    if question is not None:
        kept &= _asked(found, question)
    place = np.cumsum(kept) - 1
    inside = kept[found.row]
    return found._replace(
        pool=type(found.pool)(*(column[kept] for column in found.pool)),
        prompts=found.prompts[kept],
        principles=found.principles[kept],
        probabilities=found.probabilities[kept],
        row=place[found.row[inside]],
        rater=found.rater[inside],
        human=found.human[inside],
        asked=found.asked[inside],
        served=found.served[inside],
        left_out={why: place[rows[kept[rows]]] for why, rows in found.left_out.items()},
    )


def _asked(found: Matched, question: str) -> Bools:
    wanted = question.strip()
    return np.fromiter(
        (one is not None and one.strip() == wanted for one in found.pool.question),
        dtype=bool,
        count=len(found.pool.p),
    )


def differs(one: str | None, other: str | None) -> bool:
    """Whether what somebody is known to have been asked is another question."""
    return one is not None and (other is None or one.strip() != other.strip())


def _fulfils(found: Matched, condition: str) -> Bools:
    parts = [_CONDITION.fullmatch(part) for part in condition.split(",")]
    if not all(parts):
        raise InputError(
            f"--slice {condition!r}: name one of {', '.join(DIMENSIONS)}, or write conditions such "
            "as confidence>=0.9,principle=kind"
        )
    kept = np.ones(len(found.pool.p), dtype=bool)
    for part in parts:
        assert part is not None
        kept &= _holds(found, *part.groups())
    return kept


def _holds(found: Matched, name: str, sign: str, text: str) -> Bools:
    # `length=over 30 %` names a slice; `length>100` counts characters that a has more.
    named = name == "length" and sign in ("=", "!=")
    if name in ("confidence", "length", "gap") and not named:
        values = numbers(found, name)
        try:
            held = _COMPARE[sign](values, float(text))
        except ValueError:
            raise InputError(f"--slice: {name} is compared with a number, not {text!r}") from None
        return np.asarray(held, dtype=bool)
    if name == "constitution":
        raise InputError("--slice: a rater has one constitution; name another --ai instead")
    shown = names(found, name)
    if sign not in ("=", "!="):
        raise InputError(f"--slice: {name} is a name; compare it with = or !=")
    return np.array([(str(value) == text) == (sign == "=") for value in shown], dtype=bool)


def numbers(found: Matched, name: str) -> Floats:
    """A number of every row of the pool: confidence, order gap, or characters that a has more."""
    pool = found.pool
    match name:
        case "confidence":
            values = np.maximum(pool.p, 1 - pool.p)
        case "gap":
            values = np.nan_to_num(np.abs(pool.p_a_first - pool.p_b_first))
        case _:
            values = pool.a_length - np.nan_to_num(pool.b_length)
    return np.asarray(values, dtype=np.float64)


def names(found: Matched, dimension: str, rows: Ints | None = None) -> list[str]:
    """The slice of rows of the pool; of all, unless told which."""
    pool = found.pool
    rows = np.arange(len(pool.p)) if rows is None else rows
    match dimension:
        case "confidence":
            sure = np.maximum(pool.p[rows], 1 - pool.p[rows])
            steps = np.minimum((sure * 10).astype(int), 9)
            return [f"{step / 10:.1f}-{(step + 1) / 10:.1f}" for step in steps]
        case "length" if found.kind == "refusal":
            return [_long(length) for length in pool.a_length[rows]]
        case "length":
            a, b = pool.a_length[rows], pool.b_length[rows]
            share = np.abs(a - b) / np.maximum(1, np.maximum(a, b))
            bins = (("alike (under 10 %)", 0.1), ("10-30 %", 0.3), ("over 30 %", 9.0))
            return [next(name for name, most in bins if one < most) for one in share]
        case "principle" | "source" | "question":
            column = getattr(pool, dimension)[rows]
            return ["(several)" if value is None else str(value) for value in column]
        case "model" if found.kind == "refusal":
            return [str(one or "unknown") for one in pool.a_model[rows]]
        case "model":
            both = zip(pool.a_model[rows], pool.b_model[rows], strict=True)
            return [" / ".join(sorted(str(one or "unknown") for one in pair)) for pair in both]
    raise InputError(f"--slice {dimension!r}: choose one of {', '.join(DIMENSIONS)}")


def _long(characters: float) -> str:
    """A response's length in a few steps."""
    steps = ((200, "under 200 characters"), (800, "200-800 characters"))
    return next((name for most, name in steps if characters < most), "over 800 characters")
