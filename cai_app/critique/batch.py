"""Many critique-revision chains written together, one step of all of them at a time (CAI 3.1).

Prompts, seeds, principles and flags are those of a chain alone; only the model's last bits depend
on what shares a batch.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial

from cai_app.backends.base import Backend
from cai_app.constitution import Constitution
from cai_app.critique.chain import Chain, shots_of, written_step
from cai_app.critique.events import ChainConfig
from cai_app.errors import InputError
from cai_app.records import Completion, Prompt, Record, Sampling, Step, Transcript
from cai_app.settings import Settings


class Batch(Record):
    """The chains so far, in the order asked for.

    Where a prompt cannot go on (it is beyond the model's window), `problems` says why, and its
    transcript ends before that step or is None.
    """

    transcripts: tuple[Transcript | None, ...]
    problems: tuple[str | None, ...]


def run_many(
    backend: Backend,
    constitution: Constitution,
    prompts: Sequence[str],
    configs: Sequence[ChainConfig],
    *,
    settings: Settings,
    done: Sequence[Sequence[Step]] = (),
) -> Generator[Batch, None, None]:
    """Yields after every step; the last one holds whole chains.

    The configs differ in seed and principle only. `done` are the steps of an earlier, broken-off
    call: the same prompts go on from there to the same texts. Raises InputError where the
    few-shots cannot be used; a constitution that cannot be is every chain's problem.
    """
    if len(prompts) != len(configs):
        raise InputError(f"{len(prompts)} prompts but {len(configs)} configs; give as many")
    if not prompts:
        yield Batch(transcripts=(), problems=())
        return
    shots = shots_of(configs[0], settings)
    rows = [
        _begun(
            partial(Chain, backend, constitution, prompt, config, shots),
            done[n] if n < len(done) else (),
        )
        for n, (prompt, config) in enumerate(zip(prompts, configs, strict=True))
    ]
    plan = next((row.chain.plan for row in rows if row.chain), [])
    for index in range(len(plan)):
        going = [row for row in rows if row.prepare(index)]
        if not going:
            continue
        asked = [row.asked() for row in going]
        made = backend.generate([prompt for prompt, _ in asked], [how for _, how in asked])
        for row, completion in zip(going, made, strict=True):
            row.take(completion)
        yield _batch(rows)
    yield _batch(rows)


class _Row:
    """One chain on its way: its steps, and the one that is being written."""

    def __init__(self, chain: Chain | None, steps: Sequence[Step], problem: str | None) -> None:
        self.chain, self.steps, self.problem = chain, list(steps), problem
        self.next: tuple[Step, Prompt] | None = None

    def prepare(self, index: int) -> bool:
        """Render the step at `index`; False where it is there already, or cannot be."""
        self.next = None
        if self.chain is None or self.problem or len(self.steps) != index:
            return False
        try:
            self.next = self.chain.next(index, self.steps)
        except InputError as error:
            self.problem = str(error)
        return self.next is not None

    def asked(self) -> tuple[Prompt, Sampling]:
        """What goes to the model."""
        assert self.chain and self.next
        step, rendered = self.next
        return rendered, self.chain.sampling(step)

    def take(self, made: Completion) -> None:
        """The step as the model wrote it."""
        assert self.chain and self.next
        step = written_step(self.next[0], made)
        self.steps.append(self.chain.flagged(step, self.steps))


def _begun(make: Callable[[], Chain], steps: Sequence[Step]) -> _Row:
    try:
        chain = make()
    except InputError as error:
        return _Row(None, (), str(error))
    chain.check(steps)
    return _Row(chain, steps, None)


def _batch(rows: Sequence[_Row]) -> Batch:
    return Batch(
        transcripts=tuple(row.chain.transcript(row.steps) if row.chain else None for row in rows),
        problems=tuple(row.problem for row in rows),
    )
