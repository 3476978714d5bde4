"""The dialogue text: typed prompts made into it, and its turns by speaker."""

import re

from cai_app.errors import InputError
from cai_app.prompts.templates import render
from cai_app.records import Turn

ASSISTANT = "\n\nAssistant:"


def human_turn(text: str) -> str:
    """A typed prompt as a dialogue that ends where the assistant speaks.

    Plain text becomes one human turn; text beginning with `Human:` is a dialogue already, and is
    kept byte for byte. Raises InputError for an empty prompt, and for a dialogue that the assistant
    ends.
    """
    check_text(text)
    if not re.match(r"\s*Human:", text):
        if not text.strip():
            raise InputError("the prompt is empty; type what the human says")
        return render("draft", prompt=text.strip())
    dialogue = text if text.startswith("\n\nHuman:") else "\n\n" + text.lstrip()
    if not dialogue.rstrip().endswith(ASSISTANT):
        dialogue += ASSISTANT
    dialogue = dialogue.rstrip()
    last = split_turns(dialogue.removesuffix(ASSISTANT))[-1]
    if last.role == "assistant":
        raise InputError("the dialogue ends with an Assistant: turn; end it with a Human: turn")
    if not last.text:
        raise InputError("the last Human: turn is empty; type what the human says")
    return dialogue


def check_text(text: str) -> None:
    """Raises InputError for half a surrogate pair, which no tokenizer takes."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"the text holds a broken character at position {error.start}; paste it again"
        ) from error


def split_turns(dialogue: str) -> tuple[Turn, ...]:
    """Turns of a dialogue text, stripped; two in a row by one speaker become one."""
    pieces = re.split(r"\n\n(Human|Assistant):", dialogue)[1:]
    turns: list[Turn] = []
    for speaker, text in zip(pieces[::2], pieces[1::2], strict=True):
        role = "user" if speaker == "Human" else "assistant"
        text = text.strip()
        if turns and turns[-1].role == role:
            text = f"{turns.pop().text}\n\n{text}"
        turns.append(Turn.model_validate({"role": role, "text": text}))
    return tuple(turns)


def opened(dialogue: str) -> tuple[str, tuple[Turn, ...]]:
    """A prompt as dialogue text, and as turns up to where the assistant speaks."""
    text = human_turn(dialogue)
    return text, split_turns(text.removesuffix(ASSISTANT))


def said(text: str) -> str:
    """A text as the model wrote it after a colon: one leading space, none for nothing."""
    return f" {text.strip()}" if text.strip() else ""
