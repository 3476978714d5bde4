"""The whole way of an artefact: constitution, labels, audit, preference model, policy, evaluation.

Runs, versions of constitutions, models and spot-checks are its nodes; rows are counted, not named.
What a run was made from stands in its config, so that this can be told of runs that are at work.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cai_app import jobs
from cai_app.backends import parse_spec
from cai_app.errors import CaiError, InputError
from cai_app.records import Record, RunConfig, RunInfo
from cai_app.settings import Settings
from cai_app.workbench.board import PROGRAMS, kind_of, leads_to, title

if TYPE_CHECKING:
    from cai_app.store import Store

Stage = Literal["constitution", "model", "data", "labels", "audit", "training", "evaluation"]
_RUN = re.compile(r"\b\d{8}-\d{6}-[a-z]+-[0-9a-f]{6}\b")
_STAGES: dict[str, Stage] = {"generate": "data", "label": "labels", "evaluate": "evaluation"}
# How a run stands to another that its config names here.
_ROLES = {"pm": "rewarded by", "test_pm": "tested by", "start": "starts from", "backend": "by"}


class Node(Record):
    """An artefact: what it is, how it stands, and how far to the right it belongs."""

    id: str
    stage: Stage
    title: str
    detail: str = ""
    state: str = ""
    stale: bool = False
    column: int = 0


class Link(Record):
    """`child` was made from `parent`; `relation` says how."""

    child: str
    parent: str
    relation: str


class Graph(Record):
    """Everything that leads to an id, and everything that came of it."""

    id: str
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


class Parent(NamedTuple):
    """What something was made from, by how."""

    id: str
    relation: str
    stage: Stage


class _Known(NamedTuple):
    """The runs of a home with their configs, and the runs by the name of their adapter."""

    infos: dict[str, RunInfo]
    configs: dict[str, RunConfig]
    named: dict[str, str]


def graph(
    id: str, *, settings: Settings, current: Mapping[str, str], store: "Store | None" = None
) -> Graph:
    """The graph around a run, a version of a constitution, a model or a spot-check.

    Raises InputError where nothing has the id.
    """
    known = _known(jobs.list_all(settings), settings)
    links, stages = _links(known, store)
    whole = _identify(id.strip(), known, stages, current)
    kept = _reach(whole, links, up=True) | _reach(whole, links, up=False)
    found = [link for link in links if link.child in kept and link.parent in kept]
    columns = _columns(kept, found)
    nodes = [
        _node(one, stages[one], known, current).model_copy(update={"column": columns[one]})
        for one in sorted(kept, key=lambda one: (columns[one], one))
    ]
    return Graph(id=whole, nodes=tuple(nodes), links=tuple(found))


def parents(config: RunConfig, named: Mapping[str, str]) -> Iterator[Parent]:
    """What a run is made from at once, by its config; `named` is runs by their adapter's name."""
    options, said = config.options, config.provenance
    seen = {config.id}
    for under in versions(config):
        yield Parent(under, "under", "constitution")
    for place, relation in _ROLES.items():
        for value in (options.get(place), said.get(place)):
            for parent in _run_or_model(value, options, named, place):
                if parent.id not in seen:
                    seen.add(parent.id)
                    yield parent._replace(relation=relation)
    for place, value in (*options.items(), *said.items()):
        for id in _RUN.findall(str(value)) if place not in ("command", *_ROLES) else ():
            if id not in seen:
                seen.add(id)
                yield Parent(id, "from", "data")


def versions(config: RunConfig) -> list[str]:
    """The versions of constitutions, NAME@HASH, that a run follows or learns from."""
    if config.options.get("mode") == "pairs":  # drafts follow no constitution
        return []
    said = config.provenance
    found = f"{said.get('constitution', '')}, {said.get('constitutions', '')}".split(", ")
    return list(dict.fromkeys(one for one in found if "@" in one))


def _run_or_model(
    value: Any, options: Mapping[str, Any], named: Mapping[str, str], place: str
) -> Iterator[Parent]:
    """Who stands behind a backend, or an adapter that is named: the run that made it, else a
    model."""
    text = str(value or "")
    if found := _RUN.findall(text):
        yield from (Parent(id, "", "training") for id in found)
    elif place == "backend" and text:
        adapter = text.rpartition("@")[2] if "@" in text else ""
        yield Parent(named.get(adapter, text), "", "model")
    elif text and text not in ("preset", "none", "auto"):
        base = str(options.get("backend", "pocket")).partition("@")[0]
        yield Parent(named.get(text, f"{base}@{text}"), "", "model")


def _known(found: Iterable[RunInfo], settings: Settings) -> _Known:
    infos: dict[str, RunInfo] = {}
    configs: dict[str, RunConfig] = {}
    named: dict[str, str] = {}
    for info in found:
        try:
            config = jobs.config(Path(info.path))
        except CaiError:
            continue
        infos[info.id], configs[info.id] = info, config
        name = str(config.options.get("name") or "")
        if info.kind in PROGRAMS and name and leads_to(name, info.id, settings):
            named.setdefault(name, info.id)
    return _Known(infos, configs, named)


