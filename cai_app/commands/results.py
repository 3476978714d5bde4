"""`results`: the whole method on pocket as runs of one home, and what the repository ships of it.

generate chains -> SL-CAI -> pairs -> AI labels -> preference model -> RL-CAI: the very runs that
anybody can start. `make results` runs it and puts the adapters with their cards, and a demo of the
labels, where the program looks for them.
"""

import functools
import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from cai_app import files
from cai_app.backends import folders, open_backend, trained
from cai_app.commands import seeds
from cai_app.commands.following import line
from cai_app.commands.output import from_caller, only_json, parsed
from cai_app.errors import CaiError
from cai_app.records import GenerateOptions, LabelOptions, RunInfo
from cai_app.workbench import Workbench, training
from cai_app.workbench.exchange import DEMO

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Results:
    """Run the method on pocket in this home: chains, SL-CAI, pairs, labels, PM, RL."""

    chains: int = 400
    """Requests that are answered, criticised and revised"""
    pairs: int = 1000
    """Requests that SL-CAI answers twice, to be labelled"""
    steps: int = 150
    """Steps of RL"""
    seed: int = 0
    """Of every run"""
    seeds: int = 1
    """Do all of it under so many seeds, from `seed` on; the first one's is shipped"""
    table: Path | None = None
    """Write what the seeds came to into this file (docs/results.md)"""
    ship: Path | None = None
    """Put adapters and demo into this data folder (data), over what is there"""
    json: Flag = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command. A run that fails ends it, with the run's own error."""
    asked = parsed(Results, argv, "results")
    with only_json(asked.json) as show:
        say = (lambda text: None) if asked.json else print
        made: dict[str, str] = {}
        rows: dict[int, seeds.Numbers] = {}
        for seed in range(asked.seed, asked.seed + asked.seeds):
            runs = _method(replace(asked, seed=seed), workbench, say=say)
            rows[seed] = seeds.measured(workbench, runs)
            made = made or runs
        shipped: list[str] = []
        if asked.ship is not None:
            shipped = ship(workbench, made, from_caller(asked.ship))
        if asked.table is not None:
            command = shlex.join(("python", "-m", "cai_app", "results", *argv))
            seeds.write(from_caller(asked.table), rows, command)
        measured = {seed: {k: n._asdict() for k, n in row.items()} for seed, row in rows.items()}
        found = {"runs": made, "shipped": shipped, "seeds": measured}
        show(found) if asked.json else print(json.dumps(found, indent=1))
    return 0


def _method(asked: Results, workbench: Workbench, *, say: Callable[[str], None]) -> dict[str, str]:
    """All runs, one after the other; their ids by stage."""

    def done(info: RunInfo) -> str:
        for latest in workbench.runs.follow(info.id):
            info = latest
        say(line(info))
        if info.state != "done":
            raise CaiError(
                f"run {info.id} {info.state}: {info.error or info.note or 'see its log'}"
            )
        return info.id

    def trained_by(kind: str, **values: Any) -> str:
        options = training.options_of(kind, {"seed": str(asked.seed), **values})
        return done(workbench.train_start(kind, options))

    runs = workbench.runs
    chains = GenerateOptions(mode="chains", rounds=2, limit=asked.chains, seed=asked.seed, batch=32)
    made = {"chains": done(runs.generate(chains, prompts="requests"))}
    made["sl-cai"] = trained_by("sft", source=made["chains"])
    pairs = GenerateOptions(
        backend=f"pocket@{made['sl-cai']}", limit=asked.pairs, seed=asked.seed + 1, batch=32
    )
    made["pairs"] = done(runs.generate(pairs, prompts="requests"))
    # The paper's feedback model (CAI 4.1): without chain of thought, the pretrained one.
    labels = LabelOptions(backend="pocket@none", seed=asked.seed)
    made["labels"] = done(workbench.label(workbench.source_task(made["pairs"], labels)))
    made["pm"] = trained_by(
        "preference", source=made["labels"], helpful="reference", policy=made["sl-cai"]
    )
    made["rl"] = trained_by(
        "rl", pm=made["pm"], start=made["sl-cai"], max_steps=str(asked.steps), sample_every="50"
    )
    return made


