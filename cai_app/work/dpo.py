"""dpo: direct preference optimization on labels, by TRL; the reference is the start, frozen.

Each pair is taken as certain, so labels near even were left out before. Pairs of which one side is
too long for the model go to rejected.jsonl.
"""

import logging
import sys
from typing import Any

from cai_app import files
from cai_app.errors import InputError
from cai_app.prompts import draft
from cai_app.records import DpoOptions
from cai_app.work.program import main
from cai_app.work.progress import Run
from cai_app.work.sft import OUTPUTS, ROWS, last_numbers, sample_prompts, set_aside
from cai_app.work.training import (
    Encoder,
    Opened,
    Sampler,
    Saving,
    TooLong,
    arguments,
    finish,
    fit,
    kept_float32,
    open_base,
    split,
)

log = logging.getLogger(__name__)
Pair = dict[str, list[int]]


def dpo(run: Run) -> None:
    """Write adapter/: LoRA weights that prefer the chosen side of inputs.rows.jsonl."""
    run.hold_device()
    run.set("running", unit="steps", outputs=OUTPUTS)
    options = DpoOptions(**run.config.options)
    rows, _ = files.read_rows(run.input(ROWS))
    opened = open_base(run, options)
    found = encode(run, Encoder(opened.codec, min(options.max_tokens, opened.window)), rows)
    kept, held_out = split(found, options.held_out, seed=options.seed, key=lambda one: one[0])
    log.info("%d pairs to learn, %d held out", len(kept), len(held_out))
    trainer = _trainer(run, opened, options, [p for _, p in kept], [p for _, p in held_out])
    sampler = Sampler(run, opened, sample_prompts(rows))
    fit(run, trainer, sampler=sampler, every=options.sample_every)
    finish(
        run,
        opened,
        options,
        title=options.name or "DPO",
        about=f"LoRA adapter, tuned by direct preference optimization (beta {options.beta}) on "
        f"{len(kept)} pairs ({options.labels}).",
        results=last_numbers(run),
    )


def encode(run: Run, encoder: Encoder, rows: list[dict[str, Any]]) -> list[tuple[str, Pair]]:
    """Pairs as token rows, with their prompts. Raises InputError where all are too long."""
    found: list[tuple[str, Pair]] = []
    rejected = []
    for row in rows:
        prompt = draft(row["prompt"])
        sides = [encoder.answer(prompt, row[side]) for side in ("chosen", "rejected")]
        most = max(one.tokens if isinstance(one, TooLong) else len(one.ids) for one in sides)
        if any(isinstance(one, TooLong) for one in sides):
            reason = f"{most} tokens, more than max_tokens {encoder.max_tokens}"
            rejected.append({**row, "reason": reason})
            continue
        chosen, refused = sides
        assert not isinstance(chosen, TooLong) and not isinstance(refused, TooLong)
        pair = {
            "prompt_ids": chosen.ids[: chosen.prompt],
            "chosen_ids": chosen.ids[chosen.prompt :],
            "rejected_ids": refused.ids[refused.prompt :],
        }
        found.append((row["prompt"], pair))
    set_aside(run, rejected)
    if not found:
        raise InputError(
            f"all {len(rows)} pairs have more than {encoder.max_tokens} tokens; raise max_tokens"
        )
    return found


def _trainer(
    run: Run, opened: Opened, options: DpoOptions, pairs: list[Pair], held_out: list[Pair]
) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    class Tuner(Saving, DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset  # tokens already, in the form in which the model is asked live

    shared = options.model_copy(update={"micro_batch": options.at_once})
    with kept_float32(opened.model):
        return Tuner(
            model=opened.model,
            args=arguments(run, shared, form=DPOConfig, beta=options.beta, max_length=None),
            train_dataset=Dataset.from_list(pairs),
            eval_dataset=Dataset.from_list(held_out) if held_out else None,
            processing_class=opened.tokenizer,
        )


if __name__ == "__main__":
    sys.exit(main(dpo, sys.argv[1:], what="train dpo: preferences without a preference model"))
