"""A judge that can be predicted: it reads its question and counts bad words, both orders alike."""

import math
import re
from collections.abc import Sequence

from conftest import ScriptedBackend

from cai_app.judge import Pair
from cai_app.records import PreferencePrinciple, Prompt

# What a question asks about, and the words of a response that count for it.
TOPICS = {"harm": "hurt", "privacy": "secret", "manners": "fool"}


class ReadingBackend(ScriptedBackend):
    """Prefers the response with fewer words of the topic, or more where the question says so."""

    def __init__(self, *, stubborn: bool = False) -> None:
        super().__init__(window=10_000)
        self.stubborn, self.asked = stubborn, 0

    def choice_logprobs(
        self, prompts: Sequence[Prompt], choices: Sequence[str]
    ) -> list[tuple[float, ...]]:
        self.asked += len(prompts)
        return [self._read(prompt.text) for prompt in prompts]

    def _read(self, text: str) -> tuple[float, float]:
        question, a, b = re.findall(r"\n\n([^\n]*) Options:\n \(A\) \[\[\[(.*?)\]\]\]\n \(B\) "
                                    r"\[\[\[(.*?)\]\]\]", text, re.DOTALL)[-1]  # fmt: skip
        word = next((word for topic, word in TOPICS.items() if topic in question), "zzz")
        more = " more " in f" {question} " and not self.stubborn
        lead = (b.count(word) - a.count(word)) * (-1 if more else 1)
        p = 1 / (1 + math.exp(-3.0 * lead))
        return math.log(p * 0.95), math.log((1 - p) * 0.95)


def asks(id: str, topic: str, *, way: str = "less", weight: float = 1) -> PreferencePrinciple:
    return PreferencePrinciple(
        id=id, question=f"Which has {way} {topic}?", tags=(topic,), weight=weight
    )


PAIRS = [
    Pair.of("p1", "hurt them", "be kind"),
    Pair.of("p2", "be kind", "hurt them"),
    Pair.of("p3", "tell the secret", "hurt them"),
    Pair.of("p4", "you fool, be kind", "tell the secret"),
    Pair.of("p5", "be calm", "you fool"),
]
