"""Many comparisons under many principles: each asked once, in both orders, and remembered.

What is measured about a constitution (its effect, its conflicts, …) reads one table of scores, so
that nothing is computed twice. Chain of thought is left to `compare`.
"""

from collections.abc import Iterator, MutableMapping, Sequence

from cai_app import prompts
from cai_app.backends import adapter_hash
from cai_app.backends.base import Backend
from cai_app.errors import InputError
from cai_app.judge.comparison import ORDERS, order_verdict, principle_verdict, unscored
from cai_app.judge.events import JudgeConfig
from cai_app.judge.window import Window
from cai_app.records import PreferencePrinciple, PrincipleVerdict, Prompt, Record, hashed
from cai_app.settings import Settings

# P(a), or why there is none.
Score = float | str
Key = tuple[str | int | None, ...]
# Prompts in one call: enough to fill a batch, few enough that Stop and the first result are near.
AT_ONCE = 128


class Pair(Record):
    """Two responses to one prompt, to be judged. `id` names it in results."""

    id: str
    prompt: str
    a: str
    b: str

    @classmethod
    def of(cls, prompt: str, a: str, b: str, *, id: str = "") -> "Pair":
        """A pair with an id of its content where it has none."""
        return cls(id=id or hashed("pair", prompt, a, b), prompt=prompt, a=a, b=b)


class Scores:
    """P(a) of pairs under questions, for one model; `known` may be shared with other tables."""

    def __init__(
        self,
        backend: Backend,
        settings: Settings,
        *,
        few_shot: int = 5,
        known: MutableMapping[Key, Score] | None = None,
    ) -> None:
        self.backend, self.few_shot = backend, few_shot
        self.known: MutableMapping[Key, Score] = {} if known is None else known
        # Asked first: what was edited is read again only once its hash is asked for.
        template = prompts.template_hash()
        self._shots = prompts.few_shots("judge", few_shot, settings)
        # The adapter's weights and not its name, under which another one may be trained.
        try:
            adapter = adapter_hash(backend.spec, settings)
        except InputError:  # a model that is opened in another way than by its spec
            adapter = backend.info().adapter
        self._model = (backend.spec, adapter, few_shot, template)
        self.asked = 0

    def get(self, pair: Pair, question: str) -> Score | None:
        """P(a), or why there is none; None where it was not asked yet."""
        return self.known.get(self._key(pair, question))

    def batches(self, pairs: Sequence[Pair], questions: int) -> Iterator[Sequence[Pair]]:
        """Pairs in pieces that make about one call each; one alone first, so that something is
        soon there to see."""
        size = max(1, AT_ONCE // (2 * max(1, questions)))
        yield pairs[:1]
        for start in range(1, len(pairs), size):
            yield pairs[start : start + size]

    def fill(self, wanted: Sequence[tuple[Pair, str]]) -> None:
        """Ask what is not known yet, in one call. Raises BackendError where a model gives no
        log-probabilities."""
        missing = [one for one in dict.fromkeys(wanted) if self._key(*one) not in self.known]
        verdicts = judge_many(self.backend, missing, self._shots)
        self.asked += len(missing)
        for one, verdict in zip(missing, verdicts, strict=True):
            score = verdict.p_a if verdict.p_a is not None else str(verdict.unscored_reason)
            self.known[self._key(*one)] = score

    def _key(self, pair: Pair, question: str) -> Key:
        return (*self._model, question, pair.prompt, pair.a, pair.b)


def judge_many(
    backend: Backend, asked: Sequence[tuple[Pair, str]], shots: prompts.Shots
) -> list[PrincipleVerdict]:
    """The verdict on each pair under each question, both orders, without chain of thought.

    A pair too long for the window, or that cannot be rendered, is unscored with the reason.
    """
    window = Window(backend, JudgeConfig())
    rendered: list[list[Prompt]] = []
    problems: list[str | None] = []
    problem: str | None
    for pair, question in asked:
        try:
            both = [
                prompts.judge(pair.prompt, *sides, question, shots=shots)
                for sides in ((pair.a, pair.b), (pair.b, pair.a))
            ]
        except InputError as error:
            both, problem = [], str(error)
        else:
            problem = window.problem(both)
        problems.append(problem)
        rendered.append(both)
    fitting = [both for both, problem in zip(rendered, problems, strict=True) if problem is None]
    flat = [prompt for both in fitting for prompt in both]
    rows = iter(backend.choice_logprobs(flat, prompts.CHOICES) if flat else ())
    found = []
    for (_, question), problem in zip(asked, problems, strict=True):
        principle = PreferencePrinciple(id="asked", question=question)
        if problem is None:
            orders = tuple(order_verdict(first, next(rows)) for first in ORDERS)
            found.append(principle_verdict(principle, orders, JudgeConfig()))
        else:
            found.append(unscored(principle, problem))
    return found
