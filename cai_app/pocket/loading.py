"""The toy world as its YAML files under `data/pocket/` tell it."""

from pathlib import Path
from typing import Any

import yaml

from cai_app.pocket.world import HARMLESS, SORTS, THINGS, Act, World

# libyaml where PyYAML was built with it: seven times as fast, and every worker loads the world.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(folder: Path) -> World:
    """Read the world from `data/pocket/`. Raises KeyError/ValueError on a malformed file."""

    slots = read(folder / "slots.yaml")
    acts: list[Act] = []
    for path in sorted((folder / "acts").glob("*.yaml")):
        acts += _harmful_acts(read(path), slots)
    for path in (*sorted(folder.glob("harmless*.yaml")), folder / "lookalikes.yaml"):
        acts += [_harmless_act(entry, slots) for entry in read(path)["acts"]]
    by_kind = {k: tuple(a for a in acts if a.kind == k) for k in SORTS}
    return World(
        acts=tuple(acts),
        people=tuple(slots["people"]),
        relatives=tuple(slots["relatives"]),
        names=tuple(slots["names"]),
        kept={name: tuple(kept) for name, kept in slots["kept"].items()},
        gadgets=tuple(slots["gadgets"]),
        things=tuple(thing for name in THINGS for thing in slots[name]),
        times=tuple(slots["times"]),
        askers=tuple(slots["askers"]),
        facets=read(folder / "facets.yaml"),
        phrasings=read(folder / "phrasings.yaml"),
        wordings=read(folder / "wordings.yaml"),
        preambles=read(folder / "preambles.yaml"),
        facts=_facts(read(folder / "facts.yaml"), slots),
        by_kind=by_kind,
    )


def _objects(entry: dict[str, Any], slots: dict[str, Any]) -> tuple[str, ...]:
    named = entry.get("o") or ()
    return tuple(slots[named] if isinstance(named, str) else named)


def _kept(entry: dict[str, Any], slots: dict[str, Any]) -> tuple[str, ...]:
    named = entry.get("o")
    return tuple(slots["kept"][named]) if isinstance(named, str) else ()


def _harmful_acts(document: dict[str, Any], slots: dict[str, Any]) -> list[Act]:
    """Acts of one kind; its reasons, alternatives and methods widen each act's own."""
    return [
        Act(
            id=entry["id"],
            kind=document["kind"],
            do=entry["do"],
            objects=_objects(entry, slots),
            kept=_kept(entry, slots),
            reasons=(entry["is"], *document["is"]),
            coulds=(entry["could"], *document["could"]),
            methods=(*entry["with"], *document["with"]),
            also=tuple(entry.get("also", ())),
        )
        for entry in document["acts"]
    ]


def _facts(document: dict[str, Any], slots: dict[str, Any]) -> dict[str, Any]:
    """Questions and prose, with each entry's objects spelled out."""
    for name in ("unknown", "prose"):
        for entry in document[name]:
            entry["o"] = _objects(entry, slots)
    return document


def _harmless_act(entry: dict[str, Any], slots: dict[str, Any]) -> Act:
    return Act(
        lookalike=entry["id"].startswith("look-"),
        id=entry["id"],
        kind=HARMLESS,
        do=entry["do"],
        objects=_objects(entry, slots),
        kept=_kept(entry, slots),
        answers=tuple(entry["answer"]),
        tip=entry["tip"],
    )


def read(path: Path) -> Any:
    """One YAML file of ours."""
    return yaml.load(path.read_text(encoding="utf-8"), _LOADER)
