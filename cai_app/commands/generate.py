"""`generate`: pairs or chains for a list of prompts, as a run."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from cai_app.commands.following import follow
from cai_app.commands.output import only_json, parsed
from cai_app.records import GenerateOptions
from cai_app.settings import Settings
from cai_app.workbench import Workbench

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


@dataclass(frozen=True)
class Generate:
    """Write pairs of drafts, or critique-revision chains, for a list of prompts, as a run."""

    prompts: str
    """A JSONL file with `prompt` in each line, or red-team, helpful, or requests (a thousand)"""
    mode: Literal["pairs", "chains"] = "pairs"
    """Two drafts a prompt, or a draft with critiques and revisions"""
    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER], openai:URL#MODEL"""
    constitution: str = "harmless"
    """NAME, NAME@HASH or a path; for chains"""
    rounds: int = 4
    """Rounds of critique and revision in a chain, 1 to 4"""
    limit: int | None = None
    """Take the first so many prompts"""
    seed: int = 0
    """Same seed, same rows"""
    temperature: float = 1.0
    """Sampling temperature; 0 is greedy"""
    few_shot: int = 5
    """Few-shots before each request of a chain"""
    max_tokens: int = 160
    """Most tokens of one step"""
    batch: int = 16
    """Prompts written together; fewer take less memory"""
    dry_run: Flag = False
    """Say what it would do and need, and do nothing"""
    detach: Flag = False
    """Print the run at once and leave it going"""
    json: Flag = False
    """Print one JSON value and nothing else"""


def main(argv: list[str], settings: Settings) -> int:
    """Run the command."""
    asked = parsed(Generate, argv, "generate")
    options = GenerateOptions(
        mode=asked.mode,
        backend=asked.backend,
        constitution=asked.constitution,
        rounds=asked.rounds,
        limit=asked.limit,
        seed=asked.seed,
        temperature=asked.temperature,
        few_shot=asked.few_shot,
        max_tokens=asked.max_tokens,
        batch=asked.batch,
    )
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            shown = show if asked.json else None
            if asked.dry_run:
                found = workbench.runs.plan_generate(options, prompts=asked.prompts)
                if shown:
                    shown(found.model_dump(mode="json"))
                else:
                    print("\n".join(f"{k:14} {v}" for k, v in found.model_dump().items()))
                return 0
            info = workbench.runs.generate(options, prompts=asked.prompts)
            return follow(workbench, info, show=shown, detach=asked.detach)
    finally:
        workbench.close()
