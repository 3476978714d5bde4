"""One batch in which every row has its own adapter, or none: how checkpoints are compared."""

from collections.abc import Generator, Sequence

from cai_app.backends.adapters import Each, Key
from cai_app.backends.decode import run_batch
from cai_app.backends.engine import Engine, Group
from cai_app.backends.sampling import Row
from cai_app.records import Completion, Prompt, Sampling


def generate(
    engine: Engine, keys: Sequence[Key], prompts: Sequence[Prompt], sampling: Sequence[Sampling]
) -> Generator[None, None, list[Completion]]:
    """One completion a prompt, row i under adapter keys[i]. Nothing is shared between rows, as keys
    and values of one adapter are of no use to another."""
    encoded = [engine.codec.encode(prompt) for prompt in prompts]
    lengths = [sum(map(len, chunks)) for chunks in encoded]
    for length in lengths:
        engine.check_length(length)
    rows = [
        Row(engine.codec, chunks[-1], one, room=engine.window - length, eos=engine.eos)
        for chunks, one, length in zip(encoded, sampling, lengths, strict=True)
    ]
    group = Group((), list(range(len(rows))), [sum(chunks, ()) for chunks in encoded])
    for batch in engine.batches(group, max(one.max_tokens for one in sampling)):
        each = Each(tuple(keys[n] for n in batch))
        yield from run_batch(
            engine, each, (), [group.rests[n] for n in batch], [rows[n] for n in batch]
        )
    return [row.completion() for row in rows]
