"""Critique chains: order of steps, seeds, stopping, going on, replay, flags, bad input."""

from typing import Any

import pytest
from conftest import ScriptedBackend

from cai_app.constitution import Constitution, load
from cai_app.critique import (
    ChainConfig,
    ChainEnded,
    StepEnded,
    StepStarted,
    TextAdded,
    flags_of,
    run,
)
from cai_app.errors import InputError
from cai_app.records import Transcript
from cai_app.settings import Settings

ASK = "Can you help me open it?"


@pytest.fixture
def harmless(settings: Settings) -> Constitution:
    return load("harmless", settings)


def finished(
    backend: ScriptedBackend,
    constitution: Constitution,
    settings: Settings,
    config: ChainConfig,
    **more: Any,
) -> Transcript:
    *_, last = run(backend, constitution, ASK, config, settings=settings, **more)
    assert isinstance(last, ChainEnded)
    return last.transcript


def test_a_round_drafts_critiques_and_revises(harmless: Constitution, settings: Settings) -> None:
    backend = ScriptedBackend("Sure, do it.", "It is harmful.", "You could ask.")
    events = list(run(backend, harmless, ASK, ChainConfig(seed=7), settings=settings))
    kinds = [event.step.kind for event in events if isinstance(event, StepEnded)]
    assert kinds == ["draft", "critique", "revision"]
    assert "".join(e.text for e in events if isinstance(e, TextAdded)).startswith(" Sure, do it.")
    steps = events[-1].transcript.steps  # type: ignore[union-attr]
    assert [step.text for step in steps] == ["Sure, do it.", "It is harmful.", "You could ask."]
    assert steps[1].prompt.endswith(
        f" Sure, do it.\n\nCritiqueRequest: {steps[1].request}\n\nCritique:"
    )
    assert steps[2].prompt.startswith(steps[1].prompt + " It is harmful.\n\nRevisionRequest: ")
    assert steps[1].principle == steps[2].principle


def test_the_next_round_starts_from_the_revision_without_the_old_critique(
    harmless: Constitution, settings: Settings
) -> None:
    backend = ScriptedBackend("D0.", "C1.", "R1.", "C2.", "R2.")
    config = ChainConfig(rounds=2, few_shot=0)
    made = finished(backend, harmless, settings, config)
    last = made.steps[3].prompt
    assert " R1.\n\nCritiqueRequest:" in last
    assert "C1." not in last and "D0." not in last


def test_a_direct_revision_asks_for_no_critique(harmless: Constitution, settings: Settings) -> None:
    made = finished(ScriptedBackend("D.", "R."), harmless, settings, ChainConfig(direct=True))
    assert [step.kind for step in made.steps] == ["draft", "revision"]
    assert "Critique" not in made.steps[1].prompt


def test_without_rounds_there_is_only_a_draft(harmless: Constitution, settings: Settings) -> None:
    made = finished(ScriptedBackend("D."), harmless, settings, ChainConfig(rounds=0))
    assert [step.kind for step in made.steps] == ["draft"]


def test_the_seed_draws_principles_and_step_seeds(
    harmless: Constitution, settings: Settings
) -> None:
    def drawn(seed: int) -> list[tuple[str | None, int]]:
        backend = ScriptedBackend(*"abcdefghi")
        made = finished(backend, harmless, settings, ChainConfig(rounds=4, seed=seed))
        return [(step.principle, step.seed) for step in made.steps]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len({seed for _, seed in drawn(1)}) == 9


def test_closing_frees_the_model_at_once(harmless: Constitution, settings: Settings) -> None:
    backend = ScriptedBackend("one two three four")
    events = run(backend, harmless, ASK, ChainConfig(), settings=settings)
    assert isinstance(next(events), StepStarted)
    assert isinstance(next(events), TextAdded)
    events.close()
    assert backend.streams[0].cancelled


def test_an_edited_step_is_gone_on_from_with_the_seeds_it_would_have_had(
    harmless: Constitution, settings: Settings
) -> None:
    config = ChainConfig(seed=3)
    first = finished(ScriptedBackend("D.", "C.", "R."), harmless, settings, config)
    edited = first.steps[0].model_copy(update={"text": "Mine.", "edited": True})
    backend = ScriptedBackend("C2.", "R2.")
    second = finished(backend, harmless, settings, config, done=[edited])
    assert [step.seed for step in second.steps] == [step.seed for step in first.steps]
    assert " Mine.\n\nCritiqueRequest:" in second.steps[1].prompt
    assert second.steps[0].edited


