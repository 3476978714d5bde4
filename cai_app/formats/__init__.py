"""Outside formats, one file each: read into records, and written from them."""

from pathlib import Path

from cai_app.errors import InputError
from cai_app.formats.base import Format, Kept, Labelled, ReadOptions, Row, Written
from cai_app.formats.cai_evals import CaiEvals
from cai_app.formats.cai_samples import CaiSamples
from cai_app.formats.csv import Csv
from cai_app.formats.dialogue import extra_turns
from cai_app.formats.guessing import guess
from cai_app.formats.hh_rlhf import HhRlhf
from cai_app.formats.icai import Icai
from cai_app.formats.jsonl import Jsonl
from cai_app.formats.parquet import Parquet
from cai_app.formats.raters import named_rater
from cai_app.formats.trl import Trl
from cai_app.formats.xstest import XsTest

__all__ = [
    "FORMATS",
    "Format",
    "Kept",
    "Labelled",
    "ReadOptions",
    "Row",
    "Written",
    "columns",
    "extra_turns",
    "find",
    "guess",
    "named_rater",
]

FORMATS: dict[str, Format] = {
    "hh-rlhf": HhRlhf(),
    "cai-evals": CaiEvals(),
    "cai-samples": CaiSamples(),
    "trl": Trl(),
    "xstest": XsTest(),
    "icai": Icai(),
    "csv": Csv(),
    "jsonl": Jsonl(),
    "parquet": Parquet(),
}


def find(name: str) -> Format:
    """A format by its name; InputError lists them."""
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def columns(name: str, path: Path) -> tuple[str, ...]:
    """The columns of a table, to be mapped to ours; none for formats whose fields are fixed."""
    form = FORMATS.get(name)
    return form.columns(path) if isinstance(form, Csv | Jsonl | Parquet) else ()
