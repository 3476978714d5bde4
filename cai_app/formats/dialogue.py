"""Between the published dialogue text (`\\n\\nHuman: …\\n\\nAssistant: …`) and prompt and response.

A dialogue of one plain human turn is kept as what the human typed, so that a pair is the same row
whether it was imported or generated here; every other dialogue is kept byte for byte.
"""

from itertools import takewhile

from cai_app.errors import InputError
from cai_app.formats.base import Bad
from cai_app.prompts import human_turn
from cai_app.records import Response

ASSISTANT = "\n\nAssistant:"
HUMAN = "\n\nHuman: "


def split_pair(one: str, other: str) -> tuple[str, str, str]:
    """Prompt and two responses, cut after the last `\\n\\nAssistant:` that both dialogues share.

    Raises Bad where they share none. A response may hold further turns (HH-RLHF has such rows).
    """
    pieces = zip(one.split(ASSISTANT)[:-1], other.split(ASSISTANT)[:-1], strict=False)
    shared = list(takewhile(lambda both: both[0] == both[1], pieces))
    if not shared:
        raise Bad("the two dialogues share no `\\n\\nAssistant:` to split them at")
    end = sum(len(piece) + len(ASSISTANT) for piece, _ in shared)
    return typed(one[:end]), response(one[end:]), response(other[end:])


def response(text: str) -> str:
    """What follows `Assistant:`, without the one space that belongs to the mark."""
    return text.removeprefix(" ")


def typed(dialogue: str) -> str:
    """A prompt as it is stored, from a dialogue that ends with `\\n\\nAssistant:`."""
    text = dialogue.removeprefix(HUMAN).removesuffix(ASSISTANT)
    one_turn = dialogue == f"{HUMAN}{text}{ASSISTANT}" and not extra_turns(text)
    plain = one_turn and text == text.strip() and not text.startswith("Human:")
    return text if plain else dialogue


def whole(prompt: str) -> str:
    """A stored prompt as dialogue text that ends with `\\n\\nAssistant:`; `typed` gives it back."""
    if prompt.endswith(ASSISTANT):
        return prompt
    try:
        return human_turn(prompt)
    except InputError:  # empty, or a dialogue that the assistant ends: nobody could have typed it
        return f"{HUMAN}{prompt}{ASSISTANT}"


def joined(one: Response) -> str:
    """Prompt and response as one dialogue text."""
    return f"{whole(one.prompt)} {one.text}"


def extra_turns(text: str) -> bool:
    """Whether a response holds further turns."""
    return ASSISTANT in text or "\n\nHuman:" in text