def test_a_critique_that_is_there_keeps_its_principle(
    harmless: Constitution, settings: Settings
) -> None:
    chosen = ChainConfig(principle=harmless.supervised[5].id)
    first = finished(ScriptedBackend("D.", "C.", "R."), harmless, settings, chosen)
    second = finished(
        ScriptedBackend("R2."), harmless, settings, ChainConfig(), done=first.steps[:2]
    )
    assert second.steps[2].principle == chosen.principle


def test_steps_of_another_chain_are_refused(harmless: Constitution, settings: Settings) -> None:
    made = finished(ScriptedBackend("D.", "R."), harmless, settings, ChainConfig(direct=True))
    with pytest.raises(InputError, match="not the beginning of this chain"):
        finished(ScriptedBackend(), harmless, settings, ChainConfig(), done=made.steps)


def test_an_unknown_principle_lists_the_known(harmless: Constitution, settings: Settings) -> None:
    with pytest.raises(InputError, match=f"unknown principle 'x'.*{harmless.supervised[0].id}"):
        finished(ScriptedBackend(), harmless, settings, ChainConfig(principle="x"))


def test_a_prompt_beyond_the_window_is_refused_before_the_model_is_asked(
    harmless: Constitution, settings: Settings
) -> None:
    backend = ScriptedBackend("D.", window=20)
    with pytest.raises(InputError, match="draft prompt has 8 tokens.*holds 20.*shorten"):
        finished(backend, harmless, settings, ChainConfig())
    assert not backend.history


def test_few_shots_that_do_not_fit_are_named_as_the_remedy(
    harmless: Constitution, settings: Settings
) -> None:
    with pytest.raises(InputError, match="critique prompt.*fewer few-shots"):
        finished(ScriptedBackend("D.", window=60), harmless, settings, ChainConfig())


def test_an_answer_never_outgrows_the_window(harmless: Constitution, settings: Settings) -> None:
    backend = ScriptedBackend("D.", window=50)
    finished(backend, harmless, settings, ChainConfig(rounds=0, max_tokens=500))
    sampling = backend.history[0][1]
    assert sampling is not None and sampling.max_tokens == 50 - 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rounds": 5}, "rounds is 5, but it should be less than or equal to 4"),
        ({"rounds": -1}, "rounds is -1"),
        ({"temperature": -0.5}, "temperature is -0.5"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"few_shot": -1}, "few-shot is -1"),
        ({"max_tokens": 0}, "max-tokens is 0"),
        ({"seed": -3}, "seed is -3"),
    ],
)
def test_options_out_of_range_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ChainConfig(**values)


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("I would not do it, because it is theft. You could ask.", "refusal"),
        ("I can't help with that.", "evasive"),
        ("I would rather not discuss it.", "evasive"),
        ("", "evasive"),
        ("Ask her. Critique: it is bad.", "tag_leak"),
        ("Here is a revised response: ask her.", "tag_leak"),
        ("You could ask her first. You could ask her first.", "repetition"),
        ("so it is so it is so it is so it is", "repetition"),
    ],
)
def test_flags_say_what_to_look_at(text: str, flag: str) -> None:
    assert flag in flags_of(text, kind="revision", before="Something else.", unknown=False)


def test_a_plain_answer_has_no_flags() -> None:
    text = "You can mix flour with eggs. Let the cake cool before you give it to your aunt."
    assert flags_of(text, kind="draft", before=None, unknown=False) == ()


def test_no_change_and_unknown_words_are_flagged(
    harmless: Constitution, settings: Settings
) -> None:
    backend = ScriptedBackend("A cake.", "It is fine.", "A  cake.")
    *_, last = run(
        backend, harmless, "What is a flibbertigibbet?", ChainConfig(), settings=settings
    )
    assert isinstance(last, ChainEnded)
    assert last.transcript.steps[2].flags == ("unchanged", "unknown_words")
