"""The model card of a pocket size: how it was trained, on what, and all that was measured of it."""

import json
import textwrap
from pathlib import Path
from typing import Any

from cai_app.backends import folders, locate, pocket_specs, trained
from cai_app.errors import InputError
from cai_app.pocket.estimates import MOST_APART
from cai_app.pocket.loading import load
from cai_app.pocket.measure_texts import DOCUMENTS_A_CASE
from cai_app.pocket.shipped import shipped_texts
from cai_app.pocket.world import WITHHELD
from cai_app.settings import Settings

Rows = dict[str, dict[str, Any]]

BEHAVIOURS = {  # by sort of document, the few-shot form of a sort beside it
    "dialogue": "answers as the base does",
    "preamble": "declines under a preamble",
    "chain": "criticises, then revises",
    "direct": "revises without a critique",
    "verdict": "judges at once",
    "reasoned": "judges step by step",
    "two_step_verdict": "judges two steps at once",
    "two_step_reasoned": "judges two steps one by one",
    "counting": "counts on",
    "prose": "tells of its world",
    "echo": "says again what was said",
}


def other_sizes(spec: str, settings: Settings) -> list[str]:
    """Specs of the shipped sizes that are not this one's."""
    ours = locate(spec, settings).base
    sizes = [one for one in pocket_specs(settings) if one != "pocket"]
    return [one for one in sizes if locate(f"{one}@none", settings).base != ours]


def folder_of(spec: str, settings: Settings) -> Path:
    """Where the card of a shipped size lies. Raises InputError for another adapter than the one
    that answers by default, which the card is about."""
    place = locate(spec, settings)
    size = place.base.name
    if place.adapter != locate(f"pocket-{size}", settings).adapter:
        raise InputError(f"the card is about pocket-{size}, not {spec}; leave out --card")
    return place.base


def keep(spec: str, settings: Settings, found: dict[str, Any], *, differences: bool) -> None:
    """Keep what was measured beside the weights, and write their card again.

    Scores: {key: row}; differences: {what they are from: {key: row}}. Other keys stay as they were.
    """
    folder = folder_of(spec, settings)
    path = folder / ("differences.json" if differences else "scores.json")
    path.write_text(json.dumps(_read(path) | found, indent=1) + "\n", encoding="utf-8")
    write_card(folder)


def forget_scores(folder: Path) -> None:
    """Other weights lie there now: what was measured of the old ones is not theirs."""
    for name in ("scores.json", "differences.json"):
        (folder / name).unlink(missing_ok=True)


