"""What the form that starts a training asks: its fields and choices, a plan, the start."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gradio as gr

from cai_app.backends import is_preference_model
from cai_app.errors import CaiError, InputError
from cai_app.records import GenerateOptions, LabelOptions, TrainOptions
from cai_app.workbench import Workbench, training
from cai_app.workbench.board import KINDS, kind_of
from cai_app.workbench.generation import BUILT_IN
from components.replies import text
from components.shared import role, text_of

MOST_EARLIER = 20  # runs that the form can be filled from
MOST_SOURCES = 30  # runs offered as sources of data


class Form(NamedTuple):
    """A form on the page: the program it starts, what it fixes, and which options come first."""

    program: str
    main: tuple[str, ...]
    fixed: Mapping[str, Any]
    about: str


FORMS: dict[str, Form] = {
    "helpful": Form(
        "sft", ("helpful", "start", "max_steps", "name"), {"data": "helpful"},
        "Fine-tune the base on helpful answers. Red-teamed, it is where the method begins.",
    ),
    "sl-cai": Form(
        "sft", ("data", "source", "constitution", "start", "max_steps", "name"), {},
        "Fine-tune on revisions: what the model made of its own answers under your principles.",
    ),
    "preference": Form(
        "preference",
        ("labels", "source", "constitution", "helpful", "mix", "max_steps", "name"), {},
        "Learn which of two answers is better: a score that RL can raise.",
    ),
    "rl": Form(
        "rl", ("pm", "start", "prompts", "kl_weight", "max_steps", "name"), {},
        "Let the policy gain reward from a preference model, held near where it started.",
    ),
    "dpo": Form(
        "dpo",
        ("labels", "source", "constitution", "start", "beta", "name"), {},
        "Learn preferences without a preference model: the cheap baseline to RL.",
    ),
    "distill": Form(
        "distill", ("preamble", "prompts", "start", "name"), {},
        "Answer without the preamble as with it.",
    ),
}  # fmt: skip
# What is missing where a form finds no data: the first step that an empty list offers too.
_TODO = {"sl-cai": "chains", "preference": "labels", "dpo": "labels"}
Choice = dict[str, str]


def form(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """The fields of a kind, what can be chosen in them, and the runs it can be filled from."""
    kinds = [id for id, one in FORMS.items() if one.program in training.KINDS]
    kind = text(asked, "kind")
    kind = kind if kind in kinds else kinds[0]
    found = FORMS[kind]
    options = training.describe(found.program)
    earlier = [one for one in workbench.runs.trainings() if one.kind == kind]
    return {
        "kind": kind,
        "kinds": [{"id": id, "title": KINDS[id]} for id in kinds],
        "about": found.about,
        "main": list(found.main),
        "fixed": list(found.fixed),
        "options": [_option(kind, one.model_dump(mode="json")) for one in options],
        "choices": _choices(workbench, kind, {one.name for one in options}),
        "earlier": [{"id": one.id, "title": one.title} for one in earlier[:MOST_EARLIER]],
        "may_write": role(workbench) == "owner",
    }


def _option(kind: str, option: dict[str, Any]) -> dict[str, Any]:
    """SL-CAI without any revision would be the helpful model, which has a form of its own."""
    if kind == "sl-cai" and option["name"] == "data":
        option["choices"] = [one for one in option["choices"] if one != "helpful"]
    return option


def plan(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """What the training would read, need and take; a form that cannot be started says why."""
    try:
        program, options = read_form(asked)
        found = workbench.train_plan(program, options).model_dump(mode="json")
    except InputError as error:
        todo = _TODO.get(text(asked, "kind"), "") if str(error).startswith("there are no") else ""
        return {"message": _sentence(error), "field": _field(error), "todo": todo}
    return found | {"needs": _needs(found), "notes": _notes(found)}


def start(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """Start the training, or queue it."""
    program, options = read_form(asked)
    return {"id": workbench.train_start(program, options).id}


def from_run(workbench: Workbench, asked: dict[str, Any], who: str) -> dict[str, Any]:
    """The form as an earlier run would have filled it."""
    program, options = workbench.train_options(text(asked, "run"))
    kind = kind_of(program, options.model_dump())
    given = training.set_options(options)
    values = {name: value for name, value in given.items() if name not in _own(kind)}
    return {"kind": kind, "preset": options.preset, "values": values}


def read_form(asked: dict[str, Any]) -> tuple[str, TrainOptions]:
    """The program, and its options from what was changed in the form."""
    kind = text(asked, "kind")
    if kind not in FORMS:
        raise InputError(f"there is no training called {kind or 'nothing'}; reload the page")
    found, values = FORMS[kind], asked.get("values")
    given = values if isinstance(values, dict) else {}
    preset = text(asked, "preset") or "notes"
    return found.program, training.options_of(
        found.program, {**given, **found.fixed, "preset": preset}
    )


def begin(workbench: Workbench, event: gr.EventData) -> Any:
    """The first steps that an empty list offers: the output is the tabs."""
    name = text_of(event, "name", 20)
    if name == "chains":
        options = GenerateOptions(mode="chains", rounds=2, limit=8, batch=4)
        workbench.runs.generate(options, prompts="red-team")
    elif name == "labels":
        workbench.label(workbench.file_task("pairs", LabelOptions()))
    elif name == "data":
        return gr.update(selected="data")
    else:
        raise InputError(f"there is no first step '{name}'; reload the page")
    gr.Info("Started. Runs, in the header, shows how it goes on.", duration=6)
    return gr.skip()


def _own(kind: str) -> set[str]:
    return {"preset", *FORMS[kind].fixed}


def _needs(found: Mapping[str, Any]) -> str:
    need = f"Needs about {found['memory'] / 2**30:.1f} GiB"
    if found["memory_free"] is None:
        return f"{need} on this machine."
    short = "" if found["fits"] else ", so stop what else runs or choose a smaller micro batch"
    return f"{need}; {found['memory_free'] / 2**30:.1f} GiB are free{short}."


def _notes(found: Mapping[str, Any]) -> list[str]:
    notes = list(found["notes"])
    aside = ", ".join(f"{count:,}: {reason}" for reason, count in found["rejected"].items())
    if aside:
        notes.append(f"Set aside: {aside}.")
    if found["too_long"]:
        notes.append(f"About {found['too_long']:,} rows are longer than max_tokens and left out.")
    start = "the pretrained base" if found["start"] == "none" else found["start"]
    return [*notes, f"Starts from {start}; the result is {found['adapter']}."]


def _field(error: InputError) -> str:
    """The option an error is about, where it begins with its name."""
    return str(error).partition(" ")[0].replace("-", "_")


def _sentence(error: CaiError) -> str:
    said = str(error).strip().rstrip(".")
    return f"{said[:1].upper()}{said[1:]}."


def _choices(workbench: Workbench, kind: str, names: set[str]) -> dict[str, list[Choice]]:
    """What can be chosen for the options that name something which is here."""
    makers: dict[str, Callable[[Workbench, str], list[Choice]]] = {
        "backend": _bases,
        "start": _starts,
        "pm": _preference_models,
        "constitution": _constitutions,
        "source": _sources,
        "helpful": _helpful,
        "prompts": _prompts,
    }
    return {name: make(workbench, kind) for name, make in makers.items() if name in names}


def _bases(workbench: Workbench, kind: str) -> list[Choice]:
    specs = {one.spec.partition("@")[0]: None for one in workbench.models()}
    local = [spec for spec in specs if not spec.startswith("openai:")]
    return [{"value": spec, "label": spec} for spec in local]


def _starts(workbench: Workbench, kind: str) -> list[Choice]:
    offered = [{"value": "preset", "label": "what the preset says"},
               {"value": "none", "label": "the pretrained base"}]  # fmt: skip
    scores = {one.id for one in workbench.runs.trainings() if one.kind == "preference"}
    scores |= {one.title for one in workbench.runs.trainings() if one.kind == "preference"}
    known = {name: one.spec for one in workbench.models() for name in one.adapters}
    if kind != "preference":  # what else is learned is to write
        scores |= {name for name, spec in known.items() if _scores(workbench, spec, name)}
    return offered + [{"value": name, "label": name} for name in known if name not in scores]


def _scores(workbench: Workbench, spec: str, adapter: str) -> bool:
    """Whether an adapter of a model is a preference model; one that cannot be read says what is
    wrong when it is chosen."""
    try:
        return is_preference_model(f"{spec.partition('@')[0]}@{adapter}", workbench.settings)
    except (CaiError, OSError, ValueError, KeyError):
        return False


def _preference_models(workbench: Workbench, kind: str) -> list[Choice]:
    done = [one for one in workbench.runs.trainings() if one.kind == "preference" and one.spec]
    listed = [{"value": one.id, "label": f"{one.title} · {one.id}"} for one in done]
    shipped = {name for one in workbench.models() for name in one.adapters if name == "pm"}
    return listed + [{"value": name, "label": f"{name}, as it ships"} for name in shipped]


def _constitutions(workbench: Workbench, kind: str) -> list[Choice]:
    listed = [{"value": one.name, "label": one.title} for one in workbench.constitutions()]
    return [*listed, {"value": "any", "label": "any"}]


def _sources(workbench: Workbench, kind: str) -> list[Choice]:
    noun = "transcript" if kind == "sl-cai" else "label"
    words = {"transcript": "chains", "label": "labels"}[noun]
    counts = {
        run: rows[noun] for run, rows in workbench.store.tracing.rows_of_runs().items()
        if rows.get(noun)
    }  # fmt: skip
    newest = sorted(counts, reverse=True)[:MOST_SOURCES]
    table = workbench.store.transcripts if noun == "transcript" else workbench.store.labels
    every = f"all there are ({table.count():,} {words})"
    listed = [{"value": run, "label": f"{run} ({counts[run]:,} {words})"} for run in newest]
    # Pairs that came with a file, the demo's among them, are of no run of this home.
    named = workbench.spotchecks.sources() if noun == "label" else []
    listed += [{"value": one, "label": f"pairs from {one}"} for one in named if one not in counts]
    return [{"value": "", "label": every}, *listed]


def _helpful(workbench: Workbench, kind: str) -> list[Choice]:
    listed = [{"value": "reference", "label": "the built-in set, by rule"}]
    if kind in ("preference", "dpo"):
        auto = {"value": "auto", "label": "people's where there are, else the built-in set"}
        first = [auto] if kind == "preference" else []
        return [*first, *listed, {"value": "human", "label": "all that people have labelled"}]
    counts = {
        run: rows["response"] for run, rows in workbench.store.tracing.rows_of_runs().items()
        if rows.get("response")
    }  # fmt: skip
    newest = sorted(counts, reverse=True)[:MOST_SOURCES]
    return listed + [{"value": run, "label": f"{run} ({counts[run]:,} answers)"} for run in newest]


def _prompts(workbench: Workbench, kind: str) -> list[Choice]:
    words = {"world": "the toy world's requests", "both": "red-team and helpful"}
    names = (*(("world",) if kind == "rl" else ()), "both", *BUILT_IN)
    return [{"value": name, "label": words.get(name, name)} for name in names]
