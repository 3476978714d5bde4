"""What is answered live: chains and verdicts as they come, and examples to try them on."""

from collections.abc import Generator, Sequence
from functools import cached_property

from cai_app import critique, judge
from cai_app.backends.base import Backend
from cai_app.errors import InputError
from cai_app.records import Step
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
