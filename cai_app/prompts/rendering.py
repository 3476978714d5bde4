"""Rendering of every prompt (CAI 3.1, 4.1) from the templates in data/templates.

Each function returns a `Prompt`: the dialogue text in the published form, and the same content as
turns for a model with a chat template.
"""

import re
from string import Template

from cai_app.errors import InputError
from cai_app.prompts import fewshots
from cai_app.prompts.dialogue import ASSISTANT, check_text, human_turn, opened, said
from cai_app.prompts.templates import all_templates, render
from cai_app.records import (
    PreferencePrinciple,
    Prompt,
    Record,
    Side,
    SupervisedPrinciple,
    Turn,
)
from cai_app.settings import Settings

STOP = ("\n\nHuman:", "\n\nCritiqueRequest:", "\n\nRevisionRequest:")
CHOICES = (" (A)", " (B)")


class Shots(Record):
    """Few-shots, or one of them: whole earlier conversations in both dialogue forms."""

    text: str = ""
    turns: tuple[Turn, ...] = ()

    def __add__(self, other: "Shots") -> "Shots":
        return Shots(text=self.text + other.text, turns=self.turns + other.turns)


NO_SHOTS = Shots()


def _user(text: str) -> Turn:
    return Turn(role="user", text=text)


def _assistant(text: str) -> Turn:
    return Turn(role="assistant", text=text.strip())


def draft(prompt: str, *, preamble: str | None = None) -> Prompt:
    """The dialogue alone, or after a preamble of example dialogues (HH B.8)."""
    text, turns = opened(prompt)
    if not preamble:
        return Prompt(segments=(text,), turns=turns)
    head = preamble.strip() + render("preamble_separator")
    first = turns[0].model_copy(update={"text": f"{head}\n\n{turns[0].text}"})
    return Prompt(segments=(head, text), turns=(first, *turns[1:]))


def critique(
    dialogue: str, response: str, principle: SupervisedPrinciple, *, shots: Shots = NO_SHOTS
) -> Prompt:
    """Few-shots, dialogue, response, critique request; the model writes the critique."""
    text, turns = opened(dialogue)
    request = render("critique_request", request=principle.critique_request)
    return Prompt(
        segments=_filled(shots.text, text, said(response) + request),
        turns=(*shots.turns, *turns, _assistant(response), _user(principle.critique_request)),
    )


def revision(
    dialogue: str,
    response: str,
    principle: SupervisedPrinciple,
    critique_text: str | None,
    *,
    shots: Shots = NO_SHOTS,
) -> Prompt:
    """The critique prompt, its critique and the revision request; with None revise directly."""
    request = render("revision_request", request=principle.revision_request)
    asked = _user(principle.revision_request)
    if critique_text is not None:
        before = critique(dialogue, response, principle, shots=shots)
        written = _assistant(critique_text)
        return Prompt(
            segments=(*before.segments, said(critique_text) + request),
            turns=(*before.turns, written, asked),
        )
    text, turns = opened(dialogue)
    return Prompt(
        segments=_filled(shots.text, text, said(response) + request),
        turns=(*shots.turns, *turns, _assistant(response), asked),
    )


def judge(
    dialogue: str,
    a: str,
    b: str,
    question: str | PreferencePrinciple,
    *,
    shots: Shots = NO_SHOTS,
) -> Prompt:
    """A/B question (CAI 4.1); score CHOICES after it. `a` is shown first."""
    text = human_turn(dialogue).removesuffix(ASSISTANT)
    head, tail = _ask("judge", text, a, b, question)
    return Prompt(
        segments=_filled(shots.text, head, tail),
        turns=(*shots.turns, *_judge_turns(head + tail)),
        prefill="The answer is:",
    )


def _judge_turns(text: str) -> tuple[Turn, ...]:
    return (_user(text.rpartition("\n\n")[0].strip()),)


