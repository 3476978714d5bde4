"""`constitution effect|ablate|invert|conflicts`: what principles change, measured on pairs."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from cai_app import judge, strict_yaml
from cai_app.commands.output import from_caller, only_json, parsed
from cai_app.constitution import Constitution
from cai_app.errors import InputError
from cai_app.judge import Measured
from cai_app.settings import Settings
from cai_app.workbench import Workbench
from cai_app.workbench.comparisons import BUILT_IN
from cai_app.workbench.shapes import measured_json


@dataclass(frozen=True)
class _Options:
    pairs: str = BUILT_IN
    """JSONL file with prompt, a and b, or built-in"""
    backend: str = "pocket"
    """pocket, pocket-s|m|l[@ADAPTER], hf:PATH-OR-ID[@ADAPTER], openai:URL#MODEL"""
    few_shot: int = 5
    """Few-shots before the question"""
    limit: int | None = None
    """At most so many pairs"""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print one JSON value and nothing else"""


@dataclass(frozen=True)
class _One:
    constitution: tyro.conf.Positional[str]
    """NAME, NAME@HASH or a path"""


@dataclass(frozen=True)
class _Two:
    old: tyro.conf.Positional[str]
    """NAME, NAME@HASH or a path"""
    new: tyro.conf.Positional[str]
    """NAME, NAME@HASH or a path"""


@dataclass(frozen=True)
class Effect(_Options, _Two):
    """Which labels flip between two constitutions, and by how much P(a) moves."""


@dataclass(frozen=True)
class Ablate(_Options, _One):
    """What leaving out each principle, or all of a tag, does to the labels."""


@dataclass(frozen=True)
class Conflicts(_Options, _One):
    """How often two principles choose different sides of the same pair."""


@dataclass(frozen=True)
class Invert(_Options, _One):
    """Whether the judge turns round when its questions are negated.

    Questions of the shipped constitution `harmless` have hand-written negations. Others are
    proposed with --propose, to be read, corrected and handed back with --negations.
    """

    negations: Path | None = None
    """YAML file of id: negated question"""
    propose: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Only print each question with its negation, as such a file"""


FORMS: dict[str, Any] = {
    "effect": Effect, "ablate": Ablate, "invert": Invert, "conflicts": Conflicts,
}  # fmt: skip


def main(argv: list[str], settings: Settings) -> int:
    """Run the sub-command that the first argument names."""
    asked = parsed(FORMS[argv[0]], argv[1:], f"constitution {argv[0]}")
    workbench = Workbench(settings)
    try:
        with only_json(asked.json) as show:
            if isinstance(asked, Invert) and asked.propose:
                proposals = _proposals(workbench, asked)
                show(proposals) if asked.json else _print_proposals(proposals)
                return 0
            # Once: a measurement takes minutes, and a name may stand for a newer version by then.
            loaded = {name: workbench.workshop.load(spec) for name, spec in _specs(asked).items()}
            found = _last(_measure(workbench, asked, loaded))
            value = {**_about(workbench, asked, loaded), **measured_json(found)}
            show(value) if asked.json else _print(value)
    finally:
        workbench.close()
    return 0


def _specs(asked: Any) -> dict[str, str]:
    if isinstance(asked, Effect):
        return {"old": asked.old, "new": asked.new}
    return {"constitution": asked.constitution}


def _measure(
    workbench: Workbench, asked: Any, loaded: dict[str, Constitution]
) -> Iterator[Measured]:
    shop = workbench.workshop
    source = asked.pairs if asked.pairs == BUILT_IN else str(from_caller(Path(asked.pairs)))
    pairs = shop.pairs(source, limit=asked.limit)
    if isinstance(asked, Effect):
        scores = shop.scores(asked.backend, asked.few_shot)
        return judge.effect(scores, pairs, loaded["old"], loaded["new"])
    one = loaded["constitution"]
    if isinstance(asked, Invert):
        turned = shop.turned(one, _own(asked.negations))
        return judge.invert(shop.scores(asked.backend, asked.few_shot), pairs, turned)
    scores = shop.scores(asked.backend, asked.few_shot)
    if isinstance(asked, Ablate):
        return judge.ablate(scores, pairs, one)
    return judge.conflicts(scores, pairs, one)


def _last(results: Iterator[Measured]) -> Measured:
    """The whole result; how far it is goes to standard error."""
    found: Measured | None = None
    for found in results:
        done = found.progress
        end = "\n" if done.done == done.total else "\r"
        print(f"{done.done} of {done.total} pairs", end=end, file=sys.stderr, flush=True)
    assert found is not None
    return found


def _about(workbench: Workbench, asked: Any, loaded: dict[str, Constitution]) -> dict[str, Any]:
    """What was measured, and with which model."""
    refs = {name: one.ref.model_dump() for name, one in loaded.items()}
    info = workbench.open(asked.backend).info()
    return {
        **refs, "backend": info.spec, "adapter": info.adapter, "few_shot": asked.few_shot,
        "pairs": asked.pairs,
    }  # fmt: skip


def _own(path: Path | None) -> dict[str, str]:
    """Negations by id from a YAML file; entries left empty are left out."""
    if path is None:
        return {}
    try:
        data = strict_yaml.read(strict_yaml.read_text(from_caller(path), what="negations")).data
    except strict_yaml.YamlError as error:
        place = f", line {error.line}" if error.line else ""
        raise InputError(f"negations {path}{place}: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"negations {path}: expected lines of id: negated question")
    for id, text in data.items():
        if text is not None and not isinstance(text, str):
            raise InputError(f"negations {path}: the negation of {id} must be text")
    return {id: text for id, text in data.items() if text}


def _proposals(workbench: Workbench, asked: Invert) -> list[dict[str, Any]]:
    one = workbench.constitution(asked.constitution)
    return [found.model_dump() for found in workbench.workshop.negations(one)]


def _print_proposals(found: list[dict[str, Any]]) -> None:
    for one in found:
        print(f"# {one['question']}{'  (written by hand)' if one['by_hand'] else ''}")
        # JSON's strings are YAML's: a colon or # within stays what it is.
        said = json.dumps(one["negated"], ensure_ascii=False) if one["negated"] else ""
        print(f"{one['id']}: {said}")


def _print(value: dict[str, Any]) -> None:
    """The figures, and the first rows."""
    for name in ("n", "unscored", "flips", "flip_rate", "flip_ci", "mean_shift", "ci", "error"):
        if name in value:
            print(f"{name}: {value[name]}")
    for row in value.get("principles", ()):
        named = row.get("id") or (f"tag {row['tag']}" if row["tag"] else row["ids"][0])
        print(f"  {named}: flips {row['flips']}, rate {row['flip_rate']}, ci {row['flip_ci']}")
    for row in sorted(value.get("matrix", ()), key=lambda one: -(one["disagree"] or 0))[:20]:
        print(f"  {row['first']} / {row['second']}: {row['disagree']} {row['ci']}")
    for row in value.get("rows", ())[:10]:
        before, after = row.get("p_old", row.get("p")), row.get("p_new", row.get("p_inverted"))
        print(f"  {row['comparison']}  {before:.3f} -> {after:.3f}  {row['prompt'][:60]}")
