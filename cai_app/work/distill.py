"""distill: context distillation (GLA 2, HH A.1): answer without the preamble as with it.

The teacher is the start model behind the preamble. It writes answers first; then it reads each
text once, and its 50 likeliest tokens at every place are kept, all others in one bucket. The
student sees the text alone and learns those 51 chances by forward KL.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from cai_app import files
from cai_app.backends import open_backend
from cai_app.errors import InputError
from cai_app.prompts import STOP, draft
from cai_app.records import DistillOptions, Sampling
from cai_app.work.generate import row_seed
from cai_app.work.program import main
from cai_app.work.progress import Run
from cai_app.work.sft import last_numbers, sample_prompts, set_aside
from cai_app.work.training import (
    Opened,
    Sampler,
    Saving,
    arguments,
    finish,
    fit,
    open_base,
    split,
    world,
)
from cai_app.work.training.processes import join, wait
from cai_app.work.training.teaching import Lesson, bucketed_kl, read_lessons, write_lessons

log = logging.getLogger(__name__)

PROMPTS, PREAMBLE = "inputs.prompts.jsonl", "inputs.preamble.txt"
ANSWERS = "answers.jsonl"
TEACHER = "teacher.safetensors"
OUTPUTS = ("adapter", "samples.jsonl", ANSWERS, "rejected.jsonl")
_BATCH = 32  # prompts that the teacher answers together


class Text(NamedTuple):
    """One text of the teacher: what it and the student have read before, and what is learned."""

    prompt: str
    behind: list[int]
    before: list[int]
    learned: list[int]


def distill(run: Run) -> None:
    """Write adapter/: LoRA weights that carry the preamble's effect."""
    run.hold_device()
    run.set("running", unit="steps", outputs=OUTPUTS)
    options = DistillOptions(**run.config.options)
    preamble = run.input(PREAMBLE).read_text(encoding="utf-8")
    prompts = [row["prompt"] for row in files.read_rows(run.input(PROMPTS))[0]]
    join()
    if world().first:
        write_answers(run, options, prompts, preamble)
    wait()  # the first of several processes writes what all of them read
    opened = open_base(run, options)
    texts = encode(run, opened, options, preamble)
    if world().first:
        write_lessons(opened, texts, run.path / TEACHER, top_k=options.top_k, check=run.check)
    wait()
    lessons = read_lessons(run.path / TEACHER, texts)
    kept, held_out = split(lessons, options.held_out, seed=options.seed, key=lambda one: one.prompt)
    log.info("%d texts to learn, %d held out", len(kept), len(held_out))
    trainer = _trainer(run, opened, options, kept, held_out)
    sampler = Sampler(run, opened, sample_prompts([{"prompt": text} for text in prompts]))
    fit(run, trainer, sampler=sampler, every=options.sample_every)
    finish(
        run,
        opened,
        options,
        title=options.name or f"{options.preamble} distilled",
        about=f"LoRA adapter, distilled from the same model behind the preamble "
        f"{options.preamble} on {len(kept)} of its answers: forward KL over the "
        f"{options.top_k} likeliest tokens and one bucket for the rest.",
        results=last_numbers(run),
    )


def write_answers(run: Run, options: DistillOptions, prompts: Sequence[str], preamble: str) -> None:
    """Answers of the teacher, appended to answers.jsonl batch by batch; those there stay."""
    path = run.path / ANSWERS
    rows, whole = files.read_rows(path)
    done = len(rows)
    if path.exists():
        os.truncate(path, whole)  # half a line is written again
    asked = [(prompt, n) for prompt in prompts for n in range(options.answers)]
    if done >= len(asked):
        return
    backend = open_backend(options.spec, run.settings)
    try:
        for first in range(done - done % _BATCH, len(asked), _BATCH):
            some = asked[first : first + _BATCH]
            with run.interruptible():
                written = backend.generate(
                    [draft(prompt, preamble=preamble) for prompt, _ in some],
                    [
                        Sampling(
                            seed=row_seed(options.seed, first + n, "teacher"),
                            max_tokens=options.answer_tokens,
                            stop=STOP,
                        )
                        for n in range(len(some))
                    ],
                )
            rows = [
                {"prompt": prompt, "text": one.text.strip(), "whole": one.finish == "stop"}
                for (prompt, _), one in zip(some, written, strict=True)
            ]
            if first < done:
                rows = rows[done - first :]
            files.append(path, rows)
            run.report(0, answers=first + len(some))
            log.info("the teacher has written %d of %d answers", first + len(some), len(asked))
    finally:
        backend.close()


def encode(run: Run, opened: Opened, options: DistillOptions, preamble: str) -> list[Text]:
    """Texts as tokens. In dialogue text all of it is learned, as published; behind a chat template
    the answer alone, as the preamble stands within the user's turn. Raises InputError where no
    text is left."""
    codec, end = opened.codec, opened.tokenizer.eos_token_id
    limit = min(options.max_tokens, opened.window)
    found, rejected = [], []
    for row in files.read_rows(run.path / ANSWERS)[0]:
        plain, behind = draft(row["prompt"]), draft(row["prompt"], preamble=preamble)
        ending = [end] if row["whole"] else []
        if codec.chat:
            answer = codec.tokenizer.encode(row["text"], add_special_tokens=False)
            before = [token for chunk in codec.encode(plain) for token in chunk]
            full = [token for chunk in codec.encode(behind) for token in chunk]
            text = Text(row["prompt"], full, before, [*answer, *ending])
        else:
            ids, _ = codec.tokens(f"{plain.text} {row['text']}")
            head, _ = codec.tokens(behind.segments[0])
            # Without a token for the beginning, the text's own first one is read by both.
            opening = [] if ids[0] == opened.tokenizer.bos_token_id else ids[:1]
            text = Text(row["prompt"], [*head, *opening], ids[:1], [*ids[1:], *ending])
        length = len(text.before) + len(text.learned)
        if not row["text"]:
            rejected.append({**row, "reason": "it is empty"})
        elif length > limit or len(text.behind) + len(text.learned) > opened.window:
            rejected.append({**row, "reason": f"{length} tokens, or too many behind the preamble"})
        else:
            found.append(text)
    set_aside(run, rejected)
    if not found:
        raise InputError(
            f"none of the teacher's {len(rejected)} answers can be learned, the last one because "
            f"{rejected[-1]['reason'] if rejected else 'there is none'}; raise max_tokens, or "
            "allow longer answers"
        )
    return found


def _trainer(
    run: Run,
    opened: Opened,
    options: DistillOptions,
    lessons: list[Lesson],
    held_out: list[Lesson],
) -> Any:
    from transformers import Trainer

    from cai_app.work.training.teaching import collator

    class Student(Saving, Trainer):
        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
            **kwargs: Any,
        ) -> Any:
            out = model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                use_cache=False,
            )
            chosen = inputs["labels"][:, 1:] != -100
            logits = out.logits[:, :-1][chosen]
            each = bucketed_kl(logits, inputs["top"], inputs["chances"])
            if num_items_in_batch is None:
                loss = each.mean()
            else:
                loss = each.sum() / num_items_in_batch * self.accelerator.num_processes
            return (loss, out) if return_outputs else loss

    return Student(
        model=opened.model,
        args=arguments(run, options),
        train_dataset=lessons,
        eval_dataset=held_out or None,
        data_collator=collator(opened.tokenizer.pad_token_id),
    )


if __name__ == "__main__":
    sys.exit(main(distill, sys.argv[1:], what="train distill: a preamble into weights"))
