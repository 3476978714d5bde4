"""The preambles in data/preambles (GLA 2): example dialogues put before the one that goes on."""

from pydantic import Field, ValidationError

from cai_app import strict_yaml
from cai_app.errors import InputError
from cai_app.prompts.templates import render
from cai_app.records import Record
from cai_app.settings import Settings


class _Exchange(Record):
    human: str = Field(min_length=1)
    assistant: str = Field(min_length=1)


class _Preamble(Record):
    name: str
    title: str
    header: str
    separator: str = ""  # of older files; what separates is templates/preamble_separator.txt
    dialogues: list[list[_Exchange]]


def preamble(name: str, settings: Settings) -> str:
    """The text of a preamble, up to the last assistant turn; `draft` adds the separator.

    Raises InputError for an unknown name (listing the known) and for a broken file.
    """
    folder = settings.data / "preambles"
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        raise InputError(f"unknown preamble '{name}'; known: {', '.join(known) or 'none'}")
    source = f"{name}.yaml"
    try:
        document = strict_yaml.read(strict_yaml.read_text(folder / source, what="preamble"))
        found = _Preamble.model_validate(document.data)
    except strict_yaml.YamlError as error:
        raise InputError(f"preamble {source}, line {error.line}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        line = document.line(first["loc"])
        raise InputError(f"preamble {source}, line {line}: {first['msg'].lower()}") from error
    text = found.header.strip()
    for dialogue in found.dialogues:
        text += render("preamble_separator")
        for exchange in dialogue:
            text += render("human_turn", text=exchange.human.strip())
            text += render("assistant_turn", text=exchange.assistant.strip())
    return text
