"""Texts to distil a preamble on (GLA 2, HH A.1): prompts, and the preamble itself."""

from cai_app import prompts as rendering
from cai_app.records import DistillOptions
from cai_app.workbench.generation import read_prompts
from cai_app.workbench.training.gathering import Gathered, Sources, lines

PROMPTS = "inputs.prompts.jsonl"
PREAMBLE = "inputs.preamble.txt"
_MIX = ("red-team", "helpful")  # half and half, as the paper mixes two sorts of text


def gather(options: DistillOptions, sources: Sources) -> Gathered:
    """Prompts, and the preamble as text. Raises InputError for either that cannot be read."""
    names = _MIX if options.prompts == "both" else (options.prompts,)
    found = {name: read_prompts(name, sources.settings) for name in names}
    preamble = rendering.preamble(options.preamble, sources.settings)
    rows = [{"prompt": text, "kind": name} for name, texts in found.items() for text in texts]
    written = "x" * (4 * options.answer_tokens)  # what the teacher will write, at most
    return Gathered(
        inputs={PROMPTS: lines(rows), PREAMBLE: preamble.encode()},
        rows=len(rows) * options.answers,
        counts={name: len(texts) * options.answers for name, texts in found.items()},
        texts=[f"\n\nHuman: {row['prompt']}\n\nAssistant: {written}" for row in rows],
        rejected={},
        provenance={"preamble": options.preamble, "prompts": ", ".join(names)},
        notes=(
            f"{options.answers} answers to each of {len(rows)} prompts are written by the teacher "
            "first, then learned",
        ),
    )
