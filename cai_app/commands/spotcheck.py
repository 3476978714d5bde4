"""`spotcheck`: draw samples of AI labels, list who rates how far, close, invite, revoke."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.records import Queue
from cai_app.workbench import Workbench
from cai_app.workbench.audit import NEEDS_LOGIN, QueueState

Json = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Draw:
    """Draw a queue: pairs that an AI has labelled, each by chance, with a chance that is kept."""

    ai: str = "ai"
    """Whose labels: an id, name or backend; may be left out where one AI has labelled"""
    name: str | None = None
    """What to call it; check 1, check 2, and so on"""
    source: str | None = None
    """Only pairs from here"""
    rule: Literal["uniform", "confidence", "principle", "disagreement"] = "uniform"
    """What makes a pair more likely: nothing, an unsure AI, a rare principle, disagreement"""
    n: int = 50
    """About so many"""
    pm: str = "auto"
    """By disagreement, the preference model held against the judge: a name or id, none, or auto:
    whichever has scored most of the pairs (label --backend pocket@pm scores them)"""
    floor: float = 0.25
    """The smallest chance, as a share of the average one"""
    overlap: float = 0.2
    """The share that every rater sees"""
    repeats: float = 0.05
    """The share that a rater sees twice, sides exchanged"""
    reveal: Literal["end", "item"] = "end"
    """When raters see what the AI said: at the end, or after a pair if they ask; whatever they
    answer after that counts as unblinded"""
    seed: int = 0
    """The same seed draws the same pairs"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class List_:
    """Every queue, and how far its raters are."""

    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Invite:
    """Make a link by which one person rates one queue; an earlier link of theirs stops working."""

    queue: Annotated[str, tyro.conf.Positional]
    """Its name or id"""
    rater: Annotated[str, tyro.conf.Positional]
    """The person's name"""
    days: float = 30
    """How long the link works"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Revoke:
    """Take a person's link back; what they have answered stays."""

    queue: Annotated[str, tyro.conf.Positional]
    """Its name or id"""
    rater: Annotated[str, tyro.conf.Positional]
    """The person's name"""
    json: Json = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class Close:
    """Close a queue: it is served to nobody. What was answered is kept, and so is the queue; one
    that nobody has answered in is deleted."""

    queue: Annotated[str, tyro.conf.Positional]
    """Its name or id"""
    reopen: Json = False
    """Serve it again instead"""
    json: Json = False
    """Print one JSON value and nothing else"""


Asked = (
    Annotated[Draw, tyro.conf.subcommand("draw")]
    | Annotated[List_, tyro.conf.subcommand("list")]
    | Annotated[Close, tyro.conf.subcommand("close")]
    | Annotated[Invite, tyro.conf.subcommand("invite")]
    | Annotated[Revoke, tyro.conf.subcommand("revoke")]
)


_Any = Draw | List_ | Close | Invite | Revoke


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    asked: _Any = parsed(Asked, argv, "spotcheck")  # type: ignore[arg-type]
    with only_json(asked.json) as show:
        value, text = _done(asked, workbench)
        if asked.json:
            show(value)
        else:
            print(text)
    return 0


def _done(asked: _Any, workbench: Workbench) -> tuple[object, str]:
    """What it gives, as JSON and for people."""
    spotchecks = workbench.spotchecks
    match asked:
        case Draw():
            made = spotchecks.draw(asked.ai, _wanted(asked, workbench))
            state = next(one for one in spotchecks.queues() if one.id == made.id)
            return state.model_dump(mode="json"), _text(state)
        case List_():
            found = spotchecks.queues()
            text = "\n".join(map(_text, found)) or "no queue yet; spotcheck draw makes one"
            return [one.model_dump(mode="json") for one in found], text
        case Close(queue=queue, reopen=True):
            spotchecks.reopen(queue)
            return {"queue": queue, "state": "open"}, f"{queue} is served again"
        case Close(queue=queue):
            kept = spotchecks.close(queue)
            became = "closed" if kept else "deleted"
            text = "closed; its answers are kept" if kept else "deleted; nobody had answered in it"
            return {"queue": queue, "state": became}, f"{queue} is {text}"
        case Invite():
            made_ = spotchecks.invite(asked.queue, asked.rater, days=asked.days)
            lines = [
                f"{made_.rater} rates {made_.queue} until {made_.expires:%Y-%m-%d}, by this link, "
                "which is shown only now:",
                made_.url or f"ADDRESS{made_.path}",
            ]
            if spotchecks.login is None:
                lines.append(f"It works while the page runs; {NEEDS_LOGIN}")
            return made_.model_dump(mode="json"), "\n".join(lines)
        case Revoke():
            spotchecks.revoke(asked.queue, asked.rater)
            said = {"queue": asked.queue, "rater": asked.rater, "revoked": True}
            return said, f"{asked.rater}'s link to {asked.queue} works no more"


def _wanted(asked: Draw, workbench: Workbench) -> Queue:
    return Queue(
        name=asked.name or workbench.spotchecks.next_name(),
        ai="",
        rule=asked.rule,
        wanted=asked.n,
        floor=asked.floor,
        seed=asked.seed,
        overlap=asked.overlap,
        repeats=asked.repeats,
        reveal=asked.reveal,
        source=asked.source,
        pm=asked.pm,
    )


def _text(one: QueueState) -> str:
    """A queue for people."""
    chances = f"{one.low:.3g}" if one.low == one.high else f"{one.low:.3g} to {one.high:.3g}"
    lines = [
        f"{one.name} ({one.id}): {one.drawn} drawn of {one.pool}, {one.rule}, chance {chances}, "
        f"labels of {one.ai}{f', against {one.pm}' if one.pm else ''}"
        f"{' (closed)' if one.closed else ''}"
    ]
    for person in one.raters:
        told = person.progress
        link = f", link {person.invite}" if person.invite else ""
        lines.append(
            f"  {person.name}: {told.answered} answered, {told.skipped} skipped, {told.left} left"
            f"{link}"
        )
    return "\n".join(lines)
