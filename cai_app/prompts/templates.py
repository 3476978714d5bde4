"""The templates in data/templates: loaded, their placeholders checked, and hashed.

They and the few-shots are read again where `template_hash` finds them changed, and nowhere else:
what is rendered is what the hash that was asked last stands for, also in a run during which
somebody edits them.
"""

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from string import Template

from cai_app import strict_yaml
from cai_app.errors import InputError
from cai_app.settings import ROOT

PLACEHOLDERS: dict[str, frozenset[str]] = {
    "human_turn": frozenset({"text"}),
    "assistant_turn": frozenset({"text"}),
    "draft": frozenset({"prompt"}),
    "preamble_separator": frozenset(),
    "critique_request": frozenset({"request"}),
    "revision_request": frozenset({"request"}),
    "judge": frozenset({"dialogue", "question", "a", "b"}),
    "judge_cot": frozenset({"dialogue", "question", "a", "b"}),
    "judge_cot_answer": frozenset(),
    "judge_cot_human_turn": frozenset({"text"}),
    "judge_cot_assistant_turn": frozenset({"text"}),
}


def load_templates(folder: Path) -> dict[str, Template]:
    """All templates of a folder, placeholders checked.

    Raises InputError naming file, placeholder and the known ones.
    """
    return {name: _load(folder / f"{name}.txt", known) for name, known in PLACEHOLDERS.items()}


def _load(path: Path, known: frozenset[str]) -> Template:
    try:
        # An editor may add a last newline; no prompt may end in one.
        template = Template(path.read_text(encoding="utf-8").rstrip("\n"))
    except OSError as error:
        raise InputError(f"template {path} cannot be read: {error.strerror}") from error
    listed = ", ".join(f"${name}" for name in sorted(known)) or "none"
    if not template.is_valid():
        raise InputError(f"template {path.name}: a stray $; write $$ for a dollar sign")
    used = set(template.get_identifiers())
    for name in sorted(used - known):
        raise InputError(f"template {path.name}: unknown placeholder ${name}; known: {listed}")
    for name in sorted(known - used):
        raise InputError(f"template {path.name}: placeholder ${name} is missing; known: {listed}")
    return template


@cache
def all_templates() -> dict[str, Template]:
    """The shipped templates, as they were when the hash was asked last."""
    return load_templates(ROOT / "data" / "templates")


@cache
def few_shot_text(path: Path) -> str:
    """A file of few-shots, as it was when the hash was asked last. InputError as `read_text`."""
    return strict_yaml.read_text(path, what="few-shots")


def render(name: str, **values: str) -> str:
    """A shipped template, filled."""
    return all_templates()[name].substitute(values)


def template_hash() -> str:
    """16 hex digits over all templates and few-shots, stored with every row they made."""
    stamps = []
    for folder in ("templates", "fewshots"):
        for path in sorted((ROOT / "data" / folder).glob("*.*")):
            stat = path.stat()
            stamps.append((path, stat.st_mtime_ns, stat.st_size))
    return _hash(tuple(stamps))


@lru_cache(maxsize=1)
def _hash(stamps: tuple[tuple[Path, int, int], ...]) -> str:
    all_templates.cache_clear()
    few_shot_text.cache_clear()
    digest = hashlib.sha256()
    for path, _, _ in stamps:
        if path.parent.name == "fewshots":
            few_shot_text(path)  # kept now: what is edited from here on waits for the next hash
        digest.update(f"{path.parent.name}/{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
