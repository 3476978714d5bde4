"""Models behind five verbs (base.py): a spec string opens one, and is stored with every row.

Importing this package imports no torch; a Hugging Face model loads on its own thread.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cai_app.backends import folders
from cai_app.backends.base import Backend, Stream
from cai_app.errors import InputError
from cai_app.records import ModelInfo, Record

if TYPE_CHECKING:
    from cai_app.settings import Settings

__all__ = ["Backend", "Spec", "Stream", "describe", "open_backend", "parse_spec", "pocket_specs"]

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


def open_backend(spec: str, settings: "Settings") -> Backend:
    """The backend of a spec. Returns at once: weights load behind it, and verbs wait for them.

    InputError in one sentence when the folder, weights or adapter are not there.
    """
    parsed = parse_spec(spec)
    if parsed.kind == "openai":
        from cai_app.backends.endpoint import EndpointBackend

        return EndpointBackend(parsed.text, parsed.target, parsed.model or "")
    from cai_app.backends.huggingface import CACHE_BYTES, HuggingFaceBackend

    budget = getattr(settings, "cache_bytes", CACHE_BYTES)
    if parsed.kind == "hf":
        folder = folders.model_folder(parsed.target)
        adapter = folders.adapter_folder(Path(parsed.adapter)) if parsed.adapter else None
        return HuggingFaceBackend(parsed.text, folder, adapter=adapter, cache_bytes=budget)
    data = settings.data
    size = parsed.target or folders.pocket_default(data)
    folder = folders.check_model(data / "pocket" / size)
    name = parsed.adapter or folders.DEFAULT_ADAPTER
    return HuggingFaceBackend(
        parsed.text,
        folder,
        adapter=None if name == "none" else folders.pocket_adapter(data, size, name),
        adapters=folders.pocket_adapters(data, size),
        dialogue=True,
        cache_bytes=budget,
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
    parsed = parse_spec(spec)
    if parsed.kind == "openai" or (parsed.kind == "hf" and not parsed.adapter):
        return None
    if parsed.kind == "hf":
        return folders.adapter_hash(folders.adapter_folder(Path(parsed.adapter or "")))
    name = parsed.adapter or folders.DEFAULT_ADAPTER
    size = parsed.target or folders.pocket_default(settings.data)
    if name == "none":
        return None
    return folders.adapter_hash(folders.pocket_adapter(settings.data, size, name))


def describe(spec: str, settings: "Settings") -> ModelInfo:
    """What can be said of a model without opening it (state `available`)."""
    parsed = parse_spec(spec)
    if parsed.kind == "openai":
        return ModelInfo(spec=parsed.text)
    if parsed.kind == "hf":
        folder = folders.model_folder(parsed.target)
        return ModelInfo(
            spec=parsed.text,
            parameters=folders.count_parameters(folder),
            adapter=Path(parsed.adapter).name if parsed.adapter else None,
        )
    size = parsed.target or folders.pocket_default(settings.data)
    folder = folders.check_model(settings.data / "pocket" / size)
    name = parsed.adapter or folders.DEFAULT_ADAPTER
    return ModelInfo(
        spec=parsed.text,
        parameters=folders.count_parameters(folder),
        adapters=folders.pocket_adapters(settings.data, size),
        adapter=None if name == "none" else name,
    )
