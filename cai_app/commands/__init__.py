"""The command line: `python -m cai_app [--home DIR] COMMAND …`. Dispatch and exit codes only."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cai_app.commands import bench, constitution, critique, generate, judge, models, pocket, runs
from cai_app.commands.output import Usage, one_line
from cai_app.errors import CaiError
from cai_app.settings import Settings

# Each takes its own arguments and the settings, and returns an exit code.
Command = Callable[[list[str], Settings], int]
COMMANDS: dict[str, tuple[Command, str]] = {
    "critique": (critique.main, "draft, critique and revise an answer"),
    "judge": (judge.main, "ask which of two responses is better"),
    "generate": (generate.main, "write pairs or chains for a list of prompts"),
    "runs": (runs.main, "list, show, stop, kill, resume or delete runs"),
    "models": (models.main, "list the models that are here"),
    "constitution": (constitution.main, "list, show or validate constitutions"),
    "pocket": (pocket.main, "write the pocket corpus, train and evaluate the pocket model"),
    "bench": (bench.main, "measure the page and the model against plain transformers"),
}


def main(argv: Sequence[str]) -> int:
    """Run one command. Exit codes: 0 done, 1 a `CaiError`, 2 wrong usage, 130 Ctrl-C."""
    # Tokenizers, weights and adapters are read from disk only.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        home, name, rest = _split(list(argv))
        if name is None:
            print(_help())
            return 0
        return COMMANDS[name][0](rest, Settings.from_environment(home))
    except Usage as error:
        print(f"{error}\n\n{_help()}", file=sys.stderr)
        return 2
    except CaiError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader has left (`… | head`): nothing more to say, nor at the last flush.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _split(argv: list[str]) -> tuple[Path | None, str | None, list[str]]:
    """Home, command, and the command's own arguments; no command asks for help."""
    home: Path | None = None
    while argv and argv[0].startswith("-"):
        option = argv.pop(0)
        if option in ("-h", "--help"):
            return home, None, []
        if option == "--home" and argv:
            home = Path(argv.pop(0))
        elif option.startswith("--home="):
            home = Path(option.removeprefix("--home="))
        elif option == "--home":
            raise Usage("--home needs a folder")
        else:
            raise Usage(f"unknown option {option}")
    if not argv:
        raise Usage("name a command")
    if argv[0] not in COMMANDS:
        raise Usage(f"unknown command {argv[0]}")
    return home, argv[0], argv[1:]


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m cai_app [--home DIR] COMMAND …",
            "",
            *rows,
            "",
            "COMMAND --help lists its options; --json prints one JSON value and nothing else.",
        ]
    )
