"""Answers of people matched with an AI's: what counts, with which weight, and what is left out."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cai_app import agreement
from cai_app.agreement import Floats, Ints
from cai_app.errors import InputError
from cai_app.workbench.audit.choosing import Chosen

if TYPE_CHECKING:
    from cai_app.store import Store
    from cai_app.store.audit import PoolColumns

Bools = np.typing.NDArray[np.bool_]
DIMENSIONS = ("principle", "source", "confidence", "length", "question", "model")
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
    pool; `prompts` number the pool's prompts, `probabilities` are chances of being drawn."""

    pool: "PoolColumns"
    prompts: Ints
    principles: Floats
    probabilities: Floats
    row: Ints
    rater: np.typing.NDArray[Any]
    human: Floats
    left_out: dict[str, int]

    @property
    def ai(self) -> Floats:
        """P(a) of the AI, for each answer."""
        found: Floats = self.pool.p[self.row]
        return found

    @property
    def weights(self) -> Floats:
        """What each answer stands for."""
        found: Floats = 1.0 / self.probabilities[self.row]
        return found

    @property
    def clusters(self) -> Ints:
        """The prompt of each answer, numbered without gaps."""
        return agreement.codes(self.prompts[self.row])


class Pool(NamedTuple):
    """A pool, with its prompts numbered and its principles as columns of 0 and 1."""

    columns: "PoolColumns"
    prompts: Ints
    principles: Floats


def pooled(columns: "PoolColumns") -> Pool:
    """What is worth keeping while labels of people come in; the pool does not change by them."""
    names_ = np.array([str(one) for one in columns.principle], dtype=object)
    kinds = sorted(set(names_))[1:_MOST_PRINCIPLES]
    dummies = [(names_ == kind).astype(np.float64) for kind in kinds]
    numbered: dict[str, int] = {}
    prompts = [numbered.setdefault(prompt, len(numbered)) for prompt in columns.prompt]
    return Pool(
        columns,
        np.array(prompts, dtype=np.int64),
        np.column_stack(dummies) if dummies else np.zeros((len(columns.p), 0)),
    )


def match(store: "Store", chosen: Chosen, whole: Pool, condition: str | None) -> Matched:
    """The answers that count. Labels for another question than the AI's are never pooled."""
    from cai_app.store import audit

    queue = chosen.queue.id if chosen.queue else None
    pool = whole.columns
    said = audit.answers(store, pool, [one.id for one in chosen.people], queue)
    asked = pool.question[said.row] if len(said.row) else said.question
    known = np.array([q is not None for q in said.question], dtype=bool)
    other = known & np.array(
        [_differs(a, b) for a, b in zip(said.question, asked, strict=True)], dtype=bool
    )
    seen = np.array([blind == "revealed" for blind in said.blind], dtype=bool)
    kept = ~(other | seen)
    left_out = {
        "for another question": int(other.sum()),
        "given after the AI's answer was revealed": int((seen & ~other).sum()),
    }
    probabilities = pool.probability.astype(np.float64)
    if queue is None and len(pool.p):
        # Nobody has drawn these: as if by chance, which the report says.
        probabilities = np.full(len(pool.p), max(1, len(np.unique(said.row[kept]))) / len(pool.p))
    found = Matched(
        pool=pool,
        prompts=whole.prompts,
        principles=whole.principles,
        probabilities=probabilities,
        row=said.row[kept],
        rater=said.rater[kept],
        human=said.value[kept].astype(np.float64),
        left_out={reason: count for reason, count in left_out.items() if count},
    )
    return found if condition is None else _where(found, condition)


def _differs(one: str | None, other: str | None) -> bool:
    return one is not None and (other is None or one.strip() != other.strip())


def _where(found: Matched, condition: str) -> Matched:
    """The rows of the pool for which a condition holds, with their answers."""
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
    )


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
            values = pool.a_length - pool.b_length
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
        case "length":
            a, b = pool.a_length[rows], pool.b_length[rows]
            share = np.abs(a - b) / np.maximum(1, np.maximum(a, b))
            bins = (("alike (under 10 %)", 0.1), ("10-30 %", 0.3), ("over 30 %", 9.0))
            return [next(name for name, most in bins if one < most) for one in share]
        case "principle" | "source" | "question":
            column = getattr(pool, dimension)[rows]
            return ["(several)" if value is None else str(value) for value in column]
        case "model":
            both = zip(pool.a_model[rows], pool.b_model[rows], strict=True)
            return [" / ".join(sorted(str(one or "unknown") for one in pair)) for pair in both]
    raise InputError(f"--slice {dimension!r}: choose one of {', '.join(DIMENSIONS)}")
