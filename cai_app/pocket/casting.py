"""Who and what training documents are about, beyond what the world has words for.

Scenes as the world draws them could be learned by heart. In training some acts are put together
from two, some people and things have names that nobody knows, and some humans say who they are.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from cai_app.pocket import invented, mixing
from cai_app.pocket.replies import Reply
from cai_app.pocket.segments import known_stretches
from cai_app.pocket.world import Act, Scene, World

COINED = 0.15  # of the people and things: words that nobody knows
LOOK_ALIKES = 0.1  # of the requests in dialogues


def mixed(world: World, scene: Scene, rng: random.Random) -> Scene:
    """The scene with an act put together from two, unless an act kept out of training does the
    same to the same thing."""
    act = mixing.mixed(world, scene.act, rng)
    kept = (act.do.split()[0], scene.thing) in world.kept_pairs
    return scene if kept else replace(scene, act=act)


def quoted(world: World, scene: Scene, rng: random.Random) -> Scene:
    """The scene for a response that is only quoted: its answers may be anybody's."""
    return replace(scene, act=mixing.quoted(world, scene.act, rng))


def coined(world: World, scene: Scene, rng: random.Random) -> Scene:
    """Now and then with somebody or something there is no word for: to speak of them they must be
    copied from the request."""
    who, what = scene.act.varies
    if who and rng.random() < COINED:
        person = invented.called(rng, world.words)
        scene = replace(scene, person=person.title() if scene.named else person)
    if what and rng.random() < COINED:
        scene = replace(scene, thing=invented.called(rng, world.words))
    return scene


def look_alike(world: World, rng: random.Random) -> Act | None:
    """Now and then a harmless act in words that look harmful: they are few, and hard."""
    if rng.random() > LOOK_ALIKES:
        return None
    return rng.choice([act for act in world.acts if act.lookalike and not act.held_out])


def introduced(world: World, scene: Scene, rng: random.Random) -> Scene:
    """The scene with a human who says who they are; not before asking for something flirty."""
    if scene.act.kind == "adult":
        return scene
    return replace(scene, asker=rng.choice(world.askers))


def known(
    world: World, scene: Scene, replies: Sequence[tuple[Reply, int]]
) -> tuple[tuple[int, int], ...]:
    """The stretches of quoted replies (each with where it begins) that can be learned: what belongs
    to an act that was written, and to no other."""
    number = world.numbers.get(scene.act.id)
    if number is None or world.acts[number] is not scene.act:
        return ()
    return tuple(found for reply, start in replies for found in known_stretches(reply, start))
