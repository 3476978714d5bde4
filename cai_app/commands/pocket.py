"""`pocket corpus|train|evaluate`: handed to the recipe, which is imported only then."""

from cai_app.settings import Settings


def main(argv: list[str], settings: Settings) -> int:
    """Run `cai_app.pocket.cli` with these arguments; only training folders lie in the home."""
    from cai_app.pocket import cli

    return int(cli.main(argv, settings))
