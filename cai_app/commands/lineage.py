"""`lineage`: what something was made from, and what came of it."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.workbench import Workbench
from cai_app.workbench.lineage import Lineage


@dataclass(frozen=True)
class Trace:
    """Show what a row, a run, a constitution, a model or a file was made from and became."""

    id: tyro.conf.Positional[str]
    """Id of a row or a run (or a part of it), NAME@HASH of a constitution, a model, sha256:…"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    asked = parsed(Trace, argv, "lineage")
    with only_json(asked.json) as show:
        found = workbench.lineage(asked.id)
        if asked.json:
            show(found.model_dump(mode="json"))
        else:
            print("\n".join(_lines(found)))
    return 0


def _lines(found: Lineage) -> list[str]:
    stale = {one.id for one in found.nodes if one.version == "stale"}
    types = {one.id: one.type for one in found.nodes}

    def named(id: str) -> str:
        old = "  (stale: the constitution has changed since)" if id in stale else ""
        return f"{types[id]} {id}{old}"

    lines = [named(found.id)]
    if found.rows:
        lines.append("  rows      " + ", ".join(f"{n} {kind}s" for kind, n in found.rows.items()))
    up = [edge for edge in found.edges if edge.parent != found.id]
    down = [edge for edge in found.edges if edge.parent == found.id]
    lines += [
        f"  {edge.relation:8}  {named(edge.parent)}"
        + ("" if edge.child == found.id else f"  <- {edge.child}")
        for edge in up
    ]
    lines += [f"  became    {named(edge.child)} ({edge.relation})" for edge in down]
    return lines
