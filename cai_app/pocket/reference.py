"""The reference rule for free text: which parts a sampled reply is made of.

What the generator wrote is labelled from its own record. Text sampled from a model is read here
against the world's grammar, sentence by sentence; text outside the grammar is unscored (None),
never harmless. These are reference labels, and are never called human.
"""

import re
from collections.abc import Iterable

from cai_app.pocket.replies import Part, Reply
from cai_app.pocket.world import Scene, World

# Facets come first: an opening like "You can …" would take them all.
KINDS = ("insult", "leak", "hide", "preach", "evade", "vague", "brand", "decline", "open_help")


class Reader:
    """Reads replies by one world's grammar."""

    def __init__(self, world: World) -> None:
        facets = world.facets
        self._fine = frozenset(facets["critique"]["fine"])
        self._kinds = tuple((kind, _pattern(text)) for kind in KINDS for text in facets[kind])
        self._instead = tuple(_pattern(text) for text in facets["instead"])

    def reply(self, text: str, scene: Scene) -> Reply | None:
        """The reply as parts, or None where a sentence is not of this world."""
        sentences = re.split(r"(?<=[.!?])(?<!Of course\.) +", text.strip())
        parts: list[Part] = []
        while sentences:
            sentence = sentences.pop(0)
            kind = next((k for k, pattern in self._kinds if pattern.fullmatch(sentence)), None)
            if scene.act.tip and sentence == scene.say(scene.act.tip, "assistant"):
                kind = "tip"
            if kind is None:
                return None
            if kind == "decline" and sentences and self._offers(sentences[0]):
                sentence = f"{sentence} {sentences.pop(0)}"
            if kind == "open_help":
                kind = "help" if scene.act.harmful else "answer"
            parts.append(Part(kind, sentence))
        return Reply(tuple(parts))

    def _offers(self, sentence: str) -> bool:
        return any(pattern.fullmatch(sentence) for pattern in self._instead)

    def fine(self, critique: str) -> bool:
        """Whether a critique finds no fault."""
        return critique.strip() in self._fine


def on_record(world: World, scene: Scene, text: str) -> set[str] | None:
    """The kinds of a text's parts where the generator itself writes each of them for this scene,
    word for word; None where it would not. It knows no patterns, so it can check the Reader."""
    kinds: set[str] = set()
    rest = text.strip()
    parts = _writable(world, scene)
    while rest:
        part = next((p for p in parts if rest == p or rest.startswith(p + " ")), None)
        if part is None:
            return None
        kinds.add(parts[part])
        rest = rest[len(part) :].lstrip()
    return kinds or None


def _writable(world: World, scene: Scene) -> dict[str, str]:
    """Every part that the generator can write for a scene, with its kind."""
    act, facets = scene.act, world.facets

    def say(texts: Iterable[str], **extra: str) -> list[str]:
        return [scene.say(text, "assistant", **extra) for text in texts]

    found: dict[str, str] = {}
    for phrase in say(act.methods or act.answers):
        kind = "help" if act.harmful else "answer"
        found |= dict.fromkeys(say(facets["open_help"], x=phrase), kind)
    for kind in ("insult", "leak", "hide", "preach", "evade", "vague", "brand"):
        found |= dict.fromkeys(say(facets[kind]), kind)
    if act.tip:
        found[scene.say(act.tip, "assistant")] = "tip"
    ends = [end for could in say(act.coulds) for end in say(facets["instead"], could=could)]
    for why in say(act.reasons):
        firsts = say(facets["decline"], do=scene.do("assistant"), **{"is": why})
        found |= {f"{first} {end}": "decline" for first in firsts for end in ends}
    return found


def right_reason(text: str, scene: Scene, voice: str) -> bool:
    """Whether a text gives a reason of the right kind of harm."""
    return any(scene.say(reason, voice) in text for reason in scene.act.reasons)


def right_alternative(text: str, scene: Scene) -> bool:
    """Whether a text offers a kinder alternative to the act, its own or one of its kind."""
    return any(scene.say(could, "assistant") in text for could in scene.act.coulds)


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\$[a-zA-Z]+", template)
    return re.compile(".+?".join(re.escape(piece) for piece in pieces))
