"""Training runs as the Train tab shows them: which there are, what each was asked, how it is."""

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cai_app import jobs
from cai_app.backends import trained
from cai_app.errors import CaiError
from cai_app.records import Record, RunConfig, RunInfo
from cai_app.settings import Settings

# What a form offers, and the runs that are of it.
KINDS: dict[str, str] = {
    "helpful": "helpful",
    "sl-cai": "SL-CAI",
    "preference": "preference model",
    "rl": "RL",
    "dpo": "DPO",
    "distill": "distillation",
}
PROGRAMS = frozenset({"sft", "preference", "rl", "dpo", "distill"})
_FACTS, _MEASURED = "training.json", "measured.json"


class Line(Record):
    """A training in the list. `place` is its place in the queue from 1 up, 0 where it has begun;
    `spec` is how the result is called as a model, '' until there is one."""

    id: str
    kind: str
    title: str
    state: str
    created: float
    started: float | None
    ended: float | None
    updated: float
    done: int
    total: int | None
    unit: str
    rate: float | None
    eta_s: float | None
    note: str
    error: str | None
    metrics: dict[str, int | float]
    spec: str = ""
    place: int = 0


class Card(Record):
    """All that made a run: settings, data with their hashes, versions, the very command.

    `facts` is what its training wrote beside the adapter, `measured` how good the result is, with
    intervals; both are empty until it is done.
    """

    id: str
    kind: str
    folder: str
    options: dict[str, Any]
    provenance: dict[str, str]
    inputs: dict[str, str]
    command: str
    config: str
    facts: dict[str, Any] = {}
    measured: dict[str, Any] = {}


class Board:
    """The trainings of a home. A run's config is read once, as it never changes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._configs: dict[str, RunConfig] = {}

    def lines(self, found: list[RunInfo]) -> list[Line]:
        """Every training, the newest first."""
        waiting = sorted(
            (info for info in found if info.state == "queued"), key=lambda one: (one.queued, one.id)
        )
        places = {info.id: n for n, info in enumerate(waiting, start=1)}
        lines = []
        for info in found:
            if info.kind not in PROGRAMS:
                continue
            options = self._options(info)
            fields = info.model_dump(include=set(Line.model_fields) - {"kind"})
            lines.append(
                Line(
                    **fields,
                    kind=kind_of(info.kind, options),
                    title=title(info, options),
                    spec=_spec(info, options, self.settings),
                    place=places.get(info.id, 0),
                )
            )
        known = {info.id for info in found}
        self._configs = {id: one for id, one in self._configs.items() if id in known}
        return lines

    def _options(self, info: RunInfo) -> dict[str, Any]:
        known = self._configs.get(info.id)
        if known is None:
            try:
                known = self._configs[info.id] = jobs.config(Path(info.path))
            except CaiError:
                return {}
        return known.options


def kind_of(program: str, options: Mapping[str, Any]) -> str:
    """Which form a run belongs to: fine-tuning on helpful answers alone makes the helpful model."""
    if program == "sft":
        return "helpful" if options.get("data") == "helpful" else "sl-cai"
    return program


def title(info: RunInfo, options: Mapping[str, Any]) -> str:
    """What a run is called: the name that was asked for, else its kind and time."""
    if name := options.get("name"):
        return str(name)
    made = time.strftime("%d %b %H:%M", time.localtime(info.created))
    return f"{KINDS.get(kind_of(info.kind, options), info.kind)}, {made}"


def leads_to(name: str, run: str, settings: Settings) -> bool:
    """Whether an adapter's name, which this run asked for, is not another one's. Of two that were
    started with one name, that of the second stays under its run's id."""
    folder = trained.named_folder(settings) / name
    return not folder.exists() or trained.facts(folder).get("run") == run


def card(path: Path) -> Card:
    """What a run was started with and what came of it. Raises InputError where its config is
    gone."""
    config = jobs.config(path)
    return Card(
        id=config.id,
        kind=kind_of(config.kind, config.options),
        folder=str(path),
        options=config.options,
        provenance={k: v for k, v in config.provenance.items() if k != "command"},
        inputs=config.inputs,
        command=config.provenance.get("command") or shlex.join(jobs.read(path).command),
        config=jobs.config_text(path),
        facts=_json(path / "adapter" / _FACTS),
        measured=_json(path / _MEASURED),
    )


def _json(path: Path) -> dict[str, Any]:
    """A file that a worker wrote at its end; nothing where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _spec(info: RunInfo, options: Mapping[str, Any], settings: Settings) -> str:
    if info.state != "done" or not (Path(info.path) / "adapter" / "adapter_config.json").is_file():
        return ""
    base = str(options.get("backend", "pocket")).partition("@")[0]
    name = str(options.get("name") or "")
    return f"{base}@{name if name and leads_to(name, info.id, settings) else info.id}"
