"""Annotated pairs 2.0 of Inverse CAI and Feedback Forensics: one JSON document.

A person, a judge and each principle that it judged by is an annotator there. Probabilities, seeds
and whatever else the form has no field for stand under `cai` and are read back.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cai_app.errors import InputError
from cai_app.formats.base import (
    Bad,
    Kept,
    Labelled,
    ReadOptions,
    Row,
    Tally,
    Written,
    checked,
    guarded,
    kind_of,
    text_of,
)
from cai_app.formats.lines import document, new_file
from cai_app.formats.raters import rater_json, rater_of
from cai_app.records import Comparison, Label, Rater, Response, hashed

VERSION = "2.0"
_CHOICES = {"a": 1.0, "b": 0.0, "text_a": 1.0, "text_b": 0.0, "tie": 0.5}
_OF_LABEL = {"value", "unscored_reason", "orders", "run", "seed", "time"}
_OF_RESPONSE = {"adapter", "seed", "source"}


class Annotator(NamedTuple):
    """Who annotated, and by which principle."""

    rater: Rater
    principle: str | None = None
    question: str | None = None


class Icai:
    """The format."""

    def read(self, path: Path, options: ReadOptions) -> Iterator[Row]:
        """Rows as in `Format.read`; a row is a comparison, its number the place in the list."""
        found = document(path)
        known, comparisons = found.get("annotators"), found.get("comparisons")
        if not isinstance(known, dict) or not isinstance(comparisons, list):
            raise InputError(
                f"{path.name} has no `annotators` and `comparisons`; it is no annotated-pairs file"
            )
        annotators = {}
        for key, one in known.items():
            try:
                annotators[key] = _annotator(checked(key, "annotators"), one, options)
            except (ValueError, TypeError, InputError) as error:
                reason = str(error).partition("\n")[0]
                raise InputError(f"{path.name}: annotator {key!a} is unusable: {reason}") from error

        def convert(one: Any) -> tuple[Kept, ...]:
            return _records(one, annotators, options)

        for number, one in enumerate(comparisons, start=1):
            yield guarded(number, json.dumps(one), convert, one)

    def write(self, rows: Iterable[Labelled], path: Path) -> Written:
        """Comparisons with their preferences; of several by one annotator, the last."""
        tally, annotators = Tally(), dict[str, dict[str, Any]]()
        comparisons = []
        for found in rows:
            if isinstance(found.subject, Comparison):
                comparisons.append(_comparison(found.subject, found.labels, annotators, tally))
            else:
                tally.leave("rows that are no comparison")
        tally.rows = len(comparisons)
        head = {"version": VERSION, "description": "Comparisons with labels of people and models"}
        body = {"metadata": head, "annotators": annotators, "comparisons": comparisons}
        with new_file(path) as file:
            file.write(json.dumps(body, ensure_ascii=False, indent=1).encode())
        return tally.done()


def _annotator(key: str, given: Any, options: ReadOptions) -> Annotator:
    one = given if isinstance(given, dict) else {}
    own = one.get("cai")
    if isinstance(own, dict):
        rater = rater_of(own.get("rater"), Rater(kind="reference", name=key))
        return Annotator(rater, own.get("principle"), own.get("question"))
    if one.get("type") == "principle":
        # A rater for each: of two labels by one rater only the later counts.
        judge = options.rater or Rater(kind="ai", backend="annotated pairs", name="principle")
        named = judge.model_copy(update={"name": f"{judge.name or judge.backend} {key}"})
        return Annotator(named, key, one.get("description"))
    name = one.get("name")
    if not name and options.rater is not None:
        return Annotator(options.rater)
    # What is not said to be a person is a reference to compare with.
    kind = "human" if one.get("type") == "human" else "reference"
    return Annotator(Rater.model_validate({"kind": kind, "name": str(name or key)}))


def _records(
    one: Any, annotators: Mapping[str, Annotator], options: ReadOptions
) -> tuple[Kept, ...]:
    if not isinstance(one, dict):
        raise Bad(f"the comparison is {kind_of(one)}, but should be an object")
    prompt = "" if one.get("prompt") is None else text_of(one, "prompt")
    a, b = (_response(one, side, prompt, options) for side in ("a", "b"))
    comparison = Comparison.of(a, b, source=(one.get("cai") or {}).get("source", options.source))
    swapped = comparison.a.id != a.id
    labels = []
    for key, said in (one.get("annotations") or {}).items():
        if key not in annotators:
            raise Bad(f"annotator {key!r} is not among the file's annotators")
        label = _label(comparison.id, annotators[key], said)
        labels.append(label.swap() if swapped else label)
    return (comparison, *labels)


def _response(one: Mapping[str, Any], side: str, prompt: str, options: ReadOptions) -> Response:
    given = one.get(f"response_{side}")
    if not isinstance(given, dict):  # version 1 had the text alone
        given = {"text": text_of(one, f"text_{side}")}
    more = {"source": options.source, **(given.get("cai") or {})}
    model = given.get("model", options.model)
    return Response(prompt=prompt, text=text_of(given, "text"), model=model, **more)


def _label(subject: str, by: Annotator, said: Any) -> Label:
    if not isinstance(said, dict):
        raise Bad(f"an annotation is {kind_of(said)}, but should be an object with `pref`")
    own = said.get("cai")
    if not isinstance(own, dict):
        choice = said.get("pref")
        if choice is not None and choice not in _CHOICES:
            raise Bad(f"`pref` is {choice!r}; known are a, b, tie and null")
        own = {"value": _CHOICES[choice]} if choice is not None else {}
        if not own:
            own = {"unscored_reason": str(said.get("no_pref_reason") or "no preference")}
    fields = {"subject": subject, "about": "comparison", "kind": "preference", **own}
    fields |= {"rater": rater_json(by.rater), "principle": by.principle, "question": by.question}
    return Label.model_validate_json(json.dumps(fields))


def _comparison(
    pair: Comparison,
    labels: Iterable[Label],
    annotators: dict[str, dict[str, Any]],
    tally: Tally,
) -> dict[str, Any]:
    annotations: dict[str, dict[str, Any]] = {}
    for label in labels:
        if label.kind != "preference":
            tally.leave("labels that are no preference")
            continue
        key = hashed("annotator", label.rater.id, label.principle, label.question)[:12]
        annotators.setdefault(key, _described(label))
        if annotations.pop(key, None) is not None:
            tally.leave("earlier labels of the same annotator")
        annotations[key] = _annotation(label)
    sides = {}
    for name, side in (("response_a", pair.a), ("response_b", pair.b)):
        own = side.model_dump(mode="json", include=_OF_RESPONSE, exclude_none=True)
        sides[name] = {"text": side.text, "model": side.model, "cai": own}
    about = {"cai": {"source": pair.source}}
    return {"id": pair.id, "prompt": pair.prompt, **sides, "annotations": annotations, **about}


def _described(label: Label) -> dict[str, Any]:
    rater = label.rater
    own = {"rater": rater_json(rater), "principle": label.principle, "question": label.question}
    kind = "principle" if rater.kind == "ai" and label.principle else rater.kind
    name = rater.name or rater.backend
    described = {"name": f"{name}: {label.principle}" if label.principle else name, "type": kind}
    return {**described, "description": label.question or name, "cai": own}


def _annotation(label: Label) -> dict[str, Any]:
    own = label.model_dump(mode="json", include=_OF_LABEL, exclude_none=True)
    if label.value is None:
        return {"pref": None, "no_pref_reason": label.unscored_reason, "cai": own}
    choice = "tie" if label.value == 0.5 else "a" if label.value > 0.5 else "b"
    return {"pref": choice, "cai": own}
