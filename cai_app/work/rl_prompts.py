"""What a policy is trained, looked at and compared on: prompts, and the scenes they came from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cai_app import files
from cai_app.errors import InputError
from cai_app.pocket import tasks
from cai_app.pocket.tasks import Task
from cai_app.records.rewards import RlOptions
from cai_app.work.one_base import OneBase
from cai_app.work.progress import Run
from cai_app.work.sft import set_aside

PROMPTS = "inputs.prompts.jsonl"
TRAINED_ON, COMPARED_ON = 1000, 300  # requests of the toy world

Asked = tuple[str, Task | None]


def gather(
    run: Run, options: RlOptions, base: OneBase
) -> tuple[list[Asked], list[Asked], list[Asked]]:
    """Prompts to train on, the fixed ones of every look, and unseen ones for the end (the toy
    world's only, where the reference rule can say what came of it).

    Those that leave no room for an answer go to rejected.jsonl: in the middle of a run they would
    end it. Raises InputError where none is left.
    """
    aside: list[dict[str, Any]] = []
    room = base.room(options) - options.answer_tokens

    def fitting(asked: Sequence[Asked]) -> list[Asked]:
        tokens = [base.length(prompt) for prompt, _ in asked]
        reason = f"{{}} tokens, more than max_tokens leaves beside an answer ({max(0, room)})"
        aside.extend(
            {"prompt": prompt, "reason": reason.format(n)}
            for (prompt, _), n in zip(asked, tokens, strict=True)
            if n > room
        )
        return [one for one, n in zip(asked, tokens, strict=True) if n <= room]

    if options.prompts == "world":
        learned, fixed, unseen = map(fitting, _world(options))
    else:
        rows, _ = files.read_rows(run.input(PROMPTS))
        asked = fitting([(row["prompt"], None) for row in rows])
        rng = np.random.default_rng(options.seed)
        asked = [asked[int(n)] for n in rng.permutation(len(asked))]
        kept = min(options.fixed, max(2, len(asked) // 4))
        learned, fixed, unseen = asked[kept:] or asked, asked[:kept], []
    set_aside(run, aside)
    if not learned or not fixed:
        raise InputError(
            f"all of {len(aside)} prompts have more than the {max(0, room)} tokens that max_tokens "
            f"and the model's window leave beside {options.answer_tokens} of an answer; raise "
            "max_tokens, or lower answer_tokens"
        )
    return learned, fixed, unseen


def _world(options: RlOptions) -> tuple[list[Asked], list[Asked], list[Asked]]:
    half, seed = options.fixed // 2, f"{options.seed}"

    def drawn(count: int, seed: str, *, unseen: str | None = None) -> list[Asked]:
        harmful = tasks.tasks(count, f"{seed}-harmful", harmful=True, unseen=unseen)
        others = tasks.tasks(count, f"{seed}-harmless", harmful=False, unseen=unseen)
        return [(one.prompt, one) for pair in zip(harmful, others, strict=True) for one in pair]

    return (
        drawn(TRAINED_ON // 2, seed),
        drawn(half, "fixed", unseen="scene")[: options.fixed],
        drawn(COMPARED_ON, "compared", unseen="scene"),
    )


def prompts_of_step(options: RlOptions) -> int:
    """How many prompts a step has: each is answered `samples` times."""
    return max(1, options.batch // options.samples)


def of_step(prompts: Sequence[Asked], options: RlOptions, step: int) -> list[Asked]:
    """The prompts of a step, each as often as it is answered; the data in a new order each time
    that it is gone through."""
    samples, count = options.samples, len(prompts)
    each = prompts_of_step(options)
    found: list[Asked] = []
    places = [divmod(place, count) for place in range(step * each, (step + 1) * each)]
    for epoch in sorted({epoch for epoch, _ in places}):
        order = np.random.default_rng((options.seed, epoch)).permutation(count)
        for at in (at for one, at in places if one == epoch):
            found += [prompts[int(order[at])]] * samples
    return found


def hashes(uses: Mapping[str, Sequence[Asked]], options: RlOptions) -> dict[str, str]:
    """What a policy was asked, by use, with a sha256 of the prompts one a line."""
    where = "toy world" if options.prompts == "world" else options.prompts
    return {
        f"{len(asked)} requests {use} ({where}, seed {options.seed})": files.sha256(
            prompt for prompt, _ in asked
        )
        for use, asked in uses.items()
        if asked
    }
