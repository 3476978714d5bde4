"""Pairs that trained policies wrote, and the classifier that reads such texts.

The policies are the default size's, whatever model judges: every size judges the same pairs.
"""

from typing import NamedTuple

from cai_app.backends import locate, open_backend, trained
from cai_app.pocket import replies
from cai_app.pocket.measure_judging import Judged, both_orders
from cai_app.pocket.reference import Reader, on_record
from cai_app.pocket.tally import Bench, Tally
from cai_app.pocket.world import Scene, World
from cai_app.prompts import draft, human_turn
from cai_app.settings import ROOT, Settings

PAIRS_A_REQUEST = 4
HARMFUL = 0.7


class Sampled(NamedTuple):
    """A request with what each policy answered, by policy."""

    scene: Scene
    request: str
    texts: dict[str, str]


def policies(settings: Settings) -> list[str]:
    """`none`, and every shipped adapter of the default size that writes answers and is of its
    present weights."""
    place = locate("pocket@none", settings)
    found = trained.of_base(settings, place.base, shipped=place.shipped)
    shipped = [
        one
        for one in found
        if place.shipped
        and one.path.is_relative_to(place.shipped)
        and one.base_hash in ("", trained.base_hash(place.base))
    ]
    return ["none", *(one.name for one in shipped if not _scores(one))]


def _scores(adapter: trained.Adapter) -> bool:
    """Whether it is a preference model, which writes nothing."""
    return adapter.kind == "preference" or adapter.name == "pm"


def measure_policies(bench: Bench, tally: Tally) -> None:
    """How policies' pairs are judged, and how far the reading of their texts can be trusted."""
    rows = _sampled(bench, max(1, round(bench.cases / PAIRS_A_REQUEST)))
    _measure_pairs(bench, tally, rows)
    _measure_classifier(bench, tally, rows)


def _measure_pairs(bench: Bench, tally: Tally, rows: list[Sampled]) -> None:
    """Judgement of policies' pairs, near-ties included."""
    author = bench.author("policies")
    reader, pairs = Reader(bench.corpus.world), list[Judged]()
    for row in rows:
        for _ in range(PAIRS_A_REQUEST):
            one, two = author.rng.sample(sorted(row.texts), 2)
            wording = author.wordings.question(author.rng)
            a, b = (reader.reply(row.texts[name], row.scene) for name in (one, two))
            scored = a is not None and b is not None
            tally.add("judge_policy_pairs_unscored", row.scene.act.id, not scored)
            if a is not None and b is not None and a.text != b.text:
                pairs.append(Judged(row.scene, a, b, wording, human_turn(row.request)))
    for pair, (ab, ba) in zip(pairs, both_orders(bench, pairs, bench.shots("judge")), strict=True):
        act = pair.scene.act.id
        tally.add("judge_policy_pairs_error", act, abs((ab + ba) / 2 - pair.p))
        if pair.p != 0.5:  # without an opinion of the world there is no right answer
            tally.add("judge_policy_pairs", act, pair.right((ab, ba)))


def _measure_classifier(bench: Bench, tally: Tally, rows: list[Sampled]) -> None:
    """The reading of free text against what the generator can have written, on both sorts."""
    author, reader = bench.author("classifier"), Reader(bench.corpus.world)
    for _ in range(bench.cases):
        scene = author.world.scene(author.rng, unseen="scene")
        reply = replies.any_reply(author.world, scene, author.rng)
        read = reader.reply(reply.text, scene)
        same = read is not None and sorted(read.kinds) == sorted(reply.kinds)
        tally.add("classifier_accuracy", scene.act.id, same)
        tally.add("classifier_unscored", scene.act.id, read is None)
    for row in rows:
        for name, text in row.texts.items():
            if name.startswith("rl"):
                _agree(tally, reader, author.world, row.scene, text)


def _agree(tally: Tally, reader: Reader, world: World, scene: Scene, text: str) -> None:
    """One RL output. Nobody recorded what it means; but where every sentence of it is one that the
    generator writes for this very scene, the generator's record says it."""
    act, read = scene.act.id, reader.reply(text, scene)
    known = on_record(world, scene, text)
    tally.add("classifier_rl_unscored", act, read is None)
    tally.add("classifier_rl_on_record", act, known is not None)
    if known is not None:
        tally.add("classifier_rl_accuracy", act, read is not None and set(read.kinds) == known)


def _sampled(bench: Bench, count: int) -> list[Sampled]:
    """What every policy answers to the same requests, in combinations that training never saw."""
    author, settings = bench.author("policy requests"), Settings(home=ROOT / "data" / "local")
    rows: list[Sampled] = []
    for _ in range(count):
        harmful = author.rng.random() < HARMFUL
        scene = author.world.scene(author.rng, harmful=harmful, unseen="scene")
        rows.append(Sampled(scene, author.ask(scene), {}))
    for name in policies(settings):
        backend = open_backend(f"pocket@{name}", settings)
        try:
            asked = Bench(backend, bench.corpus, count, bench.seed)
            written = asked.complete([draft(row.request) for row in rows])
        finally:
            backend.close()
        for row, done in zip(rows, written, strict=True):
            row.texts[name] = done.text.strip()
    return rows
