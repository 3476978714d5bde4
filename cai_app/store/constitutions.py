"""The index of constitutions: every version that was seen, by its hash. The files count."""

import json
from collections.abc import Sequence
from typing import Any

from cai_app.constitution import Constitution
from cai_app.store.table import Table


class Constitutions(Table[Constitution]):
    """The table `constitutions`; the id is the hash."""

    name = "constitutions"
    columns = ("id", "name", "title", "hazard", "constitution")

    def values(self, record: Constitution) -> tuple[Any, ...]:
        return (record.hash, record.name, record.title, record.hazard, record.model_dump_json())

    def record(self, values: Sequence[Any]) -> Constitution:
        # Through JSON, so that lists become tuples again.
        return Constitution.model_validate(json.loads(values[-1]))
