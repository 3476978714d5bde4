"""Constitutions: named principles for both stages (CAI 3.1, 4.1), parsed, checked, hashed, kept.

A constitution is a YAML file. Its hash covers what the file says, not how it is laid out, and goes
with every row made under it.
"""

from cai_app.constitution.history import ConflictError, Edit, Version, Versions
from cai_app.constitution.library import (
    every_version,
    is_shipped,
    list_all,
    load,
    save,
    shipped_names,
    versions,
)
from cai_app.constitution.model import (
    HASH_LENGTH,
    ID,
    STAGES,
    TEXTS,
    Constitution,
    Principle,
    Stage,
    draw,
    drawable,
    pick,
)
from cai_app.constitution.parsing import ConstitutionError, Place, from_data, parse, problems
from cai_app.constitution.writing import to_yaml

__all__ = [
    "HASH_LENGTH",
    "ID",
    "STAGES",
    "TEXTS",
    "ConflictError",
    "Constitution",
    "ConstitutionError",
    "Edit",
    "Place",
    "Principle",
    "Stage",
    "Version",
    "Versions",
    "draw",
    "every_version",
    "drawable",
    "from_data",
    "is_shipped",
    "list_all",
    "load",
    "parse",
    "pick",
    "problems",
    "save",
    "shipped_names",
    "to_yaml",
    "versions",
]
