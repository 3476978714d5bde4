"""The command line: `python -m cai_app [--home DIR] COMMAND …`. Dispatch and exit codes only."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cai_app.commands import (
    audit,
    backup,
    bench,
    constitution,
    critique,
    evaluate,
    exchange,
    generate,
    judge,
    label,
    lineage,
    models,
    pocket,
    results,
    runs,
    spotcheck,
    sql,
    train,
)
from cai_app.commands.output import Routed, Usage, fault, one_line, printable
from cai_app.errors import CaiError, InputError
from cai_app.settings import Settings
from cai_app.workbench import Workbench, forward

# Each takes its own arguments and the settings, and returns an exit code.
Command = Callable[[list[str], Settings], int]
_HELP = frozenset({"-h", "--help"})
COMMANDS: dict[str, tuple[Command, str]] = {
    "critique": (critique.main, "draft, critique and revise an answer"),
    "judge": (judge.main, "ask which of two responses is better"),
    "evaluate": (evaluate.main, "answer questions with a right answer, such as HHH"),
    "generate": (generate.main, "write pairs or chains for a list of prompts"),
    "runs": (runs.main, "list, show, stop, kill, resume or delete runs"),
    "models": (models.main, "list the models that are here"),
    "constitution": (
        constitution.main,
        "list, check and compare constitutions, and measure them",
    ),
    "pocket": (pocket.main, "write the pocket corpus, train and evaluate the pocket model"),
    "bench": (bench.main, "measure the page and the model against plain transformers"),
}


# These need the store: they run in the app where there is one, else here.
StoreCommand = Callable[[list[str], Workbench], int]
STORE_COMMANDS: dict[str, tuple[StoreCommand, str]] = {
    "import": (exchange.main_import, "take the rows of a file into the store"),
    "export": (exchange.main_export, "write rows of the store to a file"),
    "label": (label.main, "judge comparisons under a constitution, by the thousand"),
    "train": (train.main, "train an adapter: sft, dpo, distill and others, as a run"),
    "audit": (audit.main, "hold AI labels against people's, with intervals"),
    "spotcheck": (
        spotcheck.main,
        "draw AI labels for people to check, invite raters, see how far they are",
    ),
    "sql": (sql.main, "ask the store: one SELECT"),
    "results": (results.main, "the whole method on pocket, and what the repository ships of it"),
    "backup": (backup.main, "copy the store to a new file"),
    "lineage": (lineage.main, "what something was made from, and what came of it"),
}


def main(argv: Sequence[str]) -> int:
    """Run one command. Exit codes: 0 done, 1 an error, 2 wrong usage, 130 Ctrl-C."""
    # Tokenizers, weights and adapters are read from disk only.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    printable()
    return _coded(lambda: _main(list(argv)))


def run_with(argv: Sequence[str], workbench: Workbench) -> int:
    """Run a command that needs the store with a workbench that has it; exit codes as in `main`."""

    def run() -> int:
        if not argv or argv[0] not in STORE_COMMANDS:
            raise Usage(f"{' '.join(argv[:1])} is no command for the app")
        if not _HELP & set(argv):
            workbench.ingest()
        return STORE_COMMANDS[argv[0]][0](list(argv[1:]), workbench)

    try:
        return _coded(run)
    except SystemExit as end:  # the parser's: wrong usage, or --help
        return end.code if isinstance(end.code, int) else 1


def _main(argv: list[str]) -> int:
    _check_text(argv)
    home, name, rest = _split(argv)
    if name is None:
        print(_help())
        return 0
    settings = Settings.from_environment(home)
    if name in COMMANDS:
        return COMMANDS[name][0](rest, settings)
    # Help needs no store, and so no app either.
    code = None if _HELP & set(rest) else forward.call(settings.home, [name, *rest])
    if code is not None:
        return code
    workbench = Workbench(settings)
    workbench.alone = True
    try:
        return run_with([name, *rest], workbench)
    finally:
        workbench.close()


def _coded(run: Callable[[], int]) -> int:
    """What it returns, or the exit code of what it raises, told on standard error."""
    try:
        return run()
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
        if not isinstance(sys.stdout, Routed):
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        print(f"error: {fault(error)}", file=sys.stderr)
        return 1


def _check_text(argv: list[str]) -> None:
    """Refuse words that are no text: they could be neither stored nor printed."""
    for word in argv:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise InputError(f"{ascii(word)} is not UTF-8 text; write it as UTF-8") from None


def _split(argv: list[str]) -> tuple[Path | None, str | None, list[str]]:
    """Home, command, and the command's own arguments; no command asks for help."""
    home: Path | None = None
    while argv and argv[0].startswith("-"):
        option = argv.pop(0)
        if option in _HELP:
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
    if argv[0] not in COMMANDS and argv[0] not in STORE_COMMANDS:
        raise Usage(f"unknown command {argv[0]}")
    return home, argv[0], argv[1:]


def _help() -> str:
    found = [(name, what) for name, (_, what) in (*COMMANDS.items(), *STORE_COMMANDS.items())]
    width = max(len(name) for name, _ in found)
    rows = [f"  {name:{width}}  {what}" for name, what in found]
    return "\n".join(
        [
            "usage: python -m cai_app [--home DIR] COMMAND …",
            "",
            *rows,
            "",
            "COMMAND --help lists its options; --json prints one JSON value and nothing else.",
        ]
    )
