"""Lineage: what a row, a run or a constitution was made from, what came of it, what is stale."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from cai_app import jobs
from cai_app.errors import CaiError, InputError
from cai_app.records import (
    Comparison,
    ConstitutionRef,
    Label,
    Record,
    Response,
    Transcript,
)
from cai_app.settings import Settings
from cai_app.workbench import ancestry
from cai_app.workbench.board import PROGRAMS

if TYPE_CHECKING:
    from cai_app.store import RowType, Store

NodeType = Literal[
    "response",
    "comparison",
    "transcript",
    "label",
    "run",
    "constitution",
    "backend",
    "file",
    "source",
]
Currency = Literal["current", "stale", "unknown"]
# What a run is made from, by how; any other way it is another run.
_PARENTS: dict[str, NodeType] = {"under": "constitution", "by": "backend", "read": "file"}


class Node(Record):
    """Something with an id. `version` tells of a constitution whether its name still stands for
    these words; `unknown` where none of that name is here."""

    id: str
    type: NodeType
    version: Currency | None = None


class Edge(Record):
    """`child` was made from `parent`: `by` a model, `under` a constitution, `from` a run or source,
    `about` or with a `side` of another row, or having `read` a file."""

    child: str
    parent: str
    relation: str


class Lineage(Record):
    """What lies behind an id and came of it.

    `stale` names the versions that it was made under, or else those behind it, where they are no
    longer the current ones. `rows` counts what a run or an import, or all of them under a
    constitution or from a file, gave; edges name at most fifty neighbours of a kind.
    """

    id: str
    type: NodeType
    stale: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


def version(ref: ConstitutionRef, current: Mapping[str, str]) -> Currency:
    """Whether a constitution's name still stands for this version; `current` is hash by name."""
    if ref.name not in current:
        return "unknown"
    return "current" if current[ref.name] == ref.hash else "stale"


def trace(id: str, *, store: "Store", settings: Settings, current: Mapping[str, str]) -> Lineage:
    """The lineage of an id; a constitution's name, with the start of a hash or without, stands for
    its current version. Raises InputError where nothing has the id."""
    tracer = _Tracer(store, settings)
    name, _, hash = id.strip().partition("@")
    if current.get(name, "").startswith(hash) and name in current:
        id = f"{name}@{current[name]}"
    id, kind = tracer.identify(id.strip())
    edges = {**dict.fromkeys(tracer.behind(id, kind)), **dict.fromkeys(tracer.after(id, kind))}
    ids = dict.fromkeys((id, *(end for edge in edges for end in (edge.child, edge.parent))))
    nodes = [_node(one, tracer.types[one], current) for one in ids]
    # What says itself under which words it was made is not judged by what else its run made.
    own = {edge.parent for edge in edges if edge.child == id and edge.relation == "under"}
    behind = own or _ancestors(id, edges)
    rows = tracer.rows(id, kind)
    stale = tuple(one.id for one in nodes if one.version == "stale" and one.id in behind)
    return Lineage(id=id, type=kind, stale=stale, rows=rows, nodes=tuple(nodes), edges=tuple(edges))


