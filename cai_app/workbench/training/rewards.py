"""What a preference model learns from and is checked against, and what a policy answers."""

from collections import Counter
from typing import Any

from cai_app.backends import folders, locate, trained
from cai_app.errors import InputError
from cai_app.records import PreferenceOptions, RlOptions
from cai_app.settings import Settings
from cai_app.workbench.generation import read_prompts
from cai_app.workbench.training.gathering import (
    ROWS,
    USUAL,
    Gathered,
    Sources,
    drawn,
    lines,
)
from cai_app.workbench.training.labels import REFERENCE, ai_rows, helpful_rows

PROMPTS = "inputs.prompts.jsonl"
WORLD = "world"
_MOST = 20_000  # rows of a source that are looked at
_PROMPT = 16  # tokens, likewise
_AT_THE_END = 40  # batches written to compare start and end
Row = dict[str, Any]


def gather_pairs(options: PreferenceOptions, sources: Sources) -> Gathered:
    """Rows of `prompt`, `a`, `b`, `p` (raw, of each order too) and `kind`: ai, helpful, or checked
    (what people say of AI-labelled pairs: to be measured against, never learned). A source that is
    not learned comes along where there is one: its held-out pairs give the cross-accuracy."""
    rows: list[Row] = []
    provenance: dict[str, str] = {}
    rejected: dict[str, int] = {}
    learned = ("ai", "helpful") if options.labels == "both" else (options.labels,)
    for kind in sorted(("ai", "helpful"), key=lambda one: one not in learned):
        aside = "" if kind in learned else ", tested on only"
        try:
            if kind == "ai":
                found, versions = _judged(options, sources, {} if aside else rejected)
                provenance["constitutions"] = ", ".join(versions)
                provenance["labelled_by"] = _labellers(found, sources)
                provenance["labels"] = (options.source or "every AI label of the store") + aside
            else:
                found, by = _helpful(options, sources)
                provenance["helpful"] = by + aside
        except InputError:
            if kind in learned:
                raise
            continue
        rows += found
    policy = policy_of(options, sources.settings)
    chosen = _taken(options, rows)
    return Gathered(
        inputs={ROWS: lines(rows)},
        rows=len(chosen),
        counts=dict(Counter(row["kind"] for row in rows)),
        texts=[
            f"\n\nHuman: {row['prompt']}\n\nAssistant: {row[side]}"
            for row in chosen
            for side in ("a", "b")
        ],
        rejected=rejected,
        provenance={**provenance, "policy": policy},
    )


def _taken(options: PreferenceOptions, rows: list[Row]) -> list[Row]:
    """As many rows of either source as the run will learn, held-out ones taken off."""
    known = {
        kind: [row for row in rows if row["kind"] == kind and _teaches(row)]
        for kind in ("ai", "helpful")
    }
    kept = [round(len(some) * (1 - options.held_out)) for some in known.values()]
    most = options.taken(*kept)
    return [row for some, n in zip(known.values(), most, strict=True) for row in some[:n]]


def _teaches(row: Row) -> bool:
    return row["p"] is not None and row["a"].strip() != row["b"].strip()


def _judged(
    options: PreferenceOptions, sources: Sources, rejected: dict[str, int]
) -> tuple[list[Row], list[str]]:
    """AI-labelled pairs, and what people say of the same ones."""
    from cai_app.store import training

    rows, versions = ai_rows(
        sources,
        source=options.source,
        constitution=options.constitution,
        seed=options.seed,
        limit=_MOST,
    )
    store = sources.store()
    reasoned = {one.id for one in store.labels.raters.all() if one.cot}
    for row in rows:
        row["cot"] = row["rater"] in reasoned
    unscored = training.unscored(
        store, source=options.source or None, constitution=_name(options.constitution)
    )
    if unscored:
        rejected["unscored by the AI"] = unscored
    known = {row["id"] for row in rows}
    people = training.preferences(store, kinds=("human",))
    checked = [
        one.model_dump(exclude={"kind"}) | {"kind": "checked"} for one in people if one.id in known
    ]
    return rows + checked, versions


