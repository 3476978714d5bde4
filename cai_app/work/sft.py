"""sft: supervised fine-tuning on answers (CAI 3.2): the helpful model, or SL-CAI.

Rows come linted; here they become tokens, and only answers are learned. Rows that are too long for
the model go to rejected.jsonl with the reason, like those that a lint has stopped.
"""

import logging
import sys
from typing import Any

from cai_app import files
from cai_app.errors import InputError
from cai_app.prompts import draft
from cai_app.records import SftOptions
from cai_app.work.program import main
from cai_app.work.progress import Run
from cai_app.work.training import (
    Encoder,
    Opened,
    Row,
    Sampler,
    Saving,
    TooLong,
    arguments,
    finish,
    fit,
    open_base,
    pad_collator,
    split,
    world,
)

log = logging.getLogger(__name__)

ROWS = "inputs.rows.jsonl"
REJECTED = "rejected.jsonl"
OUTPUTS = ("adapter", "samples.jsonl", REJECTED)


def sft(run: Run) -> None:
    """Write adapter/: LoRA weights that have learned the answers of inputs.rows.jsonl."""
    run.hold_device()
    run.set("running", unit="steps", outputs=OUTPUTS)
    options = SftOptions(**run.config.options)
    rows, _ = files.read_rows(run.input(ROWS))
    opened = open_base(run, options)
    encoder = Encoder(opened.codec, min(options.max_tokens, opened.window))
    found = encode(run, encoder, rows)
    kept, held_out = split(found, options.held_out, seed=options.seed, key=lambda one: one[0])
    log.info("%d rows to learn, %d held out, %d too long", len(kept), len(held_out),
             len(rows) - len(found))  # fmt: skip
    trainer = _trainer(run, opened, options, [r for _, r in kept], [r for _, r in held_out])
    sampler = Sampler(run, opened, sample_prompts(rows))
    fit(run, trainer, sampler=sampler, every=options.sample_every)
    finish(
        run,
        opened,
        options,
        title=options.name or ("helpful" if options.data == "helpful" else "SL-CAI"),
        about=f"LoRA adapter, fine-tuned on {len(kept)} answers ({options.data}), "
        "completion tokens only.",
        results=last_numbers(run),
    )


def encode(
    run: Run, encoder: Encoder, rows: list[dict[str, Any]]
) -> list[tuple[str, Row]]:  # (prompt, tokens)
    """Rows as tokens. Those too long are added to rejected.jsonl. Raises InputError where all
    are."""
    found: list[tuple[str, Row]] = []
    rejected = []
    for row in rows:
        encoded = encoder.answer(draft(row["prompt"]), row["text"])
        if isinstance(encoded, TooLong):
            reason = f"{encoded.tokens} tokens, more than max_tokens {encoder.max_tokens}"
            rejected.append({**row, "reason": reason})
        else:
            found.append((row["prompt"], encoded))
    set_aside(run, rejected)
    if not found:
        raise InputError(
            f"all {len(rows)} rows have more than {encoder.max_tokens} tokens; raise max_tokens"
        )
    return found


def set_aside(run: Run, rejected: list[dict[str, Any]]) -> None:
    """rejected.jsonl: what a lint stopped before the start, then what is too long."""
    if not world().first:
        return
    before = "inputs.rejected.jsonl"
    known = files.read_rows(run.input(before))[0] if before in run.config.inputs else []
    (run.path / REJECTED).unlink(missing_ok=True)
    if known or rejected:
        files.append(run.path / REJECTED, [*known, *rejected])
    run.report(run.status.done, rejected=len(known), too_long=len(rejected))


def sample_prompts(rows: list[dict[str, Any]], most: int = 6) -> list[str]:
    """A few prompts of the data, the same at every look: spread over the rows in order."""
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    step = max(1, len(prompts) // most)
    return prompts[::step][:most]


def last_numbers(run: Run) -> dict[str, float]:
    """The latest value of every curve."""
    found: dict[str, float] = {}
    for row in files.read_rows(run.path / "metrics.jsonl")[0]:
        found |= {k: v for k, v in row.items() if k not in ("step", "time") and v is not None}
    return found


def _trainer(
    run: Run, opened: Opened, options: SftOptions, rows: list[Row], held_out: list[Row]
) -> Any:
    from transformers import Trainer

    class Tuner(Saving, Trainer):
        pass

    return Tuner(
        model=opened.model,
        args=arguments(run, options),
        train_dataset=rows,
        eval_dataset=held_out or None,
        data_collator=pad_collator(opened.tokenizer.pad_token_id),
    )


if __name__ == "__main__":
    sys.exit(main(sft, sys.argv[1:], what="train sft: fine-tuning on answers"))
