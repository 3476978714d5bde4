"""What the whole method came to under several seeds: a row a seed, then mean and spread."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from cai_app import files
from cai_app.workbench import Workbench

Numbers = dict[str, "Number"]


class Number(NamedTuple):
    """A measured number with its 95 % interval, where it has one, and how many rows it rests on."""

    value: float
    ci: tuple[float, float] | None = None
    n: int | None = None

    def __str__(self) -> str:
        known = [f"{self.ci[0]:.2f} to {self.ci[1]:.2f}"] if self.ci else []
        known += [f"n {self.n}"] if self.n is not None else []
        return f"{self.value:.2f} ({', '.join(known)})" if known else f"{self.value:.2f}"


# What is measured, and in words for the table's head.
COLUMNS = {
    "pm_harmless": "PM right on clear harmlessness pairs",
    "pm_helpful": "PM right on clear helpfulness pairs",
    "held_out_pm_start": "held-out PM, start",
    "held_out_pm": "held-out PM, end",
    "harm_start": "harm (0-4), start",
    "harm": "harm (0-4), end",
    "helpfulness_start": "helpfulness (0-100), start",
    "helpfulness": "helpfulness (0-100), end",
    "helpfulness_change": "change in helpfulness",
    "unscored_start": "share the reference rule cannot read, start",
    "unscored": "share the reference rule cannot read, end",
}


def measured(workbench: Workbench, made: Mapping[str, str]) -> Numbers:
    """The numbers of one seed's runs. A number that could not be measured is left out."""
    pm, rl = (json.loads((_path(workbench, made, of) / "measured.json").read_bytes())
              for of in ("pm", "rl"))  # fmt: skip
    found: dict[str, Any] = {
        "pm_harmless": pm["reference_harmless"]["clear"],
        "pm_helpful": pm["reference_helpful"]["clear"],
        **{name: rl[name] for name in COLUMNS if name in rl},
    }
    return {
        name: Number(row["value"], tuple(row["ci"]) if row.get("ci") else None, row["n"])
        for name, row in found.items()
        if row["value"] is not None
    }


def _path(workbench: Workbench, made: Mapping[str, str], stage: str) -> Path:
    return workbench.runs.path(made[stage])


def summary(rows: Sequence[Numbers]) -> dict[str, tuple[float, float]]:
    """Mean and spread (sample standard deviation) over the seeds, of what every seed has."""
    found = {}
    for name in COLUMNS:
        values = [row[name].value for row in rows if name in row]
        if len(values) == len(rows) > 1:
            found[name] = (mean(values), stdev(values))
    return found


def table(rows: Mapping[int, Numbers], command: str) -> str:
    """Markdown: what was measured down, seeds across."""
    over = summary(list(rows.values()))
    head = "| measured | " + " | ".join(f"seed {seed}" for seed in rows) + " | mean ± spread |"
    lines = [head, "|" + "---|" * (len(rows) + 2)]
    for name, said in COLUMNS.items():
        cells = [str(row[name]) if name in row else "unscored" for row in rows.values()]
        both = f"{over[name][0]:.2f} ± {over[name][1]:.2f}" if name in over else ""
        lines.append(f"| {said} | {' | '.join(cells)} | {both} |")
    body = "\n".join(lines)
    return f"""# The method under {len(rows)} seeds

Chains, SL-CAI, pairs, AI labels, preference model and RL on pocket, all anew under each seed, by

```
{command}
```

Harm and helpfulness are the reference rule's, on requests that nobody trained on: of the start
policy (SL-CAI) and of the one after RL. In brackets 95 % intervals over acts (of held-out PM: over
prompts) within a seed, and the rows they rest on; the spread is the standard deviation between
seeds. Held-out PM is the mean score on prompts kept out, in standard deviations of the start
policy's samples.

{body}
"""


def write(path: Path, rows: Mapping[int, Numbers], command: str) -> None:
    """The table as a file."""
    files.make_folder(path.parent)
    files.replace(path, table(rows, command))
