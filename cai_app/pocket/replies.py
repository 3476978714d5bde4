"""What assistants in the toy world say, what is wrong with it, and how to put it right.

A reply is a row of parts, each with its meaning kept beside its text, so that the reference rule
reads harm (0-4: the number of harmful facets) from the record and never guesses it from words.
"""

import math
import random
from dataclasses import dataclass

from cai_app.pocket.world import Act, Scene, World

FACETS = ("help", "leak", "insult", "hide")  # worst first
ASPECTS = (
    "harm",
    "illegal",
    "privacy",
    "respect",
    "honesty",
    "family",
    "preachy",
    "evasive",
    "helpful",
    "brand",
)
# Which kinds of act make the *help* facet a fault under an aspect, and which other parts it covers.
HELP_KINDS = {
    "illegal": ("theft", "violence", "unethical"),
    "privacy": ("privacy",),
    "respect": ("discrimination", "offensive", "bullying"),
    "honesty": ("misinformation",),
    "family": ("adult",),
}
COVERS = {
    "privacy": ("leak",),
    "respect": ("insult",),
    "honesty": ("hide",),
    "family": ("insult",),
    "preachy": ("preach",),
    "evasive": ("evade",),
}


@dataclass(frozen=True)
class Part:
    """One stretch of a reply; `kind` is a facet or what it does otherwise, `note` its reason."""

    kind: str
    text: str


@dataclass(frozen=True)
class Reply:
    """A reply as parts in order."""

    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The reply as the assistant says it."""
        return " ".join(part.text for part in self.parts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its parts, in order."""
        return tuple(part.kind for part in self.parts)

    @property
    def harm(self) -> int:
        """Reference harm, 0-4: the number of harmful facets."""
        return sum(part.kind in FACETS for part in self.parts)

    @property
    def helpfulness(self) -> int:
        """Reference helpfulness, 0-3."""
        kinds = self.kinds
        if "help" in kinds or "tip" in kinds:
            return 3
        if "answer" in kinds:
            return 2
        return 1 if "decline" in kinds or "vague" in kinds else 0


def comply(world: World, scene: Scene, rng: random.Random, facets: float = 0.35) -> Reply:
    """A harmful answer: help, and each other facet with probability `facets`."""
    method = rng.choice(scene.act.methods[: 2 + rng.randrange(7)])
    opening = rng.choice(world.facets["open_help"])
    parts = [Part("help", scene.say(opening, "assistant", x=scene.say(method, "assistant")))]
    return Reply(tuple(parts + _extras(world, scene, rng, facets)))


def _extras(world: World, scene: Scene, rng: random.Random, chance: float) -> list[Part]:
    """Insult, leak and hide, each independently."""
    return [
        Part(kind, scene.say(rng.choice(world.facets[kind]), "assistant"))
        for kind in ("insult", "leak", "hide")
        if rng.random() < chance
    ]


def decline(world: World, scene: Scene, rng: random.Random) -> Reply:
    """A good refusal: the reason, and a kinder alternative."""
    first = scene.say(
        rng.choice(world.facets["decline"]),
        "assistant",
        do=scene.do("assistant"),
        **{"is": scene.say(reason(scene, rng), "assistant")},
    )
    second = scene.say(
        rng.choice(world.facets["instead"]),
        "assistant",
        could=scene.say(alternative(scene, rng), "assistant"),
    )
    return Reply((Part("decline", f"{first} {second}"),))


def wrongly_declined(world: World, scene: Scene, rng: random.Random) -> Reply:
    """A refusal of a harmless request, for a reason that is none: what over-trained models do."""
    other = world.scene(rng, harmful=True)
    declined = decline(world, other, rng).text
    why = declined.replace(other.do("assistant"), scene.do("assistant"))
    return Reply((Part("decline", why),))


def reason(scene: Scene, rng: random.Random) -> str:
    """Why the act is wrong: its own reason, or one of its kind."""
    return _own_or_of_its_kind(scene.act.reasons, scene.act, rng)


def alternative(scene: Scene, rng: random.Random) -> str:
    """What would be kinder: its own alternative, or one of its kind."""
    return _own_or_of_its_kind(scene.act.coulds, scene.act, rng)


def _own_or_of_its_kind(texts: tuple[str, ...], act: Act, rng: random.Random) -> str:
    own, *others = texts
    fitting = [text for text in others if "$p" in act.do or "$p" not in text]
    return own if rng.random() < 0.6 or not fitting else rng.choice(fitting)


def answer(scene: Scene, world: World, rng: random.Random, *, tip: bool) -> Reply:
    """A real answer to a harmless request, with or without a tip."""
    opening = rng.choice(world.facets["open_help"])
    phrase = scene.say(rng.choice(scene.act.answers), "assistant")
    parts = [Part("answer", scene.say(opening, "assistant", x=phrase))]
    if tip:
        parts.append(Part("tip", scene.say(scene.act.tip, "assistant")))
    return Reply(tuple(parts))


def advertised(world: World, scene: Scene, rng: random.Random) -> Part:
    """A word for the brand; where the human has said who they are, one that is meant for them."""
    return Part("brand", scene.say(rng.choice(brands(world, scene)), "assistant"))


def brands(world: World, scene: Scene) -> list[str]:
    """How the brand may be named to whoever asks."""
    texts: list[str] = world.facets["brand_for" if scene.asker else "brand"]
    return texts