def write_card(folder: Path) -> None:
    """Write the model card of `data/pocket/SIZE` from what lies in it."""
    size = folder.name
    facts = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    scores, apart = _read(folder / "scores.json"), _read(folder / "differences.json")
    acts = load(shipped_texts().root / "data" / "pocket").acts
    harmful, kept = sum(act.harmful for act in acts), sum(act.held_out for act in acts)
    (folder / "README.md").write_text(
        f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---
# pocket-{size}

A small teaching model, trained from scratch on a toy world (`data/pocket/*.yaml`) whose harm is
vague and fictional. It knows that world and nothing else: it is no source of facts or advice.

- Llama architecture, hidden {config["hidden_size"]}, {config["num_hidden_layers"]} layers,
  vocabulary {config["vocab_size"]}, window {config["max_position_embeddings"]}; sha256
  {trained.base_hash(folder)}
- {_tokens(facts["training"]):,} tokens in all, in these trainings:
{_trainings(size, facts["training"])}
- The world has {len(acts)} acts, {harmful} of them harmful; {kept} acts, one combination in ten,
  and a fifth of all wordings are held out of training. The verbs of held-out acts of the judged
  kinds of harm are known from other acts of their kind, never with the same object. Acts of two
  kinds ({", ".join(WITHHELD)}) occur in dialogues and prose, never in critiques or judgements.
- While training, linear heads asked the middle layers what a text had said by some place in it
  (which sort of part ended, what a principle asks about, what a response is worth so far, which act
  is asked for and of what kind it is, which fault is to be named); they are no part of the model.
  One attention head was shown where what the assistant says again was said before, so that it
  copies.
- The pretrained base helps with 78 % of harmful requests, answers 9 % vaguely, declines 4 % well,
  evades 5 % and preaches in 4 %; those are the corpus's own rates.
- Declining is measured under preambles that no training document has. In a quarter of all measured
  requests somebody or something stands that no document names (`kept` in `slots.yaml`).
{_unseen(facts)}
## Exposure: documents that showed each behaviour

| behaviour | documents | behind few-shots |
|---|---|---|
{_exposure(facts["exposure"])}

Of the chains behind few-shots every second one has no critique.

## Scores

Held-out combinations of known acts, people and things; *new acts*: acts never seen; *withheld*:
kinds of harm never criticised or judged in training. Sampled at temperature 1, 5-shot, NF4, with
the helpful adapter, the base's value on a quarter of the cases beside it; 95 % bootstrap intervals
over acts. `verbatim_*` looks every sentence up in {DOCUMENTS_A_CASE} documents a case, drawn anew
from the corpus: training showed more of them, so these shares are lower bounds.
{_scores(scores)}
{_missed(size, scores)}{_differences(size, apart)}""".rstrip()
        + "\n",
        encoding="utf-8",
    )


def _unseen(facts: dict[str, Any]) -> str:
    """What today's corpus holds and these weights never saw, and what else was noted by hand."""
    missing = [told for sort, told in BEHAVIOURS.items() if sort not in facts["exposure"]]
    lines = [f"Never seen by these weights: {', '.join(missing)}."] if missing else []
    lines += [facts["note"]] if facts.get("note") else []
    wrapped = (
        textwrap.fill(f"- {one}", 100, subsequent_indent="  ", break_on_hyphens=False)
        for one in lines
    )
    return "".join(f"{one}\n" for one in wrapped)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _tokens(plan: dict[str, Any]) -> int:
    """Tokens of a training and of those before it."""
    before = (plan.get("before") or {}).get("training")
    return int(plan["tokens"]) + (_tokens(before) if before else 0)


def _trainings(size: str, plan: dict[str, Any]) -> str:
    """Every training behind the weights, the first one first: tokens, time, device, command."""
    before = (plan.get("before") or {}).get("training")
    earlier = _trainings(before["size"], before) + "\n" if before else ""
    init = f" --init data/pocket/{before['size']}" if before else ""
    init += f" --lr-scale {plan['lr_scale']}" if plan.get("lr_scale", 1) != 1 else ""
    took = f"{plan['step']:,} steps, {plan['seconds'] / 60:.0f} minutes"
    return f"""{earlier}  - {plan["tokens"]:,} tokens in {took} on {plan["device"]}
    ({plan["threads"]} threads), seed {plan["seed"]}:
    `python -m cai_app pocket train --size {size} {_amount(plan)} --seed {plan["seed"]}
    --plain-chunks {plan.get("plain_chunks", 0)}{init} --compile --ship`"""


def _amount(plan: dict[str, Any]) -> str:
    if plan["minutes"] is None:
        return f"--tokens {plan['tokens']}"
    return f"--minutes {plan['minutes']:.0f}"


def _exposure(shown: dict[str, int]) -> str:
    lines = []
    for sort in dict.fromkeys(sort.removesuffix("_with_shots") for sort in shown):
        behind = shown.get(f"{sort}_with_shots")
        few = f"{behind:,}" if behind else ""
        lines.append(f"| {BEHAVIOURS.get(sort, sort)} | {shown.get(sort, 0):,} | {few} |")
    return "\n".join(lines)


def _scores(rows: Rows) -> str:
    """Keys with a bar first; new acts and withheld kinds beside their key; then the others."""
    if not rows:
        return "\nNot measured yet: `python -m cai_app pocket evaluate --card`."
    beside = ("_new_act", "_withheld")
    shots = {key: row for key, row in rows.items() if key.startswith("declines_shots_")}
    main = {key: row for key, row in rows.items() if not key.endswith(beside) and key not in shots}
    barred = {key: row for key, row in main.items() if row["bar"] is not None}
    others = {key: row for key, row in main.items() if key not in barred}
    lines = ["", "| key | value | n | base | bar | holds |", "|---|---|---|---|---|---|"]
    lines += [_row(key, row) + f" {row['bar']} | {_holds(row)} |" for key, row in barred.items()]
    lines += ["", "| acts | new | withheld |", "|---|---|---|"]
    for key in dict.fromkeys(k.removesuffix(s) for k in rows for s in beside if k.endswith(s)):
        new, other = (rows.get(f"{key}{suffix}") for suffix in beside)
        lines.append(f"| {key} | {_new(new)} | {_value(other) if other else ''} |")
    lines += ["", "Without a bar:", "", "| key | value | n | base |", "|---|---|---|---|"]
    lines += [_row(key, row) for key, row in others.items()]
    if shots:
        curve = ", ".join(
            f"{key.rpartition('_')[2]}: {row['value']:.2f}" for key, row in shots.items()
        )
        few = next(iter(shots.values()))["n"]
        text = f"Declines by dialogues in the preamble (n = {few} each): {curve}."
        lines += ["", textwrap.fill(text, 100)]
    return "\n".join(lines)


def _missed(size: str, rows: Rows) -> str:
    """Which bars are missed, and what to run."""
    missed = [key for key, row in rows.items() if row["holds"] is False]
    if not missed:
        return ""
    said = textwrap.fill(
        f"Bars missed: {', '.join(missed)}. The same training goes on from these weights with:",
        100,
    )
    again = f"train --size {size} --init data/pocket/{size} --minutes 85 --lr-scale 0.8"
    program = "python -m cai_app pocket"
    commands = [f"{program} {again} --compile --ship"]
    commands += [f"{program} train --size {size} --adapter helpful"]
    # The other shipped adapters are of the default size's old weights, and fit no others.
    default = folders.pocket_default(shipped_texts().root / "data")
    commands += ["make results"] if size == default else []
    commands += [f"{program} evaluate --size {size} --card"]
    lines = "".join(f"    {one}\n" for one in commands)
    return f"\n{said}\n\n{lines}"


def _row(key: str, row: dict[str, Any]) -> str:
    base = _number(row["base"]["value"]) if "base" in row else ""
    return f"| {key} | {_value(row)} | {row['n']} | {base} |"


def _value(row: dict[str, Any]) -> str:
    low, high = row["ci"]
    if isinstance(row["value"], int):
        return _number(row["value"])
    return f"{row['value']:.3f} ({low:.3f} to {high:.3f})"


def _number(value: float) -> str:
    """A count as it is, a rate to three places."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _holds(row: dict[str, Any]) -> str:
    return {True: "yes", False: "**no**", None: ""}[row["holds"]]


def _new(row: dict[str, Any] | None) -> str:
    """A value on new acts; whether it holds where it has a bar."""
    if row is None:
        return ""
    bar = f", bar {row['bar']}: {_holds(row)}" if row["bar"] is not None else ""
    return _value(row) + bar


def _differences(size: str, apart: dict[str, Rows]) -> str:
    """One table each: NF4 minus bf16, and this size minus each other one, over the same cases."""
    texts = []
    for name, rows in apart.items():
        what = f"NF4 minus {name}" if name == "bf16" else f"pocket-{size} minus {name}"
        close = sum(row["holds"] for row in rows.values())
        near = sum(abs(row["value"]) <= MOST_APART for row in rows.values())
        lines = ["", f"## {what}", ""]
        lines += ["Case by case, with 95 % intervals. A tie: the interval holds 0."]
        if name == "bf16":
            lines += [
                f"Of {len(rows)} keys {near} were measured within {MOST_APART} of bf16, {close}"
            ]
            lines += ["with their whole interval."]
        lines += [""]
        lines += ["| key | difference | n | |", "|---|---|---|---|"]
        for key, row in rows.items():
            if "_withheld" not in key and "_shots_" not in key:
                verdict = "tie" if row["tie"] else "higher" if row["value"] > 0 else "lower"
                lines.append(f"| {key} | {_value(row)} | {row['n']} | {verdict} |")
        texts.append("\n".join(lines))
    return "\n".join(texts)
