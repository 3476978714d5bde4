"""The CAI paper's samples: answers with preference-model scores, or critique-revision chains.

A line with `sampled_answers` becomes responses with labels of kind `score`. The files do not name
their preference model, so each file's is a rater of its own and scores of two are never compared.
Equal samples are told apart by their place, which stands in the response's seed. A line with `cst`
becomes a transcript. Written lines carry what the published form has no field for under `cai`.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from cai_app.formats import dialogue
from cai_app.formats.base import (
    Bad,
    Kept,
    Labelled,
    ReadOptions,
    Row,
    Tally,
    Written,
    kind_of,
    text_of,
)
from cai_app.formats.lines import json_rows, write_lines
from cai_app.formats.raters import rater_json, rater_of
from cai_app.records import ConstitutionRef, Label, Rater, Response, Step, Transcript

PUBLISHED = ConstitutionRef(name="published", hash="unknown")


class CaiSamples:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`."""
        model = options.model or path.name.partition(".")[0]
        rater = options.rater or Rater(kind="preference_model", name=f"of {model}")

        def convert(row: dict[str, Any]) -> tuple[Kept, ...]:
            if "cst" in row:
                return (_chain(row, model),)
            return tuple(_answers(row, model, rater, options.source))

        return json_rows(path, convert)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Transcripts, and responses with or without scores, a line for each prompt and model."""
        tally = Tally()

        def fits(found: Labelled) -> bool:
            if isinstance(found.subject, Response | Transcript):
                return True
            tally.leave("comparisons")
            return False

        def made() -> Iterator[dict[str, Any]]:
            for key, group in groupby(filter(fits, rows), key=_line_key):
                # All chains are one group, and may be more than memory holds.
                for line in [_written(list(group), tally)] if key else map(_written_chain, group):
                    tally.rows += 1
                    yield line

        write_lines(path, made())
        return tally.done()


def _line_key(found: Labelled) -> tuple[Any, ...] | None:
    one = found.subject
    return (one.prompt, one.model, one.adapter) if isinstance(one, Response) else None


def _sample(value: Any, field: str) -> str:
    if not isinstance(value, dict):
        raise Bad(f"`{field}` is {kind_of(value)}, but should be an object with `sample`")
    return dialogue.response(text_of(value, "sample"))


def _answers(row: dict[str, Any], model: str, rater: Rater, source: str) -> Iterator[Kept]:
    prompt = dialogue.typed(text_of(row, "rl_prompt"))
    answers = row.get("sampled_answers")
    if not isinstance(answers, list):
        raise Bad("`sampled_answers` is missing or no list")
    own = row.get("cai") or {}
    for place, answer in enumerate(answers):
        if not isinstance(answer, dict):
            raise Bad(f"`sampled_answers` holds {kind_of(answer)}")
        text = _stopped(dialogue.response(text_of(answer, "sampled_string")))
        known = answer.get("cai") or {"seed": place, "model": own.get("model", model)}
        response = Response(prompt=prompt, text=text, source=source, **known)
        yield response
        for score in answer.get("pm_scores") or ():
            yield Label(
                about="response",
                subject=response.id,
                kind="score",
                rater=rater_of(score.get("rater"), rater),
                value=score.get("pm_score"),
            )


def _stopped(text: str) -> str:
    """A sample without the stop string after it, or a part of that, on a line of its own."""
    for mark in ("Human:", "Human"):
        before, found, after = text.rpartition(mark)
        if found and not after.strip() and before.endswith("\n"):
            return before.rstrip()
    return text


def _chain(row: dict[str, Any], model: str) -> Transcript:
    if "cai" in row:
        return Transcript.model_validate(row["cai"])
    first = row.get("initial_response")
    if not isinstance(first, list) or not first or not isinstance(row["cst"], list):
        raise Bad("`initial_response` and `cst` should be lists")
    steps = [Step(kind="draft", round=0, text=_sample(first[0], "initial_response"))]
    for number, one in enumerate(row["cst"], start=1):
        asked = one.get("cst_value") or {}
        requests = (*(asked.get("prompt") or [None]), asked.get("edit_request"))
        for kind, request in (("critique", requests[0]), ("revision", requests[-1])):
            step = {"kind": kind, "round": number, "principle": one.get("cst_key")}
            step |= {"text": _sample(one.get(kind), kind), "request": request}
            steps.append(Step.model_validate(step))
    return Transcript(
        prompt=dialogue.typed(text_of(row, "rl_prompt")),
        backend=model,
        constitution=PUBLISHED,
        seed=0,
        temperature=1.0,
        few_shot=5,
        direct=False,
        max_tokens=max(1, max(len(step.text) for step in steps)),
        steps=tuple(steps),
    )


def _written(group: list[Labelled], tally: Tally) -> dict[str, Any]:
    answers = []
    for found in group:
        one = found.subject
        assert isinstance(one, Response)
        scores = [label for label in found.labels if label.kind == "score"]
        if len(scores) < len(found.labels):
            tally.leave("labels that are no scores", len(found.labels) - len(scores))
        answers.append(
            {
                "sampled_string": f" {one.text}",
                "pm_scores": [
                    {"pm_score": label.value, "rater": rater_json(label.rater)} for label in scores
                ],
                "cai": {"model": one.model, "adapter": one.adapter, "seed": one.seed},
            }
        )
    return {"rl_prompt": dialogue.whole(group[0].subject.prompt), "sampled_answers": answers}


def _written_chain(found: Labelled) -> dict[str, Any]:
    chain = found.subject
    assert isinstance(chain, Transcript)
    drafts = [step for step in chain.steps if step.kind == "draft"]
    rounds = sorted({step.round for step in chain.steps if step.round})
    return {
        "rl_prompt": dialogue.whole(chain.prompt),
        "cst": [_round(chain, number) for number in rounds],
        "initial_response": [{"sample": f" {step.text}"} for step in drafts],
        "cai": chain.model_dump(mode="json"),
    }


def _round(chain: Transcript, number: int) -> dict[str, Any]:
    steps = {step.kind: step for step in chain.steps if step.round == number}
    critique, revision = steps.get("critique"), steps.get("revision")
    asked = {
        "prompt": [critique.request if critique else None],
        "edit_request": revision.request if revision else None,
    }
    texts = {
        name: {"sample": f" {step.text}" if step else None}
        for name, step in (("critique", critique), ("revision", revision))
    }
    return {"cst_key": revision.principle if revision else None, "cst_value": asked, **texts}
