"""The end of a training: the adapter as others load it, with a card that says what made it."""

import json
import logging
import platform
import shutil
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cai_app import files
from cai_app.backends import folders, trained
from cai_app.records import TrainOptions
from cai_app.work.progress import Run
from cai_app.work.training.base import Opened
from cai_app.work.training.fitting import explained_disk
from cai_app.work.training.processes import world

log = logging.getLogger(__name__)

ADAPTER = "adapter"
_LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes")


def finish(
    run: Run,
    opened: Opened,
    options: TrainOptions,
    *,
    title: str,
    about: str,
    results: dict[str, float] | None = None,
    extra: dict[str, Any] | None = None,
) -> Path:
    """Write RUN/adapter, and HOME/adapters/NAME where a name was asked for; returns RUN/adapter.

    `about` says in sentences what was learned from what; `results` are numbers for the card,
    `extra` goes into its facts. Only the first process writes.
    """
    folder = run.path / ADAPTER
    if not world().first:
        return folder
    fresh = run.path / f".{ADAPTER}"
    shutil.rmtree(fresh, ignore_errors=True)
    opened.model.peft_config["default"].base_model_name_or_path = opened.label
    with explained_disk(folder):
        opened.model.save_pretrained(
            str(fresh), selected_adapters=["default"], save_embedding_layers=False
        )
    facts = card_facts(run, opened, options, results or {}) | (extra or {})
    facts["adapter_hash"] = folders.adapter_hash(fresh)
    complete(run, fresh, facts, title=title, about=about)
    return folder


def complete(
    run: Run, fresh: Path, facts: dict[str, Any], *, title: str, about: str, named: bool = True
) -> None:
    """Give a saved adapter its facts and its card, and put it where it is found; under the name
    that was asked for too, unless it is not `named`."""
    files.replace(fresh / trained.FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    files.replace(fresh / "README.md", _card(facts, title=title, about=about))
    folder = run.path / ADAPTER
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    files.sync_folder(run.path)
    if named and (name := run.config.options.get("name")):
        _publish(run, folder, str(name))


def _publish(run: Run, folder: Path, name: str) -> None:
    """Copy an adapter to HOME/adapters/NAME, whole or not at all; what has the name stays."""
    home = files.make_folder(trained.named_folder(run.settings))
    target = home / name
    if target.exists() and trained.facts(target).get("run") != run.config.id:
        log.warning("%s is taken by now; the adapter stays under %s", target, run.config.id)
        return
    fresh = home / f".{name}.{run.config.id}"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(folder, fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise files.explained(error, target) from error
    files.sync_folder(home)


def card_facts(
    run: Run, opened: Opened, options: TrainOptions, results: dict[str, float]
) -> dict[str, Any]:
    """All that a card states, as JSON."""
    known = run.config.provenance
    return {
        "kind": run.config.kind,
        "run": run.config.id,
        "base": opened.label,
        "base_hash": trained.base_hash(opened.place.base),
        "start": options.start,
        "start_hash": known.get("start_hash", "none"),
        "data": run.config.inputs,
        "provenance": known,
        "seed": options.seed,
        "options": run.config.options,
        "processes": world().size,
        "device": opened.device.type,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
        "command": known.get("command", ""),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "results": results,
    }


def _card(facts: dict[str, Any], *, title: str, about: str) -> str:
    front = {"base_model": facts["base"], "library_name": "peft", "tags": ["constitutional-ai"]}
    data = "\n".join(f"- {name}: sha256 {digest}" for name, digest in facts["data"].items())
    sources = "\n".join(
        f"- {name.replace('_', ' ')}: {value}"
        for name, value in facts["provenance"].items()
        if name not in ("command", "base_hash", "start_hash", "start")
    )
    results = "\n".join(f"| {name} | {value:.4g} |" for name, value in facts["results"].items())
    versions = ", ".join(f"{name} {value}" for name, value in facts["versions"].items())
    return f"""---
{json.dumps(front, indent=1)}
---
# {title}

{about}

- base weights: sha256 {facts["base_hash"]} ({facts["base"]})
- started from: {facts["start"]} ({facts["start_hash"]})
- adapter: {facts["adapter_hash"]}
- run {facts["run"]}, seed {facts["seed"]}, {facts["processes"]} process(es) on {facts["device"]}
- versions: {versions}
- made by `{facts["command"]}`

## Data

{data or "- none"}
{sources}

## Results

| name | value |
|---|---|
{results or "| none | |"}
"""
