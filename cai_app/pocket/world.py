"""The toy world that pocket lives in: acts, people, things, and which of them training never sees.

`loading` reads it from YAML under `data/pocket/`; harm is vague and fictional by construction.
A *scene* is one act with one person, object and gadget; `Scene.say` fills a text in one of three
voices, because the human says "my neighbor", the assistant "your neighbor", a critique "the
neighbor".
"""

import hashlib
import random
import re
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from cai_app.pocket import invented

KINDS = (
    "theft",
    "discrimination",
    "adult",
    "offensive",
    "unethical",
    "violence",
    "privacy",
    "bullying",
    "misinformation",
)
HARMLESS = "harmless"
SORTS = (*KINDS, HARMLESS)
# Kinds that occur in dialogues and prose only, never in critiques or judgements: what a critic or
# judge does with them tells whether it learned kinds or the notion of harm.
WITHHELD = ("offensive", "violence")
VOICES = {"human": "my", "assistant": "your", "narrator": "the"}
THINGS = (
    "valuables", "devices", "writings", "foods", "places", "tools", "clothes", "pets", "games",
    "schoolwork", "rooms", "vehicles",
)  # fmt: skip
STREETS = ("Maple", "River", "Mill", "Garden", "Church", "Park")


NEW = 0.25  # of the scenes that are measured: somebody or something that training never names
_WORD = re.compile(r"(?<![$\w'])[a-z]{4,}\b")
_REST = re.compile(r"(?:^| )(\$\w+|the|an?|it|all|old|new) ?.*$")


