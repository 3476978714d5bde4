"""`backup`: a copy of the store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from cai_app.commands.output import from_caller, only_json, parsed
from cai_app.workbench import Workbench


@dataclass(frozen=True)
class Backup:
    """Copy the store to a new file; put it back as HOME/store.duckdb while nothing runs."""

    path: tyro.conf.Positional[Path]
    """The new file"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], workbench: Workbench) -> int:
    """Run the command."""
    asked = parsed(Backup, argv, "backup")
    path = from_caller(asked.path)
    with only_json(asked.json) as show:
        workbench.store.backup(path)
        size = path.stat().st_size
        if asked.json:
            show({"path": str(path), "bytes": size})
        else:
            print(f"{path}  {size / 2**20:.1f} MiB")
    return 0
