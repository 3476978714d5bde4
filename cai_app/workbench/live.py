"""What is answered live: chains and verdicts as they come, and examples to try them on."""

from collections.abc import Generator, Sequence
from functools import cached_property

from cai_app import critique, judge
from cai_app.backends.base import Backend
from cai_app.errors import InputError
from cai_app.records import Step, Transcript
from cai_app.workbench import examples
from cai_app.workbench.home import Home


class Live(Home):
    """Chains, verdicts and examples."""

    def chain(
        self,
        prompt: str,
        config: critique.ChainConfig,
        *,
        backend: str,
        constitution: str,
        done: Sequence[Step] = (),
        principles: Sequence[str] = (),
    ) -> Generator[critique.Event, None, None]:
        """A critique-revision chain as events; see `critique.run`."""
        found = self.constitution(constitution)
        yield from critique.run(
            self.open(backend),
            found,
            prompt,
            config,
            settings=self.settings,
            done=done,
            principles=principles,
        )

    def replay(self, transcript: Transcript) -> Generator[critique.Event, None, None]:
        """The same chain again: same seeds, principles and settings, so the identical result.

        Steps up to the last edited one are kept, as no seed gives them back. Raises InputError
        where the constitution has changed since.
        """
        named = transcript.constitution
        edited = [index for index, step in enumerate(transcript.steps) if step.edited]
        rounds = max((step.round for step in transcript.steps), default=0)
        by_round = {step.round: step.principle for step in transcript.steps if step.principle}
        config = critique.ChainConfig(
            rounds=rounds,
            direct=transcript.direct,
            few_shot=transcript.few_shot,
            temperature=transcript.temperature,
            seed=transcript.seed,
            max_tokens=transcript.max_tokens,
        )
        yield from self.chain(
            transcript.prompt,
            config,
            backend=transcript.backend,
            constitution=f"{named.name}@{named.hash}",
            done=transcript.steps[: edited[-1] + 1] if edited else (),
            principles=[by_round[n] for n in sorted(by_round)],
        )

    def compare(
        self,
        prompt: str,
        a: str,
        b: str,
        config: judge.JudgeConfig,
        *,
        backend: str,
        constitution: str,
    ) -> Generator[judge.Event, None, None]:
        """A comparison judged, as events; see `judge.compare`."""
        for name, text in (("prompt", prompt), ("response A", a), ("response B", b)):
            if not text.strip():
                raise InputError(f"{name} is empty; type it first")
        found = self.constitution(constitution)
        yield from judge.compare(
            self.open(backend), found, prompt, a, b, config, settings=self.settings
        )

    @cached_property
    def _prompts(self) -> list[str]:
        return examples.prompts(self.settings)

    def examples(self) -> list[str]:
        """A few prompts to click, harmful and harmless in turn."""
        return examples.few(self._prompts)

    def near_examples(self, prompt: str, backend: Backend) -> list[str]:
        """Three prompts that share most words with this one, and hold none the model never saw."""
        known = [text for text in self._prompts if not backend.unknown_words(text)]
        return examples.near(prompt, known)

    def pairs(self) -> list[dict[str, str]]:
        """Example comparisons: prompt, a, b."""
        return examples.pairs(self.settings)
