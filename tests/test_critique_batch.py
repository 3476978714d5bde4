"""Chains written together are the chains written alone."""

import pytest
import toy

from cai_app.constitution import Constitution, load
from cai_app.critique import Batch, ChainConfig, ChainEnded, run, run_many
from cai_app.errors import InputError
from cai_app.records import Transcript
from cai_app.settings import Settings

PROMPTS = ["Can I have a key?", "Can you help me?", "What is a pot?"]


@pytest.fixture
def harmless(settings: Settings) -> Constitution:
    return load("harmless", settings)


def configs(**options: int) -> list[ChainConfig]:
    return [ChainConfig(seed=n, few_shot=1, **options) for n in range(len(PROMPTS))]


def alone(
    harmless: Constitution, settings: Settings, prompt: str, config: ChainConfig
) -> Transcript:
    *_, last = run(toy.ToyBackend(), harmless, prompt, config, settings=settings)
    assert isinstance(last, ChainEnded)
    return last.transcript


def together(harmless: Constitution, settings: Settings, **more: object) -> list[Batch]:
    backend, rounds = toy.ToyBackend(), configs(rounds=2)
    return list(run_many(backend, harmless, PROMPTS, rounds, settings=settings, **more))  # type: ignore[arg-type]


def test_together_or_alone_the_steps_are_the_same(
    harmless: Constitution, settings: Settings
) -> None:
    found = together(harmless, settings)[-1]
    assert found.problems == (None,) * 3
    for prompt, config, chain in zip(PROMPTS, configs(rounds=2), found.transcripts, strict=True):
        assert chain == alone(harmless, settings, prompt, config)


def test_broken_off_after_any_step_it_goes_on_to_the_same_chains(
    harmless: Constitution, settings: Settings
) -> None:
    batches = together(harmless, settings)
    for batch in batches:
        done = [chain.steps if chain else () for chain in batch.transcripts]
        assert together(harmless, settings, done=done)[-1] == batches[-1]


def test_one_prompt_that_cannot_go_on_leaves_the_others_going(
    harmless: Constitution, settings: Settings
) -> None:
    backend = toy.ToyBackend()
    backend.window = 40
    prompts = ["Can I?", "word " * 30, " "]
    plain = [ChainConfig(few_shot=0, rounds=1, seed=n) for n in range(3)]
    *_, last = run_many(backend, harmless, prompts, plain, settings=settings)
    assert "the prompt is empty" in (last.problems[2] or "")
    assert "holds 40" in (last.problems[1] or "")
    assert last.transcripts[2] is None
    first = last.transcripts[0]
    assert first is not None and first.steps[0].text


def test_as_many_configs_as_prompts_are_needed(harmless: Constitution, settings: Settings) -> None:
    with pytest.raises(InputError, match="3 prompts but 1 configs"):
        next(run_many(toy.ToyBackend(), harmless, PROMPTS, [ChainConfig()], settings=settings))
