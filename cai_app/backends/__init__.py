"""Models behind five verbs (base.py): a spec string opens one, and is stored with every row.

Importing this package imports no torch; a Hugging Face model loads on its own thread.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from cai_app.backends import folders, trained
from cai_app.backends.base import Backend, Stream
from cai_app.errors import InputError
from cai_app.records import ModelInfo, Record

if TYPE_CHECKING:
    from cai_app.settings import Settings

__all__ = [
    "Backend",
    "Place",
    "Spec",
    "Stream",
    "adapter_hash",
    "adapters_of",
    "describe",
    "is_preference_model",
    "locate",
    "open_backend",
    "parse_spec",
    "pocket_specs",
]

FORMS = (
    "pocket, pocket@none, pocket@NAME, pocket-s|m|l[@NAME], hf:<path-or-id>[@adapter-dir], "
    "openai:<base-url>#<model>"
)


class Spec(Record):
    """A backend spec taken apart.

    `target` is a pocket size ("" = the default one), a path or model id, or a base url; `adapter`
    None means what the kind has by default (`helpful` on pocket, none elsewhere).
    """

    text: str
    kind: Literal["pocket", "hf", "openai"]
    target: str
    adapter: str | None = None
    model: str | None = None


def parse_spec(spec: str) -> Spec:
    """Take a spec apart; InputError listing the forms when it has none of them."""
    text = spec.strip()
    head, _, rest = text.partition(":")
    if head == "hf" and rest:
        target, at, adapter = rest.rpartition("@")
        if not at:
            return Spec(text=text, kind="hf", target=rest)
        if target and adapter:
            return Spec(text=text, kind="hf", target=target, adapter=adapter)
    if head == "openai":
        url, _, model = rest.partition("#")
        if url.startswith(("http://", "https://")) and model:
            return Spec(text=text, kind="openai", target=url, model=model)
    name, at, adapter = text.partition("@")
    size = name.removeprefix("pocket").removeprefix("-")
    known = name == "pocket" or (name == f"pocket-{size}" and size in folders.SIZES)
    if known and (adapter or not at):
        return Spec(text=text, kind="pocket", target=size, adapter=adapter or None)
    raise InputError(f"There is no backend {spec!r}; the forms are: {FORMS}.")


class Place(NamedTuple):
    """Where a local spec's weights lie. `shipped` is the folder of adapters that came with it."""

    base: Path
    adapter: Path | None
    shipped: Path | None


def locate(spec: str, settings: "Settings") -> Place:
    """The folders of a local spec. InputError in one sentence when the folder, weights or adapter
    are not there, or the adapter was trained on another base; and for a remote model."""
    parsed = parse_spec(spec)
    if parsed.kind == "openai":
        raise InputError(f"{parsed.text} is a remote model: its weights are not here.")
    shipped = None
    if parsed.kind == "hf":
        base, name = folders.model_folder(parsed.target), parsed.adapter or "none"
        if name != "none" and Path(name).expanduser().is_dir():
            return Place(base, trained.check_base(folders.adapter_folder(Path(name)), base), None)
    else:
        size = parsed.target or folders.pocket_default(settings.data)
        base = folders.check_model(settings.data / "pocket" / size)
        shipped = settings.data / "pocket" / "adapters" / size
        name = parsed.adapter or folders.DEFAULT_ADAPTER
    if name == "none":
        return Place(base, None, shipped)
    return Place(base, trained.find(settings, name, base, shipped=shipped), shipped)


def is_preference_model(spec: str, settings: "Settings") -> bool:
    """Whether a spec's adapter scores texts and writes none. InputError as `locate`."""
    if parse_spec(spec).kind == "openai":
        return False
    adapter = locate(spec, settings).adapter
    return adapter is not None and folders.scores_texts(adapter)


def adapters_of(place: Place, settings: "Settings") -> tuple[str, ...]:
    """What may stand after the @ of a spec on this base: shipped, named, then those of runs."""
    return tuple(one.name for one in trained.of_base(settings, place.base, shipped=place.shipped))


def open_backend(spec: str, settings: "Settings", *, nf4: bool = True) -> Backend:
    """The backend of a spec. Returns at once: weights load behind it, and verbs wait for them.

    `nf4` off keeps local weights in bf16, to compare the two.

    InputError in one sentence when the folder, weights or adapter are not there.
    """
    parsed = parse_spec(spec)
    if parsed.kind == "openai":
        from cai_app.backends.endpoint import EndpointBackend

        return EndpointBackend(parsed.text, parsed.target, parsed.model or "")
    from cai_app.backends.huggingface import HuggingFaceBackend

    place = locate(spec, settings)
    return HuggingFaceBackend(
        parsed.text,
        place.base,
        adapter=place.adapter,
        adapters=adapters_of(place, settings),
        dialogue=parsed.kind == "pocket",
        nf4=nf4,
    )


def pocket_specs(settings: "Settings") -> tuple[str, ...]:
    """Specs of the pocket models whose weights are here, the default one first."""
    here = [s for s in folders.SIZES if (settings.data / "pocket" / s / "config.json").is_file()]
    default = folders.pocket_default(settings.data)
    return (*(("pocket",) if default in here else ()), *(f"pocket-{size}" for size in here))


def adapter_hash(spec: str, settings: "Settings") -> str | None:
    """What an adapter's weights are, so that labels of another one under its name are told apart.

    None for a backend without an adapter, and for a remote one.
    """
    if parse_spec(spec).kind == "openai":
        return None
    adapter = locate(spec, settings).adapter
    return folders.adapter_hash(adapter) if adapter else None


def describe(spec: str, settings: "Settings") -> ModelInfo:
    """What can be said of a model without opening it (state `available`)."""
    parsed = parse_spec(spec)
    if parsed.kind == "openai":
        return ModelInfo(spec=parsed.text)
    place = locate(spec, settings)
    return ModelInfo(
        spec=parsed.text,
        parameters=folders.count_parameters(place.base),
        adapters=adapters_of(place, settings),
        adapter=trained.name_of(place.adapter) if place.adapter else None,
    )
