"""The flat row that csv, jsonl and parquet share: a comparison or a response, and one label of it.

A row that has no `b` is about the response in `a`. Files of others need `prompt`, `a` and `b`, or
`chosen` and `rejected`, under whatever names; `value` may be a chance, or a, b or tie.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cai_app.formats.base import Bad, Kept, Labelled, ReadOptions, Tally, checked, kind_of
from cai_app.formats.raters import rater_json, rater_of
from cai_app.records import Comparison, Label, Rater, Response, Transcript

COLUMNS = (
    "prompt", "a", "b", "a_model", "a_adapter", "a_seed", "b_model", "b_adapter", "b_seed",
    "source", "kind", "value", "unscored_reason", "rater", "orders", "principle", "question",
    "run", "seed", "time",
)  # fmt: skip
UNKNOWN = Rater(kind="reference", name="table")
_CHOICES = {"a": 1.0, "b": 0.0, "tie": 0.5, "chosen": 1.0, "rejected": 0.0}
_OF_LABEL = ("unscored_reason", "principle", "question", "run", "time")


def rows_of(found: Labelled, tally: Tally) -> Iterator[dict[str, Any]]:
    """A row for each label, or one without; a transcript has none and is counted."""
    one = found.subject
    if isinstance(one, Transcript):
        return tally.leave("transcripts")
    if isinstance(one, Comparison):
        base = {"prompt": one.prompt, **_side("a", one.a), **_side("b", one.b)}
    else:
        base = {"prompt": one.prompt, **_side("a", one)}
    base["source"] = one.source
    for label in found.labels or (None,):
        tally.rows += 1
        yield {**base, **(_said(label) if label is not None else {})}


def _side(name: str, one: Response) -> dict[str, Any]:
    return {
        name: one.text,
        f"{name}_model": one.model,
        f"{name}_adapter": one.adapter,
        f"{name}_seed": one.seed,
    }


def _said(label: Label) -> dict[str, Any]:
    plain = label.model_dump(mode="json", include={*_OF_LABEL, "kind", "value", "seed"})
    orders = [order.model_dump(mode="json", exclude_none=True) for order in label.orders]
    return {**plain, "rater": rater_json(label.rater), "orders": orders or None}


def records_of(row: Mapping[str, Any], options: ReadOptions) -> tuple[Kept, ...]:
    """What a row says. Raises Bad, or the records' own errors."""
    get = _getter(row, options.columns)
    if get("a") is None and get("chosen") is not None:
        sides, chosen = ("chosen", "rejected"), 1.0
    else:
        sides, chosen = ("a", "b"), None
    prompt = _text(get, "prompt")
    source = get("source") or options.source
    a = _response(get, sides[0], prompt, source, options.model)
    if get(sides[1]) is None:
        return _labelled((a,), get, chosen, options)
    b = _response(get, sides[1], prompt, source, options.model)
    return _labelled((Comparison.of(a, b, source=source), a), get, chosen, options)


class _getter:
    """A row's fields by our names; None where missing."""

    def __init__(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> None:
        self.row, self.columns = row, columns

    def __call__(self, name: str) -> Any:
        theirs = column_of(name, self.columns)
        return None if theirs is None else self.row.get(theirs)


def column_of(name: str, columns: Mapping[str, str]) -> str | None:
    """Which column of a file is the one of ours. None where there is none: it is mapped to
    nothing, or the column of its name is another one of ours."""
    if name in columns:
        return columns[name] or None
    return None if name in columns.values() else name


def _text(get: _getter, name: str) -> str:
    value = get(name)
    if not isinstance(value, str):
        shown = get.columns.get(name) or name
        raise Bad(
            f"`{shown}` is missing" if value is None else f"`{shown}` is {kind_of(value)}, no text"
        )
    return checked(value, name)


def _response(get: _getter, side: str, prompt: str, source: str, model: str | None) -> Response:
    return Response(
        prompt=prompt,
        text=_text(get, side),
        model=get(f"{side}_model") or model,
        adapter=get(f"{side}_adapter"),
        seed=get(f"{side}_seed"),
        source=source,
    )


def _labelled(
    about: tuple[Response] | tuple[Comparison, Response],
    get: _getter,
    chosen: float | None,
    options: ReadOptions,
) -> tuple[Kept, ...]:
    """The row's subject with its label; the value is about the order of the row."""
    subject = about[0]
    pair = isinstance(subject, Comparison)
    given = chosen if get("value") is None else get("value")
    if given is None and get("unscored_reason") is None:
        return (subject,)
    fields = {name: get(name) for name in _OF_LABEL if get(name) is not None}
    if "time" in fields:
        fields["time"] = _moment(fields["time"])
    fields |= {"about": "comparison" if pair else "response", "subject": subject.id}
    fields |= {"kind": get("kind") or ("preference" if pair else "score"), "seed": get("seed")}
    fields |= {"value": _value(given), "orders": _json(get("orders"), "orders") or ()}
    fields["rater"] = rater_json(rater_of(get("rater"), options.rater or UNKNOWN))
    label = Label.model_validate_json(json.dumps(fields, default=str))
    turned = isinstance(subject, Comparison) and subject.a.id != about[-1].id
    return subject, label.swap() if turned else label


def _moment(given: Any) -> Any:
    """A date or time that names no zone, taken as UTC; anything else is the record's to judge."""
    text = str(given)
    if text[4:5] != "-":  # a number of seconds, which needs no zone
        return given
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return given
    return given if moment.tzinfo else moment.replace(tzinfo=UTC)


def _value(given: Any) -> float | None:
    if given is None or (isinstance(given, int | float) and not isinstance(given, bool)):
        return given
    text = str(given).strip().lower()
    if text in _CHOICES:
        return _CHOICES[text]
    try:
        return float(text)
    except ValueError:
        raise Bad(f"`value` is {given!r}; write a number, a, b or tie") from None


def _json(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise Bad(f"`{name}` is no JSON ({error})") from error


def flat(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows with objects and lists as JSON text, for files that have none."""
    for row in rows:
        yield {
            name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            for name, value in row.items()
        }