def _drawn_from(config: RunConfig, known: _Known) -> Iterator[str]:
    """The runs behind data that was taken from the whole store: under the same versions, and
    there before it began."""
    wanted = {"revisions": "generate", "labels": "label"}
    kinds = {
        kind
        for place, kind in wanted.items()
        if config.provenance.get(place, "").startswith("every")
    }
    under = set(versions(config))
    for id, info in known.infos.items():
        before = info.state == "done" and (info.ended or info.updated) <= config.created
        if info.kind in kinds and before and under & set(versions(known.configs[id])):
            yield id


def _links(known: _Known, store: "Store | None") -> tuple[list[Link], dict[str, Stage]]:
    stages: dict[str, Stage] = {id: _stage(info.kind) for id, info in known.infos.items()}
    links = []
    for id, config in known.configs.items():
        for parent in parents(config, known.named):
            stages.setdefault(parent.id, parent.stage)
            links.append(Link(child=id, parent=parent.id, relation=parent.relation))
        named = {link.parent for link in links if link.child == id}
        drawn = [one for one in _drawn_from(config, known) if one not in named]
        links += [Link(child=id, parent=one, relation="from") for one in drawn]
    for queue, run in _spot_checks(store):
        stages.setdefault(queue, "audit")
        stages.setdefault(run, "labels")
        links.append(Link(child=queue, parent=run, relation="checks"))
    return links, stages


def _spot_checks(store: "Store | None") -> Iterator[tuple[str, str]]:
    """Each spot-check with the label runs of its rater."""
    if store is None:
        return
    for queue in store.queues.all():
        for run in store.tracing.runs_of_rater(queue.ai):
            yield f"spot-check {queue.name}", run


def _stage(kind: str) -> Stage:
    return "training" if kind in PROGRAMS else _STAGES.get(kind, "data")


def _identify(
    id: str, known: _Known, stages: Mapping[str, Stage], current: Mapping[str, str]
) -> str:
    """The whole id: a part of a run's, a constitution's name or the start of a hash will do."""
    name, _, hash = id.partition("@")
    if name in current and current[name].startswith(hash):
        id = f"{name}@{current[name]}"
    id = known.named.get(id, id)
    if id in stages:
        return id
    parts = [one for one in known.infos if id and id in one]
    if len(parts) == 1:
        return parts[0]
    raise InputError(
        f"nothing was made from or became '{id}' here; give the id of a run, NAME@HASH of a "
        "constitution, or a model that was used"
    )


def _reach(id: str, links: Iterable[Link], *, up: bool) -> set[str]:
    """The id with all that lies behind it, or all that came of it."""
    ways: dict[str, list[str]] = {}
    for link in links:
        start, end = (link.child, link.parent) if up else (link.parent, link.child)
        ways.setdefault(start, []).append(end)
    found, waiting = {id}, [id]
    while waiting:
        for one in ways.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


def _columns(kept: set[str], links: Iterable[Link]) -> dict[str, int]:
    """How far to the right each stands: one further than all it was made from."""
    behind: dict[str, list[str]] = {id: [] for id in kept}
    for link in links:
        behind[link.child].append(link.parent)
    columns: dict[str, int] = {}

    def place(id: str, trail: frozenset[str]) -> int:
        if id not in columns:
            # A ring cannot come about, but a config written by hand could claim one.
            above = [place(one, trail | {id}) for one in behind[id] if one not in trail]
            columns[id] = 1 + max(above, default=-1)
        return columns[id]

    for id in sorted(kept):
        place(id, frozenset())
    return columns


def _node(id: str, stage: Stage, known: _Known, current: Mapping[str, str]) -> Node:
    info = known.infos.get(id)
    if info is not None:
        config = known.configs[id]
        name = title(info, config.options) if info.kind in PROGRAMS else info.kind
        kind = kind_of(info.kind, config.options)
        made = f"{info.done:,} {info.unit}" if info.done else ""
        detail = " · ".join(part for part in (kind if kind != name else "", made) if part)
        return Node(id=id, stage=_stage(info.kind), title=name, detail=detail, state=info.state)
    if stage == "constitution":
        name, _, hash = id.rpartition("@")
        old = name in current and current[name] != hash
        return Node(id=id, stage=stage, title=name, detail=hash[:10], stale=old)
    if stage == "model":
        try:
            kind = parse_spec(id).kind
        except InputError:
            kind = "hf"
        detail = "server" if kind == "openai" else "model"
        return Node(id=id, stage=stage, title=id, detail=detail)
    gone = "" if stage == "audit" else "not here any more"
    return Node(id=id, stage=stage, title=id, detail=gone)
