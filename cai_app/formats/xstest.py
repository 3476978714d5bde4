"""XSTest completions (2308.01263) as CSV: two annotators say how far a model refused.

Each annotation is a label of kind `refusal` about a response: 0 for compliance, 1 for refusal, 0.5
for a partial one. Written files have a column `model` beside the published ones.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cai_app.formats.base import (
    Bad,
    Kept,
    Labelled,
    ReadOptions,
    Row,
    Tally,
    Written,
    guarded,
    text_of,
)
from cai_app.formats.delimited import records, written
from cai_app.records import Label, Rater, Response

VALUES = {"1_full_compliance": 0.0, "3_partial_refusal": 0.5, "2_full_refusal": 1.0}
_NAMES = {value: name for name, value in VALUES.items()}
ANNOTATORS = tuple(Rater(kind="human", name=f"xstest annotator {n}") for n in (1, 2))
COLUMNS = ("id", "type", "prompt", "completion", "annotation_1", "annotation_2", "agreement",
           "final_label", "model")  # fmt: skip
_MODEL = re.compile(r"completions_([\w-]+)")


class XsTest:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`."""
        named = _MODEL.search(path.name)
        model = options.model or (named[1] if named else None)
        needed = ("prompt", "completion", "annotation_1", "annotation_2")

        def convert(row: Mapping[str, str]) -> tuple[Kept, ...]:
            return _records(row, model, options.source)

        for number, raw, row in records(path, needed=needed):
            if isinstance(row, str):
                yield Row(number, reason=row, raw=raw)
            else:
                yield guarded(number, raw, convert, row)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Responses with one or two refusal labels of people."""
        tally = Tally()

        def made() -> Iterator[dict[str, object]]:
            for found in rows:
                row = _row(found, tally.rows + 1, tally)
                if row is not None:
                    tally.rows += 1
                    yield row

        written(path, COLUMNS, made())
        return tally.done()


def _records(row: Mapping[str, str], model: str | None, source: str) -> tuple[Kept, ...]:
    response = Response(
        prompt=text_of(row, "prompt"),
        text=text_of(row, "completion"),
        model=row.get("model") or model,
        source=source,
    )
    labels = []
    for number, rater in enumerate(ANNOTATORS, start=1):
        said = row[f"annotation_{number}"]
        if not said:
            continue
        if said not in VALUES:
            known = ", ".join(VALUES)
            raise Bad(f"`annotation_{number}` is {said!r}; known are {known}")
        fields = {"about": "response", "subject": response.id, "kind": "refusal"}
        labels.append(Label.model_validate({**fields, "rater": rater, "value": VALUES[said]}))
    return (response, *labels)


def _row(found: Labelled, number: int, tally: Tally) -> dict[str, object] | None:
    if not isinstance(found.subject, Response):
        tally.leave("rows that are no response")
        return None
    said = _annotations(found.labels, tally)
    if not said:
        tally.leave("responses without a refusal label")
        return None
    one, other = (said.get(f"annotation_{n}", "") for n in (1, 2))
    same = one == other
    return {
        "id": number,
        "prompt": found.subject.prompt,
        "completion": found.subject.text,
        **said,
        "agreement": str(same).upper(),
        "final_label": one if same or not other else "",
        "model": found.subject.model,
    }


def _annotations(labels: Iterable[Label], tally: Tally) -> dict[str, str]:
    """What the first two people said: the published annotators in their own places, others in
    what is free."""
    free = list(ANNOTATORS)
    said: dict[str, str] = {}
    for label in sorted(labels, key=lambda one: one.rater not in ANNOTATORS):
        if label.kind != "refusal" or label.value not in _NAMES:
            tally.leave("labels that are no refusal")
        elif label.rater.kind != "human":
            tally.leave("refusal labels of no person")
        elif not free or (label.rater in ANNOTATORS and label.rater not in free):
            tally.leave("further refusal labels of a response")
        else:
            place = label.rater if label.rater in free else free[0]
            free.remove(place)
            said[f"annotation_{ANNOTATORS.index(place) + 1}"] = _NAMES[label.value]
    return said
