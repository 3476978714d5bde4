"""The few-shots in data/fewshots, read and checked; `prompts.few_shots` renders them."""

from typing import Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from cai_app import strict_yaml
from cai_app.errors import InputError
from cai_app.prompts.templates import few_shot_text
from cai_app.records import Record, Side
from cai_app.settings import Settings

T = TypeVar("T")
Kind = Literal["critique", "direct", "judge", "judge_cot"]
# A direct revision shows the chains of a critique without their critiques.
_FILES: dict[Kind, str] = {
    "critique": "critique.yaml",
    "direct": "critique.yaml",
    "judge": "judge.yaml",
    "judge_cot": "judge_cot.yaml",
}


class ChainShot(Record):
    """One whole critique-revision chain."""

    prompt: str = Field(min_length=1)
    response: str = Field(min_length=1)
    critique_request: str = Field(min_length=1)
    critique: str = Field(min_length=1)
    revision_request: str = Field(min_length=1)
    revision: str = Field(min_length=1)


class JudgeShot(Record):
    """One judged comparison under its own question, with a rationale for chain of thought."""

    prompt: str = Field(min_length=1)
    a: str = Field(min_length=1)
    b: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answer: Side
    rationale: str | None = None


class _SidedShot(Record):
    """A comparison as judge.yaml stores it: which response is better, and where it stands."""

    prompt: str = Field(min_length=1)
    better: str = Field(min_length=1)
    worse: str = Field(min_length=1)
    question: str = Field(min_length=1)
    better_side: Side

    def sided(self) -> JudgeShot:
        a, b = self.better, self.worse
        if self.better_side == "b":
            a, b = b, a
        return JudgeShot(
            prompt=self.prompt, a=a, b=b, question=self.question, answer=self.better_side
        )


def read(kind: Kind, n: int, settings: Settings) -> list[ChainShot] | list[JudgeShot]:
    """The first n few-shots of a kind.

    Raises InputError for an n out of range, and for a broken file with its line.
    """
    if kind not in _FILES:
        raise InputError(f"unknown few-shots '{kind}'; known: {', '.join(_FILES)}")
    if n == 0:
        return []
    path = settings.data / "fewshots" / _FILES[kind]
    text = few_shot_text(path)
    shots: list[ChainShot] | list[JudgeShot]
    if kind == "judge":
        shots = [shot.sided() for shot in _parse(text, path.name, TypeAdapter(list[_SidedShot]))]
    elif kind == "judge_cot":
        shots = _parse(text, path.name, TypeAdapter(list[JudgeShot]))
    else:
        shots = _parse(text, path.name, TypeAdapter(list[ChainShot]))
    if not 0 <= n <= len(shots):
        raise InputError(f"few-shot {n} is out of range; {path.name} has 0 to {len(shots)}")
    return shots[:n]


def _parse(text: str, source: str, kind: TypeAdapter[list[T]]) -> list[T]:
    try:
        document = strict_yaml.read(text)
        return kind.validate_python(document.data)
    except strict_yaml.YamlError as error:
        raise InputError(f"few-shots {source}, line {error.line}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = f"few-shots {source}, line {document.line(first['loc'])}"
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{where}: {field}: {first['msg'].lower()}") from error
