"""One critique-revision chain (CAI 3.1), from the draft to the last revision."""

import hashlib
import random
from collections.abc import Generator, Sequence
from typing import Literal

from cai_app import prompts
from cai_app.backends.base import Backend
from cai_app.constitution import Constitution, draw, pick
from cai_app.critique.events import (
    ChainConfig,
    ChainEnded,
    Event,
    StepEnded,
    StepStarted,
    TextAdded,
)
from cai_app.critique.flags import flags_of
from cai_app.errors import InputError
from cai_app.records import Completion, Prompt, Sampling, Step, SupervisedPrinciple, Transcript
from cai_app.settings import Settings

# With less room than this left in the window, an answer is not worth starting.
LEAST_ROOM = 16
Kind = Literal["draft", "critique", "revision"]


def run(
    backend: Backend,
    constitution: Constitution,
    prompt: str,
    config: ChainConfig,
    *,
    settings: Settings,
    done: Sequence[Step] = (),
) -> Generator[Event, None, None]:
    """Draft, then critique and revise in rounds; the next round starts from the revision.

    `done` are steps already there (edited ones included); the chain goes on after them with the
    seeds it would have had. Closing the generator cancels the live stream. Raises InputError for
    an empty prompt, an unknown principle, and a prompt beyond the model's window.
    """
    prompts.template_hash()  # templates and few-shots that were edited are read again
    shots = shots_of(config, settings)
    chain = Chain(backend, constitution, prompt, config, shots)
    steps = list(done)
    chain.check(steps)
    for index in range(len(steps), len(chain.plan)):
        step, rendered = chain.next(index, steps)
        yield StepStarted(step=step)
        written = ""
        stream = backend.stream(rendered, chain.sampling(step))
        try:
            for piece in stream:
                written += piece
                yield TextAdded(text=piece)
        finally:
            stream.cancel()  # on close() too: the model is free at its next token
        if (ended := stream.completion) is not None:
            step = written_step(step, ended)
        else:
            step = step.model_copy(update={"text": written.strip()})
        steps.append(chain.flagged(step, steps))
        yield StepEnded(step=steps[-1])
        if steps[-1].finish == "cancelled":
            break
    yield ChainEnded(transcript=chain.transcript(steps))