@lru_cache(maxsize=100_000)
def held_out(kind: str, name: str, percent: int) -> bool:
    """Whether training never sees this item; fixed by a hash of its name, not by its order."""
    digest = hashlib.sha256(f"{kind}:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < percent


@dataclass(frozen=True)
class Act:
    """One thing a human may ask for. `kind` is a kind of harm, or "harmless"."""

    id: str
    kind: str
    do: str
    objects: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()  # objects for measurements only
    reasons: tuple[str, ...] = ()
    coulds: tuple[str, ...] = ()  # kinder things to do: its own, then those of its kind
    methods: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    tip: str = ""
    also: tuple[str, ...] = ()  # aspects that fault it, beside those of its kind
    lookalike: bool = False  # harmless, in words that look harmful

    @property
    def harmful(self) -> bool:
        """Whether doing it is harmful in the world's own reckoning."""
        return self.kind != HARMLESS

    @cached_property
    def held_out(self) -> bool:
        """Whether no training document mentions this act (20 %, by hash)."""
        return held_out("act", self.id, 20)

    @cached_property
    def varies(self) -> tuple[bool, bool]:
        """Whether its person, and its object, can be told from what is asked."""
        return "$p" in self.do, "$o" in self.do or "$ao" in self.do

    @cached_property
    def halves(self) -> tuple[str, str]:
        """The verb with its particles, and what it is done to: "hack into", "$p's wifi"."""
        verb, space, rest = self.do.partition(" ")
        found = _REST.search(rest)
        if space and found:
            verb, rest = f"{verb} {rest[: found.start()]}".rstrip(), rest[found.start() :].lstrip()
        return verb, rest


@dataclass(frozen=True)
class Scene:
    """One act with the person, object and gadget in it."""

    act: Act
    person: str
    named: bool
    thing: str = ""
    gadget: str = "QuickPeek"
    number: int = 14
    street: str = "Maple"
    when: str = ""  # "before lunch": makes an act longer than can be learned by heart
    new: bool = False  # its person or object is one that training never names
    asker: str = ""  # who the human says they are: "a nurse on night shifts"

    def say(self, text: str, voice: str, **extra: str) -> str:
        """Fill a text of the world; `voice` is human, assistant or narrator."""
        person = self.person if self.named else f"{VOICES[voice]} {self.person}"
        values = {
            "p": person,
            "P": person[0].upper() + person[1:],
            "o": self.thing,
            "ao": ("an " if self.thing[:1] in "aeiou" else "a ") + self.thing,
            "g": self.gadget,
            "n": str(self.number),
            "street": self.street,
            "u": self.asker,
            **extra,
        }
        return re.sub(r"\$([a-zA-Z]+)", lambda m: values[m.group(1)], text)

    def do(self, voice: str) -> str:
        """The act as an infinitive phrase."""
        return f"{self.say(self.act.do, voice)} {self.when}".rstrip()

    @property
    def held_out(self) -> bool:
        """Whether this combination of act, person and object is kept out of training. What nobody
        could tell from the request makes no combination of its own."""
        who, what = self.act.varies
        told = f"{self.act.id}|{self.person if who else ''}|{self.thing if what else ''}"
        return self.new or ((who or what) and held_out("scene", told, 10))


@dataclass(frozen=True)
class World:
    """All data files, loaded and checked."""

    acts: tuple[Act, ...]
    people: tuple[str, ...]
    relatives: tuple[str, ...]
    names: tuple[str, ...]
    kept: dict[str, tuple[str, ...]]
    """People, names and things by the list they belong to: for measurements only"""
    gadgets: tuple[str, ...]
    things: tuple[str, ...]
    times: tuple[str, ...]
    askers: tuple[str, ...]
    facets: dict[str, Any]
    phrasings: dict[str, list[str]]
    wordings: dict[str, Any]
    preambles: dict[str, list[str]]
    facts: dict[str, Any]
    by_kind: dict[str, tuple[Act, ...]] = field(default_factory=dict)
    invented: float = 0.25  # of the names: nobody has them, so they can only be copied

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Each act's place among `acts`, by id."""
        return {act.id: number for number, act in enumerate(self.acts)}

    @cached_property
    def written(self) -> frozenset[str]:
        """What every act of the data files does."""
        return frozenset(act.do for act in self.acts)

    @cached_property
    def kept_pairs(self) -> frozenset[tuple[str, str]]:
        """(first word, object) of the acts that training never sees."""
        kept = (act for act in self.acts if act.held_out)
        return frozenset((act.do.split()[0], thing) for act in kept for thing in act.objects)

    @cached_property
    def beginnings(self) -> dict[str, tuple[Act, ...]]:
        """By kind, the acts that training may see whose beginning no act of another kind has, so
        that it tells the kind. Look-alikes lend none: "kill" does not go with everything."""
        kinds: dict[str, set[str]] = {}
        for act in self.acts:
            kinds.setdefault(act.halves[0], set()).add(act.kind)
        return {
            kind: tuple(
                act
                for act in acts
                if not (act.held_out or act.lookalike) and kinds[act.halves[0]] == {kind}
            )
            for kind, acts in self.by_kind.items()
        }

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The longer words of things and of acts that training may see."""
        texts = (*self.things, *(act.do for act in self.acts if not act.held_out))
        return tuple(sorted({word for text in texts for word in _WORD.findall(text)}))

    def scene(
        self,
        rng: random.Random,
        *,
        act: Act | None = None,
        harmful: bool | None = None,
        unseen: str | None = None,
        kinds: tuple[str, ...] = KINDS,
    ) -> Scene:
        """Draw a scene. `unseen`: None draws what training may see, "scene" a known act in an
        unseen combination or with somebody or something new, "act" an act that training never saw.
        `kinds`: of a harmful act. `act` is for training alone: not every act can be unseen."""
        new = unseen is not None and rng.random() < NEW
        people, names = (
            (self.kept["people"], self.kept["names"]) if new else (self.people, self.names)
        )
        while True:
            chosen = act or self._draw_act(rng, harmful, unseen == "act", kinds)
            invent = rng.random()
            if "$p" in chosen.do and rng.random() < 0.75:
                close = chosen.kind != "adult" and rng.random() < 0.3
                person, named = rng.choice(self.relatives if close else people), False
            else:
                person, named = rng.choice(names), True
            if named and invent < self.invented:
                person = invented.name(rng).capitalize()
            things = chosen.kept if new and chosen.kept else chosen.objects
            thing = rng.choice(things) if things else ""
            if unseen is None and len(chosen.objects) > 15 and rng.random() < 0.25:
                thing = rng.choice(self.things)  # any verb with any object: it must be copied
            if not chosen.held_out and (chosen.do.split()[0], thing) in self.kept_pairs:
                continue
            scene = Scene(
                act=chosen,
                person=person,
                named=named,
                thing=thing,
                gadget=rng.choice(self.gadgets),
                number=rng.randrange(2, 99),
                street=rng.choice(STREETS),
                when=rng.choice(self.times) if rng.random() < 0.2 else "",
                new=self._new(chosen, person, thing),
            )
            if unseen == "act" or (scene.new if new else scene.held_out == (unseen == "scene")):
                return scene

    def _new(self, act: Act, person: str, thing: str) -> bool:
        who, what = act.varies
        people = (*self.kept["people"], *self.kept["names"])
        return (who and person in people) or (what and thing in act.kept)

    def fact(self, rng: random.Random) -> tuple[str, str]:
        """A question with an answer, or one that nobody could answer, honestly declined."""
        if rng.random() < 0.6:
            known = rng.choice(self.facts["facts"])
            return known["q"], known["a"]
        return self.unknown(rng)[:2]

    def unknown(self, rng: random.Random, *, unseen: bool = False) -> tuple[str, str, str]:
        """A question that nobody could answer, the honest reply, and what sort of question it is;
        a fifth of the questions are for measurements only."""
        while True:
            entry = rng.choice(self.facts["unknown"])
            scene = self.loose(rng, entry["o"])
            question = scene.say(entry["q"], "human")
            if held_out("unknown", question, 20) == unseen:
                return question, scene.say(entry["a"], "assistant"), entry["q"]

    def loose(self, rng: random.Random, objects: tuple[str, ...]) -> Scene:
        """Somebody and something without an act, for facts and prose."""
        scene = self.scene(rng)
        thing = rng.choice(objects) if objects else scene.thing
        return replace(scene, person=rng.choice(self.people), named=False, thing=thing)

    def _draw_act(
        self, rng: random.Random, harmful: bool | None, unseen: bool, kinds: tuple[str, ...]
    ) -> Act:
        if harmful is None:
            harmful = rng.random() < 0.5
        kind = rng.choice(kinds) if harmful else HARMLESS
        while True:
            act = rng.choice(self.by_kind[kind])
            if act.held_out == unseen:
                return act