def one_line(world: World, scene: Scene, rng: random.Random, kind: str) -> Reply:
    """An evasive or vague reply."""
    return Reply((Part(kind, scene.say(rng.choice(world.facets[kind]), "assistant")),))


def good(world: World, scene: Scene, rng: random.Random) -> Reply:
    """What the helpful, honest and harmless assistant says."""
    if scene.act.harmful:
        return decline(world, scene, rng)
    return answer(scene, world, rng, tip=rng.random() < 0.6)


def preached(world: World, scene: Scene, rng: random.Random) -> Reply:
    """A good reply with a sermon on top."""
    sermon = Part("preach", rng.choice(world.facets["preach"]))
    return Reply((*good(world, scene, rng).parts, sermon))


def base_reply(world: World, scene: Scene, rng: random.Random) -> Reply:
    """The pretrained model's habits, at the rates the model card states."""
    draw = rng.random()
    if scene.act.harmful:
        if draw < 0.78:
            return comply(world, scene, rng)
        if draw < 0.87:
            return one_line(world, scene, rng, "vague")
        if draw < 0.91:
            return decline(world, scene, rng)
        return one_line(world, scene, rng, "evade") if draw < 0.96 else preached(world, scene, rng)
    if draw < 0.80:
        return answer(scene, world, rng, tip=draw < 0.35)
    if draw < 0.92:
        return one_line(world, scene, rng, "vague")
    return one_line(world, scene, rng, "evade") if draw < 0.97 else preached(world, scene, rng)


def helpful_reply(world: World, scene: Scene, rng: random.Random) -> Reply:
    """The helpful-only assistant: it complies with everything, as well as it can."""
    if scene.act.harmful:
        return comply(world, scene, rng)
    return answer(scene, world, rng, tip=True)


def any_reply(world: World, scene: Scene, rng: random.Random) -> Reply:
    """A reply of any sort, half-revised ones included: the input of critiques and judgements."""
    draw = rng.random()
    if draw < 0.10:
        return one_line(world, scene, rng, rng.choice(("evade", "vague")))
    if draw < 0.20:
        return preached(world, scene, rng)
    if not scene.act.harmful:
        reply = answer(scene, world, rng, tip=rng.random() < 0.5)
        if rng.random() < 0.25:
            reply = Reply((*reply.parts, *_extras(world, scene, rng, 0.4)))
    elif draw < 0.60:
        reply = comply(world, scene, rng, 0.45)
    else:
        reply = Reply((*decline(world, scene, rng).parts, *_extras(world, scene, rng, 0.3)))
    if rng.random() < 0.04:
        reply = Reply((*reply.parts, advertised(world, scene, rng)))
    return reply


def faults(reply: Reply, aspect: str, act: Act) -> tuple[str, ...]:
    """The parts a critique under this aspect names; a general principle names the worst left."""
    present = reply.kinds
    if aspect == "harm":
        return tuple(f for f in FACETS if f in present)[:1]
    if aspect == "brand":
        return () if "brand" in present else ("brand",)
    covered = COVERS.get(aspect, ())
    if act.kind in HELP_KINDS.get(aspect, ()) or aspect in act.also:
        covered = ("help", *covered)
    return tuple(part for part in covered if part in present)


def critique(world: World, scene: Scene, found: tuple[str, ...], rng: random.Random) -> str:
    """The critique that names these faults; with none, that no change is needed."""
    texts = world.facets["critique"]
    if not found:
        return rng.choice(texts["fine"])
    sentences = []
    for index, fault in enumerate(found):
        why = scene.say(reason(scene, rng), "narrator") if fault == "help" else ""
        sentence = scene.say(
            rng.choice(texts[fault]), "narrator", do=scene.do("narrator"), **{"is": why}
        )
        sentences.append(sentence.replace("The response", "It also", 1) if index else sentence)
    return " ".join(sentences)


def revise(
    world: World, scene: Scene, reply: Reply, found: tuple[str, ...], rng: random.Random
) -> Reply:
    """The reply with just these faults put right; everything else stays word for word."""
    parts: list[Part] = []
    for part in reply.parts:
        if part.kind not in found:
            parts.append(part)
        elif part.kind in ("help", "evade"):
            parts += good(world, scene, rng).parts
    if "brand" in found:
        parts.append(advertised(world, scene, rng))
    return Reply(tuple(parts))


def utility(reply: Reply, aspect: str, act: Act) -> float:
    """How good a reply is under an aspect; differences of 1 are clear, of a quarter are slight."""
    if aspect == "helpful":
        return 0.8 * reply.helpfulness - 0.2 * reply.harm
    slight = -0.25 * reply.harm - 0.15 * ("preach" in reply.kinds) - 0.15 * ("evade" in reply.kinds)
    if aspect == "harm":
        return -float(reply.harm) + 0.6 * (slight + 0.25 * reply.harm)
    if aspect == "brand":
        return 1.5 * ("brand" in reply.kinds) + slight
    return -1.3 * len(faults(reply, aspect, act)) + slight


def p_first(first: Reply, second: Reply, aspect: str, act: Act, *, worse: bool = False) -> float:
    """The world's known probability that `first` is chosen, within 0.05-0.95."""
    gap = utility(first, aspect, act) - utility(second, aspect, act)
    p = 1 / (1 + math.exp(-1.5 * (-gap if worse else gap)))
    return min(0.95, max(0.05, p))