def step_seed(seed: int, index: int) -> int:
    """The seed of one step: the same chain, edited before it or not, draws the same numbers."""
    digest = hashlib.sha256(f"{seed}-{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def written_step(step: Step, made: Completion) -> Step:
    """The step with what the model wrote."""
    changes = {"text": made.text.strip(), "tokens": made.tokens, "finish": made.finish}
    return step.model_copy(update=changes)


def shots_of(config: ChainConfig, settings: Settings) -> prompts.Shots:
    """The few-shots of a chain; a draft alone has none."""
    if not config.rounds:
        return prompts.NO_SHOTS
    shown: Literal["direct", "critique"] = "direct" if config.direct else "critique"
    return prompts.few_shots(shown, config.few_shot, settings)


class Chain:
    """What stays the same over the steps of one chain."""

    def __init__(
        self,
        backend: Backend,
        constitution: Constitution,
        prompt: str,
        config: ChainConfig,
        shots: prompts.Shots,
    ) -> None:
        self.backend, self.constitution, self.config = backend, constitution, config
        self.prompt = prompt
        self.dialogue = prompts.human_turn(prompt)
        self.shots = shots
        rounds = range(1, config.rounds + 1)
        self.principles = [self._principle(n) for n in rounds]
        kinds: tuple[Kind, ...] = ("revision",) if config.direct else ("critique", "revision")
        self.plan: list[tuple[Kind, int]] = [("draft", 0)]
        self.plan += [(kind, n) for n in rounds for kind in kinds]

    def _principle(self, round_: int) -> SupervisedPrinciple:
        known = self.constitution.supervised
        if self.config.principle is not None:
            return pick(known, self.config.principle, of=self.constitution.name)
        return draw(known, random.Random(f"{self.config.seed}-{round_}"), of=self.constitution.name)

    def check(self, done: Sequence[Step]) -> None:
        """The steps there must be the beginning of this chain."""
        found = [(step.kind, step.round) for step in done]
        if found != self.plan[: len(found)]:
            raise InputError("the steps given are not the beginning of this chain; start it anew")

    def next(self, index: int, steps: Sequence[Step]) -> tuple[Step, Prompt]:
        """The step at `index`, and its prompt, rendered from the steps before it."""
        kind, round_ = self.plan[index]
        principle = self._used(round_, steps) if kind != "draft" else None
        rendered = self._rendered(kind, principle, steps)
        request = None
        if principle is not None:
            asks = kind == "critique"
            request = principle.critique_request if asks else principle.revision_request
        step = Step(
            kind=kind,
            round=round_,
            principle=principle.id if principle else None,
            request=request,
            prompt=rendered.text,
            prompt_tokens=self.backend.count_tokens(rendered),
            seed=step_seed(self.config.seed, index),
        )
        self._check_window(step)
        return step, rendered

    def _rendered(
        self, kind: Kind, principle: SupervisedPrinciple | None, steps: Sequence[Step]
    ) -> Prompt:
        if principle is None:
            return prompts.draft(self.prompt)
        response = _response(steps)
        if kind == "critique":
            return prompts.critique(self.dialogue, response, principle, shots=self.shots)
        found = None if self.config.direct else steps[-1].text
        return prompts.revision(self.dialogue, response, principle, found, shots=self.shots)

    def _used(self, round_: int, steps: Sequence[Step]) -> SupervisedPrinciple:
        """The round's principle; a critique that is there already has chosen it."""
        for step in steps:
            if step.round == round_ and step.principle:
                return pick(self.constitution.supervised, step.principle, of=self.constitution.name)
        return self.principles[round_ - 1]

    def _check_window(self, step: Step) -> None:
        window = self.backend.context_window()
        if window is None or step.prompt_tokens + LEAST_ROOM <= window:
            return
        remedy = "shorten the prompt"
        if step.kind != "draft" and self.config.few_shot:
            remedy += " or take fewer few-shots"
        raise InputError(
            f"the {step.kind} prompt has {step.prompt_tokens} tokens, but the window of "
            f"{self.backend.spec} holds {window}, answer included; {remedy}"
        )

    def sampling(self, step: Step) -> Sampling:
        """How this step is sampled, never beyond the window."""
        window = self.backend.context_window()
        room = self.config.max_tokens if window is None else window - step.prompt_tokens
        return Sampling(
            seed=step.seed,
            temperature=self.config.temperature,
            max_tokens=min(self.config.max_tokens, room),
            stop=prompts.STOP,
        )

    def flagged(self, step: Step, before: Sequence[Step]) -> Step:
        """The step with its flags: what a reader should look at twice."""
        asked = f"{self.dialogue}\n{step.request or ''}"
        found = flags_of(
            step.text,
            kind=step.kind,
            before=_response(before) if step.kind == "revision" else None,
            unknown=bool(self.backend.unknown_words(asked)),
        )
        return step.model_copy(update={"flags": found})

    def transcript(self, steps: Sequence[Step]) -> Transcript:
        """All that is needed to replay the chain."""
        config = self.config
        return Transcript(
            prompt=self.prompt,
            backend=self.backend.spec,
            adapter=self.backend.info().adapter,
            constitution=self.constitution.ref,
            seed=config.seed,
            temperature=config.temperature,
            few_shot=config.few_shot,
            direct=config.direct,
            max_tokens=config.max_tokens,
            steps=tuple(steps),
        )


def _response(steps: Sequence[Step]) -> str:
    """The newest answer: the last step that is not a critique."""
    return next(step.text for step in reversed(steps) if step.kind != "critique")
