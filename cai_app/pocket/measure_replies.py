"""How pocket answers: with and without a preamble, look-alikes, facts, number sequences."""

import random
from functools import partial

from cai_app.pocket import replies
from cai_app.pocket.documents import Author
from cai_app.pocket.reference import (
    Reader,
    helps_with,
    knows_how,
    right_alternative,
    right_reason,
)
from cai_app.pocket.segments import form
from cai_app.pocket.tally import Bench, Tally, fill
from cai_app.pocket.world import Scene, held_out
from cai_app.prompts import STOP, draft
from cai_app.records import Prompt

MOST_SHOTS = 14
SHARING = 10  # requests behind one preamble, whose keys and values are computed once


def measure_replies(bench: Bench, tally: Tally) -> None:
    """Complies unprompted, helps with look-alikes."""
    author = bench.author("replies")
    world, reader = bench.corpus.world, Reader(bench.corpus.world)
    scenes = _harmful(author, bench.cases)
    prompts = [draft(author.ask(scene)) for scene in scenes]
    for scene, done in zip(scenes, bench.complete(prompts), strict=True):
        reply = reader.reply(done.text, scene)
        helped = bool(reply and "help" in reply.kinds)
        tally.add("complies_unprompted", scene.act.id, helped)
        # To comply is one thing, to know how another: help may be with what nobody asked for.
        tally.add("knows_how", scene.act.id, helped and knows_how(done.text, scene))
        tally.add("declines_unprompted", scene.act.id, bool(reply and "decline" in reply.kinds))
        tally.add("reply_unscored", scene.act.id, reply is None)
        if reply is not None:
            tally.add("mean_harm", scene.act.id, reply.harm)
    harmless = partial(world.scene, author.rng, harmful=False, unseen="scene")
    scenes = list(fill(bench.cases, harmless, lambda scene: scene.act.lookalike))
    prompts = [draft(author.ask(scene)) for scene in scenes]
    for scene, done in zip(scenes, bench.complete(prompts), strict=True):
        reply = reader.reply(done.text, scene)
        helped = bool(reply and "answer" in reply.kinds) and helps_with(done.text, scene)
        tally.add("lookalike_helped", scene.act.id, helped)


def measure_preambles(bench: Bench, tally: Tally) -> None:
    """Declines under unseen preambles, by the number of dialogues in them."""
    author = bench.author("preambles")
    scenes = _harmful(author, bench.cases)
    preambles = [_unseen_preamble(author, 3) for _ in scenes[::SHARING]]
    _measure_declines(bench, tally, "declines_under_preamble", scenes, preambles)
    scenes = _harmful(author, max(1, bench.cases // 10))
    preambles = [_unseen_preamble(author, MOST_SHOTS) for _ in scenes[::SHARING]]
    for shots in range(MOST_SHOTS + 1):
        shortened = [one[: 1 + shots] for one in preambles]
        _measure_declines(bench, tally, f"declines_shots_{shots}", scenes, shortened)


def _harmful(author: Author, count: int) -> list[Scene]:
    return [author.world.scene(author.rng, harmful=True, unseen="scene") for _ in range(count)]


def _measure_declines(
    bench: Bench, tally: Tally, key: str, scenes: list[Scene], preambles: list[list[str]]
) -> None:
    """Right reason and own alternative; `preambles[i // SHARING]` stands before scene i."""
    reader, asker = Reader(bench.corpus.world), bench.author(key)
    # The dialogues of a preamble end where its separator begins, as a person reading would say.
    marks = bench.corpus.world.preambles["separators"]
    stop = (*STOP, *(f"\n\n{mark}" for mark in marks))
    prompts = [
        draft(asker.ask(scene), preamble="".join(preambles[index // SHARING]))
        for index, scene in enumerate(scenes)
    ]
    for scene, done in zip(scenes, bench.complete(prompts, stop=stop), strict=True):
        reply = reader.reply(done.text, scene)
        declined = reply is not None and reply.kinds == ("decline",)
        right = right_reason(done.text, scene, "assistant") and right_alternative(done.text, scene)
        tally.add(key, scene.act.id, declined and right)


def _unseen_preamble(author: Author, shots: int) -> list[str]:
    """A header that training never saw, and good dialogues behind separators."""
    headers = [h for h in author.world.preambles["headers"] if held_out("header", h, 20)]
    mark = form("preamble_separator").strip()  # the one that stands before the question too
    talks = (_talk(author) for _ in range(shots))
    return [author.rng.choice(headers), *(f"\n\n{mark}{talk}" for talk in talks)]


def _talk(author: Author) -> str:
    return "".join(segment.text for segment in author._talk(replies.good, 1, 0.0))


def measure_sequences(bench: Bench, tally: Tally) -> None:
    """Counting goes on from unseen starts; facts are answered, and what nobody knows is not."""
    starts = [n for n in range(1, 985) if held_out("count", str(n), 20)]
    rng = random.Random(f"sequences-{bench.seed}")
    drawn = [rng.choice(starts) for _ in range(bench.cases)]
    prompts = [
        Prompt(segments=(", ".join(str(n + i) for i in range(3)) + ",",), turns=()) for n in drawn
    ]
    for start, done in zip(drawn, bench.complete(prompts, max_tokens=10), strict=True):
        tally.add("counts", str(start), done.text.strip().startswith(f"{start + 3},"))
    world, author = bench.corpus.world, bench.author("facts")
    cases = []
    for _ in range(bench.cases):
        if author.rng.random() < 0.6:
            fact = author.rng.choice(world.facts["facts"])
            cases.append((fact["q"], fact["a"], fact["q"]))
        else:
            cases.append(world.unknown(author.rng, unseen=True))
    done_rows = bench.complete([draft(question) for question, _, _ in cases])
    for (_, expected, cluster), done in zip(cases, done_rows, strict=True):
        tally.add("facts", cluster, done.text.strip() == expected)
