"""The base of all records: frozen, typed, strict about unknown fields."""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cai_app.errors import InputError


class Record(BaseModel):
    """Base of all records: frozen, and unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Options(Record):
    """Base of configs that people fill in; a value out of range is an InputError."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0] if first["loc"] else "options").replace("_", "-")
            problem = (
                first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
            )
            raise InputError(f"{field} is {first['input']!r}, but {problem}") from error