class _Tracer:
    """Finds edges one step at a time, and remembers what each id is."""

    def __init__(self, store: "Store", settings: Settings) -> None:
        self.store, self.settings = store, settings
        self.types: dict[str, NodeType] = {}

    def identify(self, id: str) -> tuple[str, NodeType]:
        """The whole id, and what it is of."""
        row = self.store.tracing.type_of(id)
        if row is not None:
            return id, row
        known = self.store.constitutions.get([id.rpartition("@")[2]])
        for found in known.values():
            return f"{found.name}@{found.hash}", "constitution"
        if id in self.store.runs.ids():
            return id, "run"
        if made := self.store.lineage.children(id):
            return id, _PARENTS.get(made[0].relation, "run")
        if self.store.lineage.parents(id):
            return id, "source"
        try:
            return jobs.find(self.settings, id).name, "run"
        except InputError as error:
            raise InputError(
                f"nothing here has the id '{id}'; give the id of a row, a run (or a part of it), "
                "a source, NAME@HASH of a constitution, a model or sha256:… of a file"
            ) from error

    def behind(self, id: str, kind: NodeType) -> Iterator[Edge]:
        """Every edge that leads up from an id."""
        waiting, seen = [(id, kind)], {id}
        while waiting:
            child, what = waiting.pop()
            self.types[child] = what
            for parent, relation, type in self.parents(child, what):
                yield Edge(child=child, parent=parent, relation=relation)
                self.types[parent] = type
                if parent not in seen:
                    seen.add(parent)
                    waiting.append((parent, type))

    def parents(self, id: str, kind: NodeType) -> Iterator[tuple[str, str, NodeType]]:
        """What it was made from at once: id, relation, type."""
        if kind == "run":
            for edge in self.store.lineage.parents(id) or _planned(self.settings, id):
                yield edge.parent, edge.relation, _PARENTS.get(edge.relation, "run")
            yield from _trained_from(self.settings, id)
        if kind == "source":
            for edge in self.store.lineage.parents(id):
                yield edge.parent, edge.relation, _PARENTS.get(edge.relation, "run")
        if kind not in ("response", "comparison", "transcript", "label"):
            return
        runs = self.store.tracing.runs_of(kind, id)
        for run in runs:
            yield run, "from", "run"
        if not runs and (source := self.store.tracing.source_of(kind, id)):
            yield source, "from", self._run_or_source(source)
        yield from self._of_row(id, kind)

    def _run_or_source(self, id: str) -> NodeType:
        """Files are read by runs, and by imports under the name of a source."""
        return "run" if id in self.store.runs.ids() else "source"

    def _of_row(self, id: str, kind: "RowType") -> Iterator[tuple[str, str, NodeType]]:
        table: Any = getattr(self.store, f"{kind}s")
        # None: a label may be about a row that was never here.
        match table.get([id]).get(id):
            case Response(model=str(model)):
                yield model, "by", "backend"
            case Comparison(a=a, b=b):
                yield a.id, "side", "response"
                yield b.id, "side", "response"
            case Transcript(backend=backend, constitution=under):
                yield backend, "by", "backend"
                yield f"{under.name}@{under.hash}", "under", "constitution"
            case Label(subject=subject, about=about, rater=rater):
                yield subject, "about", about
                if rater.backend:
                    yield rater.backend, "by", "backend"
                if ref := rater.constitution:
                    yield f"{ref.name}@{ref.hash}", "under", "constitution"

    def after(self, id: str, kind: NodeType) -> Iterator[Edge]:
        """What was made from it at once; a run's rows are counted, not named."""
        made: list[tuple[str, str, NodeType]] = []
        if kind == "response":
            made = [(one, "side", "comparison") for one in self.store.tracing.comparisons_of(id)]
        if kind in ("response", "comparison"):
            made += [(one, "about", "label") for one in self.store.tracing.labels_of(id)]
        if kind in ("constitution", "backend", "file"):
            found = self.store.lineage.children(id)[:50]
            made = [(edge.child, edge.relation, self._run_or_source(edge.child)) for edge in found]
        for child, relation, type in made:
            self.types[child] = type
            yield Edge(child=child, parent=id, relation=relation)

    def rows(self, id: str, kind: NodeType) -> dict[str, int]:
        """How many rows of each kind a run, or the runs made from something, gave."""
        if kind == "run":
            return self.store.tracing.made_by(id)
        if kind == "source":
            return self.store.tracing.imported_as(id)
        if kind not in ("constitution", "backend", "file"):
            return {}
        total: dict[str, int] = {}
        made = self.store.tracing.rows_of_runs()
        for edge in self.store.lineage.children(id):
            gave = made.get(edge.child)
            if gave is None and edge.relation == "read":
                gave = self.store.tracing.imported_as(edge.child)
            for type, count in (gave or {}).items():
                total[type] = total.get(type, 0) + count
        return total


def _trained_from(settings: Settings, run: str) -> Iterator[tuple[str, str, NodeType]]:
    """The runs and models that a training names in its config; its rows do not name them."""
    try:
        config = jobs.config(jobs.find(settings, run))
    except CaiError:
        return
    if config.kind not in PROGRAMS:
        return
    kinds: dict[str, NodeType] = {"constitution": "constitution", "model": "backend"}
    for parent in ancestry.parents(config, {}):
        yield parent.id, parent.relation, kinds.get(parent.stage, "run")


def _planned(settings: Settings, run: str) -> Iterator[Edge]:
    """What a run that is not in yet is made from, by its config; nothing where that is gone."""
    try:
        config = jobs.config(jobs.find(settings, run))
    except CaiError:
        return
    if backend := config.options.get("backend"):
        yield Edge(child=run, parent=str(backend), relation="by")
    under = config.provenance.get("constitution")
    if under and config.options.get("mode") != "pairs":  # drafts follow no constitution
        yield Edge(child=run, parent=under, relation="under")
    for digest in config.inputs.values():
        yield Edge(child=run, parent=f"sha256:{digest}", relation="read")


def _node(id: str, type: NodeType, current: Mapping[str, str]) -> Node:
    if type != "constitution":
        return Node(id=id, type=type)
    name, _, hash = id.rpartition("@")
    return Node(id=id, type=type, version=version(ConstitutionRef(name=name, hash=hash), current))


def _ancestors(id: str, edges: Iterable[Edge]) -> set[str]:
    """The id itself and all that lies behind it."""
    found, waiting = {id}, [id]
    up: dict[str, list[str]] = {}
    for edge in edges:
        up.setdefault(edge.child, []).append(edge.parent)
    while waiting:
        for parent in up.get(waiting.pop(), ()):
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found
