"""Texts to distil a preamble on (GLA 2, HH A.1): prompts, and the preamble itself."""

import math

from cai_app import prompts as rendering
from cai_app.records import DistillOptions
from cai_app.workbench.generation import read_prompts
from cai_app.workbench.training.gathering import USUAL, Gathered, Sources, lines

PROMPTS = "inputs.prompts.jsonl"
PREAMBLE = "inputs.preamble.txt"
_MIX = ("red-team", "helpful")  # half and half, as the paper mixes two sorts of text
_TOGETHER = 32  # answers that the teacher writes in one batch


def gather(options: DistillOptions, sources: Sources) -> Gathered:
    """Prompts, and the preamble as text. Raises InputError for either that cannot be read."""
    names = _MIX if options.prompts == "both" else (options.prompts,)
    found = {name: read_prompts(name, sources.settings) for name in names}
    preamble = rendering.preamble(options.preamble, sources.settings)
    rows = [{"prompt": text, "kind": name} for name, texts in found.items() for text in texts]
    count = len(rows) * options.answers
    answer = " the" * options.answer_tokens  # what the teacher will write, at most
    usual = USUAL * options.answer_tokens
    return Gathered(
        inputs={PROMPTS: lines(rows), PREAMBLE: preamble.encode()},
        rows=count,
        counts={name: len(texts) * options.answers for name, texts in found.items()},
        texts=[
            text
            for row in rows
            for text in [f"\n\nHuman: {row['prompt']}\n\nAssistant:{answer}"] * options.answers
        ],
        rejected={},
        provenance={"preamble": options.preamble, "prompts": ", ".join(names)},
        notes=(
            f"{options.answers} answers to each of {len(rows)} prompts are written by the teacher "
            "first, then learned",
        ),
        passes=4 / 3,  # the student learns, its teacher reads
        written=lambda steps: usual * math.ceil(count / _TOGETHER),
    )
