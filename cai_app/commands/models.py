"""`models`: the models that are here."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from cai_app.commands.output import only_json, parsed
from cai_app.settings import Settings
from cai_app.workbench import Workbench

FIELDS = ("spec", "parameters", "device", "quantization", "state", "adapters", "adapter", "note")


@dataclass(frozen=True)
class Models:
    """List the models that are here, the default first."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], settings: Settings) -> int:
    """Run the command; nothing is loaded."""
    asked = parsed(Models, argv, "models")
    with only_json(asked.json) as show:
        found = Workbench(settings).models()
        if asked.json:
            show([info.model_dump(mode="json", include=set(FIELDS)) for info in found])
            return 0
        if not found:
            print("no models in data/pocket; rebuild them with: python -m cai_app pocket train")
        for info in found:
            if info.state == "failed":
                print(f"{info.spec:10} failed: {info.note}")
                continue
            size = f"{info.parameters / 1e6:.1f}M" if info.parameters else "size unknown"
            adapters = ", ".join(info.adapters) or "no adapters"
            print(f"{info.spec:10} {size:>12}  {info.quantization or '-':5} {adapters}")
    return 0
