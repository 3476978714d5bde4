"""How long bulk work takes, by the commands that a person would type: importing, labelling."""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cai_app.errors import BackendError
from cai_app.settings import Settings

IMPORTED, LABELLED = 100_000, 1_000
_MARK = "\n\nHuman: {}\n\nAssistant: {}"


def import_row() -> str:
    """The name of the row about importing."""
    return f"{IMPORTED:,} pairs imported"


def label_row() -> str:
    """The name of the row about labelling."""
    return f"{LABELLED:,} pairs labelled, both orders"


def measure_import(settings: Settings) -> float:
    """Seconds to import 100,000 pairs in HH-RLHF's form into an empty home, start and end
    included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for prompt, a, b in _pairs(settings, IMPORTED):
                row = {"chosen": _MARK.format(prompt, a), "rejected": _MARK.format(prompt, b)}
                file.write(json.dumps(row) + "\n")
        begun = time.perf_counter()
        found = _run(settings, folder, "import", "hh-rlhf", str(path))
        seconds = time.perf_counter() - begun
        if found["added"] != IMPORTED:
            raise BackendError(f"{found['added']} of {IMPORTED} pairs were imported: {found}")
        return seconds


def measure_label(settings: Settings, backend: str) -> float:
    """Seconds that a run takes to label 1,000 pairs in both orders, loading the model included."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.jsonl"
        rows = ({"prompt": prompt, "a": a, "b": b} for prompt, a, b in _pairs(settings, LABELLED))
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        found = _run(settings, folder, "label", "--pairs", str(path), "--backend", backend)
        if found["metrics"]["labels"] != LABELLED:
            raise BackendError(f"the run did not label all {LABELLED} pairs: {found['error']}")
        return float(found["ended"] - found["started"])


def _pairs(settings: Settings, count: int) -> "itertools.islice[tuple[str, str, str]]":
    """So many different comparisons of pocket's world: its example pairs, and numbers."""
    lines = (settings.data / "prompts" / "pairs.jsonl").read_text("utf-8").splitlines()
    known = [json.loads(line) for line in lines]
    endless = (
        (f"{one['prompt']} I have {round} days.", one["a"], one["b"])
        for round in itertools.count()
        for one in known
    )
    return itertools.islice(endless, count)


def _run(settings: Settings, home: str, *argv: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "cai_app", "--home", f"{home}/home", *argv, "--json"]
    ran = subprocess.run(command, cwd=settings.root, capture_output=True, text=True)
    if ran.returncode:
        raise BackendError(f"{' '.join(argv[:2])} failed: {ran.stderr.strip()[-300:]}")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found