def ship(workbench: Workbench, made: dict[str, str], data: Path) -> list[str]:
    """Copy the adapters of these runs to DATA/pocket/adapters/SIZE and the labelled pairs to
    DATA/demo.parquet; returns what was written."""
    size = folders.pocket_default(workbench.settings.data)
    place = files.make_folder(data / "pocket" / "adapters" / size)
    paths = {stage: workbench.runs.path(run) for stage, run in made.items()}
    sources = {"sl-cai": paths["sl-cai"] / "adapter", "pm": paths["pm"] / "adapter"}
    for folder in sorted((paths["rl"] / "steps").iterdir()):
        if step := int(folder.name):
            sources[f"rl-{step:03d}"] = folder
    cards = {name: path for name, path in sources.items() if not name.startswith("rl-")}
    card = paths["rl"] / "adapter"
    for old in place.glob("rl-*"):
        shutil.rmtree(old)
    known = {run: name for name, run in made.items() if name in sources}
    for name, source in sources.items():
        _copy(source, cards.get(name, card), place / name, name, known=known)
    _measure_labellers(workbench, place, size)
    demo = data / DEMO
    demo.unlink(missing_ok=True)
    # A rater of kind ai: what people have said in this home is nobody else's.
    workbench.export_file("parquet", demo, source=made["pairs"], rater="ai")
    return [str(path) for path in (*(place / name for name in sources), demo)]


def _measure_labellers(workbench: Workbench, place: Path, size: str) -> None:
    """Measure those that may label once and for all: the result lies beside each."""
    from cai_app.pocket import labeller

    settings = workbench.settings
    for name in ("helpful", "sl-cai"):
        folder, base = place / name, settings.data / "pocket" / size
        if folder.is_dir():
            specs = (f"pocket-{size}@{folder}", f"pocket-{size}@none")
            own, bare = (functools.partial(open_backend, spec, settings) for spec in specs)
            labeller.check(folder, base, own, bare)


def _copy(
    source: Path, card: Path, target: Path, name: str, *, known: Mapping[str, str] | None = None
) -> None:
    """An adapter with its card and facts; `card` is the folder whose facts and card it shares,
    `known` which runs ship under which name."""
    shutil.rmtree(target, ignore_errors=True)
    files.make_folder(target)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(source / file, target / file)
    facts, own = trained.facts(card), trained.facts(source)
    before, after = str(facts["adapter_hash"]), folders.adapter_hash(target)
    facts["adapter_hash"] = after
    if "step" in own:
        facts["step"] = own["step"]
        if own["step"] != facts["options"]["max_steps"]:
            facts["results"] = _at_step(card.parent / "metrics.jsonl", own["step"])
    said = _no_paths(json.dumps(facts, indent=1, ensure_ascii=False))
    text = _no_paths((card / "README.md").read_text(encoding="utf-8")).replace(before, after)
    if "step" in own:
        text = text.replace("## Data", f"- kept after step {own['step']} of the run\n\n## Data", 1)
        rows = "\n".join(f"| {key} | {value:.4g} |" for key, value in facts["results"].items())
        head, table, _ = text.partition("| name | value |\n|---|---|\n")
        text = f"{head}{table}{rows}\n"
    said_of = {run: ship for run, ship in (known or {}).items() if ship != name and run in text}
    if said_of:
        told = ", ".join(f"{run} as {ship}" for run, ship in said_of.items())
        text = text.replace("## Data", f"- ships beside this adapter: {told}\n\n## Data", 1)
    text = re.sub(r"^# .*$", f"# pocket · {name}", text, count=1, flags=re.MULTILINE)
    files.replace(target / trained.FACTS, said + "\n")
    files.replace(target / "README.md", text)


def _at_step(path: Path, step: int) -> dict[str, float]:
    """What a run's curves say of one step."""
    rows, _ = files.read_rows(path)
    found: dict[str, float] = {}
    for row in rows:
        if row.get("step") == step:
            found |= {k: v for k, v in row.items() if k not in ("step", "time") and v is not None}
    return found


def _no_paths(text: str) -> str:
    """Without folders of the machine that made it."""
    text = re.sub(r" --home \S+", "", text)
    return re.sub(r"(?<![\w.])/(?:[\w.-]+/)+(?=[\w.-]*)", "", text)