def _labellers(rows: list[Row], sources: Sources) -> str:
    """Which models gave the AI labels, with the hash of each adapter and what they were shown."""
    here = {row.get("rater") for row in rows}
    told = [
        f"{one.backend} ({one.adapter_hash or 'no adapter'}, {one.few_shot}-shot"
        f"{', chain of thought' if one.cot else ''})"
        for one in sources.store().labels.raters.all()
        if one.id in here and one.kind == "ai"
    ]
    return ", ".join(sorted(told))


def _helpful(options: PreferenceOptions, sources: Sources) -> tuple[list[Row], str]:
    """Helpfulness pairs. Built-in ones about harmful requests are left to the AI's labels where
    both are learned: the paper's helpfulness data has next to none of these."""
    source = options.helpful
    if source == "auto":
        source = "human" if _imported(sources) else REFERENCE
    rows, by = helpful_rows(sources, source=source, seed=options.seed, limit=_MOST)
    if options.labels == "both":
        rows = [row for row in rows if not row.get("harmful")]
    return rows, by


def _imported(sources: Sources) -> bool:
    """Whether the store has human labels that answer no question of a constitution."""
    from cai_app.store import training

    return training.imported(sources.store()) > 0


def policy_of(options: PreferenceOptions, settings: Settings) -> str:
    """The adapter whose samples set the scale: as asked, or sl-cai where there is one, else
    helpful, else none."""
    if options.policy != "preset":
        locate(f"{options.backend}@{options.policy}", settings)
        return options.policy
    for name in ("sl-cai", "helpful"):
        try:
            locate(f"{options.backend}@{name}", settings)
        except InputError:
            continue
        return name
    return "none"


def gather_prompts(options: RlOptions, sources: Sources) -> Gathered:
    """The prompts of a file or list; those of the toy world are drawn by the run. Both preference
    models are pinned by their hashes."""
    settings = sources.settings
    inputs: dict[str, bytes] = {}
    texts = ["Can you help me with this?"]
    if options.prompts != WORLD:
        names = ("red-team", "helpful") if options.prompts == "both" else (options.prompts,)
        texts = [text for name in names for text in read_prompts(name, settings)]
        rows = [{"prompt": text} for text in dict.fromkeys(texts)]
        inputs[PROMPTS] = lines(
            drawn(rows, seed=options.seed, key=lambda r: r["prompt"], limit=None)
        )
    pm = _reward(options, settings, options.pm)
    test = _test(options, settings, pm)
    provenance = {"prompts": options.prompts, "pm": options.pm, "test_pm": test}
    for name in {options.pm, test} - {"none"}:
        provenance[f"pm_hash {name}"] = folders.adapter_hash(_reward(options, settings, name))
    longest = max(texts, key=len) + " the" * options.answer_tokens
    responses = options.max_steps * options.batch
    usual = round(USUAL * options.answer_tokens)
    return Gathered(
        inputs=inputs,
        rows=responses,
        counts={"responses": responses},
        texts=[longest],
        rejected={},
        provenance=provenance,
        passes=1 + 2 / 3,  # learned from; held against the start policy; scored
        tokens=responses * (_PROMPT + usual),
        written=lambda steps: usual * (steps + 2 * _looks(options, steps) + _AT_THE_END),
    )


def _looks(options: RlOptions, steps: int) -> int:
    return 1 + (steps // options.sample_every if options.sample_every else 0)


def _reward(options: RlOptions, settings: Settings, name: str) -> Any:
    folder = locate(f"{options.backend}@{name}", settings).adapter
    if folder is None or not folders.scores_texts(folder):
        raise InputError(
            f"{name} is no preference model, so it cannot reward; train one: python -m cai_app "
            "train preference --set name=pm"
        )
    return folder


def _test(options: RlOptions, settings: Settings, pm: Any) -> str:
    """The preference model that only watches: of the same run's other half, unless one is named."""
    if options.test_pm != "auto":
        if options.test_pm != "none":
            _reward(options, settings, options.test_pm)
        return options.test_pm
    run = trained.facts(pm).get("run", "")
    folder = settings.home / "runs" / str(run) / "test_pm"
    return str(folder) if run and (folder / "adapter_config.json").is_file() else "none"


def _name(constitution: str) -> str | None:
    return None if constitution == "any" else constitution.partition("@")[0]
