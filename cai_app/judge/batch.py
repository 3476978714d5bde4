"""Many comparisons judged together (CAI 4.1): all their questions in one call of the model.

Prompts, seeds and reasons are those of a comparison alone; only the model's last bits depend on
what shares a batch.
"""

import random
from collections.abc import Sequence
from typing import Literal

from cai_app import prompts
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution
from cai_app.errors import InputError
from cai_app.judge.comparison import (
    ORDERS,
    asked_principles,
    principle_verdict,
    reasoning,
    scored,
    unscored,
    unusable,
)
from cai_app.judge.events import JudgeConfig
from cai_app.judge.window import Window
from cai_app.records import (
    OrderVerdict,
    PreferencePrinciple,
    PrincipleVerdict,
    Prompt,
    Record,
    Side,
)
from cai_app.settings import Settings

Orders = Literal["both", "one"]


class Asked(Record):
    """A comparison to judge. `seed` draws its principle, and its order where only one is asked."""

    prompt: str
    a: str
    b: str
    seed: int = 0


def compare_many(
    backend: Backend,
    constitution: Constitution,
    rows: Sequence[Asked],
    config: JudgeConfig,
    *,
    settings: Settings,
    orders: Orders = "both",
) -> list[tuple[PrincipleVerdict, ...]]:
    """The verdicts of every comparison, one for each principle it is asked under.

    A comparison that cannot be asked (empty, or beyond the window) is unscored with the reason.
    Raises InputError where constitution or few-shots cannot be used.
    """
    kind: Literal["judge", "judge_cot"] = "judge_cot" if config.cot else "judge"
    shots = prompts.few_shots(kind, config.few_shot, settings)
    window = Window(backend, config)
    tasks = [
        _Task(row, principle, config.model_copy(update={"seed": row.seed}), orders)
        for row in rows
        for principle in asked_principles(
            constitution, config.model_copy(update={"seed": row.seed})
        )
    ]
    for task in tasks:
        task.render(shots, window)
    _answer(backend, [task for task in tasks if task.problem is None], config)
    found: dict[int, list[PrincipleVerdict]] = {id(row): [] for row in rows}
    for task in tasks:
        found[id(task.row)].append(task.verdict())
    return [tuple(found[id(row)]) for row in rows]


class _Task:
    """One comparison under one principle: its questions, then its verdict."""

    def __init__(
        self, row: Asked, principle: PreferencePrinciple, config: JudgeConfig, orders: Orders
    ) -> None:
        self.row, self.principle, self.config = row, principle, config
        drawn = random.Random(f"{row.seed}-order").choice(ORDERS)
        self.firsts: tuple[Side, ...] = ORDERS if orders == "both" else (drawn,)
        self.prompts: list[Prompt] = []
        self.orders: list[OrderVerdict] = []
        self.problem: str | None = None

    def render(self, shots: prompts.Shots, window: Window) -> None:
        """The questions, or why they cannot be asked."""
        make = prompts.judge_cot if self.config.cot else prompts.judge
        row = self.row
        try:
            for first in self.firsts:
                a, b = (row.a, row.b) if first == "a" else (row.b, row.a)
                self.prompts.append(make(row.prompt, a, b, self.principle, shots=shots))
        except InputError as error:
            self.problem = str(error)
            return
        self.problem = window.problem(self.prompts)

    def verdict(self) -> PrincipleVerdict:
        """The mean of the orders asked; unscored where one of them is."""
        if self.problem is None:
            return principle_verdict(self.principle, tuple(self.orders), self.config)
        return unscored(self.principle, self.problem)


def _answer(backend: Backend, tasks: Sequence[_Task], config: JudgeConfig) -> None:
    """Ask everything at once, and give every task its orders."""
    asked = [
        (task, prompt, first)
        for task in tasks
        for prompt, first in zip(task.prompts, task.firsts, strict=True)
    ]
    if not asked:
        return
    if config.cot:
        return _reason(backend, asked)
    firsts = [first for _, _, first in asked]
    for (task, _, _), order in zip(
        asked, scored(backend, [prompt for _, prompt, _ in asked], firsts), strict=True
    ):
        task.orders.append(order)


def _reason(backend: Backend, asked: Sequence[tuple[_Task, Prompt, Side]]) -> None:
    """All rationales together, then all answers."""
    how = [reasoning(task.config, task.principle.id, first) for task, _, first in asked]
    made = backend.generate([prompt for _, prompt, _ in asked], how)
    orders: list[OrderVerdict | None] = []
    ready: list[tuple[Prompt, Side]] = []
    for (task, prompt, first), one in zip(asked, made, strict=True):
        reason = unusable(one.text, one.finish, task.config)
        if reason is None:
            ready.append((prompts.judge_cot_answer(prompt, one.text), first))
            orders.append(None)
        else:
            orders.append(OrderVerdict(first=first, unscored_reason=reason))
    answers = iter(
        scored(backend, [prompt for prompt, _ in ready], [first for _, first in ready])
        if ready
        else ()
    )
    for (task, _, _), one, order in zip(asked, made, orders, strict=True):
        found = next(answers) if order is None else order
        task.orders.append(found.model_copy(update={"rationale": one.text.strip()}))