def judge_cot(
    dialogue: str,
    a: str,
    b: str,
    question: str | PreferencePrinciple,
    *,
    shots: Shots = NO_SHOTS,
) -> Prompt:
    """A/B question with "Let's think step by step:"; the model writes a rationale (CAI 4.1)."""
    inner = "".join(
        render(
            "judge_cot_human_turn" if turn.role == "user" else "judge_cot_assistant_turn",
            text=turn.text,
        )
        for turn in opened(dialogue)[1]
    )
    head, tail = _ask("judge_cot", inner, a, b, question)
    asked, _, thought = (head + tail).rpartition(ASSISTANT)
    return Prompt(
        segments=_filled(shots.text, head, tail),
        turns=(*shots.turns, _user(asked.strip().removeprefix("Human:").strip())),
        prefill=thought.strip(),
    )


def judge_cot_answer(cot_prompt: Prompt, rationale: str) -> Prompt:
    """The CoT prompt with its rationale, asking for the answer; score CHOICES after it."""
    # The model's own white space stays; a rationale stored without starts on a new line.
    thought = rationale.rstrip() if rationale[:1].isspace() else f"\n{rationale.rstrip()}"
    answer = render("judge_cot_answer")
    return Prompt(
        segments=(*cot_prompt.segments, thought + answer),
        turns=(
            *cot_prompt.turns,
            _assistant(cot_prompt.prefill + thought),
            _user(answer.strip().removeprefix("Human:").strip()),
        ),
        prefill="The answer is:",
    )


def _ask(
    template: str, dialogue: str, a: str, b: str, question: str | PreferencePrinciple
) -> tuple[str, str]:
    """The rendered question, cut after what principles and orders share: the dialogue."""
    text = question if isinstance(question, str) else question.question
    for name, response in (("A", a), ("B", b)):
        check_text(response)
        if not response.strip():
            raise InputError(f"response {name} is empty; type it, or sample one")
    head, tail = re.split(r"\$\{dialogue\}|\$dialogue\b", all_templates()[template].template)
    values = {"question": text, "a": a.strip(), "b": b.strip()}
    return Template(head).substitute() + dialogue, Template(tail).substitute(values)


def _filled(*segments: str) -> tuple[str, ...]:
    return tuple(segment for segment in segments if segment)


def chain_shot(
    dialogue: str,
    response: str,
    principle: SupervisedPrinciple,
    critique_text: str | None,
    revised: str,
) -> Shots:
    """One whole critique-revision conversation as a few-shot (without critique where None)."""
    prompt = revision(dialogue, response, principle, critique_text)
    return Shots(text=prompt.text + said(revised), turns=(*prompt.turns, _assistant(revised)))


def judge_shot(
    dialogue: str, a: str, b: str, question: str, answer: Side, *, rationale: str | None = None
) -> Shots:
    """One judged comparison as a few-shot, with chain of thought where there is a rationale."""
    prompt = judge(dialogue, a, b, question)
    if rationale is not None:
        prompt = judge_cot_answer(judge_cot(dialogue, a, b, question), rationale)
    chosen = CHOICES[0 if answer == "a" else 1]
    return Shots(
        text=prompt.text + chosen, turns=(*prompt.turns, _assistant(prompt.prefill + chosen))
    )


def few_shots(kind: fewshots.Kind, n: int, settings: Settings) -> Shots:
    """The first n few-shots of a kind, joined; n = 0 gives none.

    Kinds: critique, direct (the same chains without their critiques), judge, judge_cot. Raises
    InputError for a broken file and for an n that the file cannot give.
    """
    shots = []
    for shot in fewshots.read(kind, n, settings):
        if isinstance(shot, fewshots.ChainShot):
            shots.append(_chain_shot(shot, direct=kind == "direct"))
        else:
            shots.append(
                judge_shot(
                    shot.prompt,
                    shot.a,
                    shot.b,
                    shot.question,
                    shot.answer,
                    rationale=shot.rationale,
                )
            )
    return sum(shots, NO_SHOTS)


def _chain_shot(shot: fewshots.ChainShot, *, direct: bool) -> Shots:
    principle = SupervisedPrinciple(
        id="shot", critique_request=shot.critique_request, revision_request=shot.revision_request
    )
    critique_text = None if direct else shot.critique
    return chain_shot(shot.prompt, shot.response, principle, critique_text, shot.revision)
