"""Writing text: one live stream, or many prompts in batches. Work for the decode loop."""

from collections.abc import Generator, Sequence
from typing import Protocol

import torch

from cai_app.backends.adapters import Each, Key
from cai_app.backends.cache import Buffers, Node
from cai_app.backends.engine import Engine
from cai_app.backends.sampling import Row, draw_tokens
from cai_app.records import Completion, Prompt, Sampling


class Listener(Protocol):
    """Who follows a live stream, from another thread."""

    completion: Completion | None

    def emit(self, piece: str) -> None: ...


def stream(
    engine: Engine, key: Key, prompt: Prompt, sampling: Sampling, listener: Listener
) -> Generator[None, None, None]:
    """Write one completion, handing out each piece; pauses after every token."""
    chunks = engine.codec.encode(prompt)
    length = sum(map(len, chunks))
    engine.check_length(length)
    room = engine.window - length
    row = Row(engine.codec, chunks[-1], sampling, room=room, eos=engine.eos)
    try:
        cache = Buffers(engine.layers, length + min(sampling.max_tokens, room))
        path = yield from engine.prefix(key, chunks, cache)
        logits = path[-1].logits[None]
        while True:
            token = draw_tokens(logits, [row])[0]
            listener.emit(row.push(token))
            if row.finish:
                break
            yield
            logits = engine.step(key, token, length, cache)
            length += 1
    finally:  # also when cancelled: what is there is kept
        listener.emit(row.end("cancelled"))
        listener.completion = row.completion()


def generate(
    engine: Engine, key: Key, prompts: Sequence[Prompt], sampling: Sequence[Sampling]
) -> Generator[None, None, list[Completion]]:
    """Write one completion a prompt, batched behind shared prefixes, in length order."""
    rows = yield from write(engine, key, prompts, sampling)
    return [row.completion() for row in rows]


def write(
    engine: Engine, key: Key, prompts: Sequence[Prompt], sampling: Sequence[Sampling]
) -> Generator[None, None, list[Row]]:
    """`generate`, with each row's tokens beside its text, for training on them."""
    encoded = [engine.codec.encode(prompt) for prompt in prompts]
    lengths = [sum(map(len, chunks)) for chunks in encoded]
    for length in lengths:
        engine.check_length(length)
    rows = [
        Row(engine.codec, chunks[-1], one, room=engine.window - length, eos=engine.eos)
        for chunks, one, length in zip(encoded, sampling, lengths, strict=True)
    ]
    for group in engine.groups(encoded):
        path = yield from engine.prefix(key, group.path)
        extra = max(sampling[index].max_tokens for index in group.members)
        for batch in engine.batches(group, extra):
            members = [rows[group.members[n]] for n in batch]
            rests = [group.rests[n] for n in batch]
            yield from run_batch(engine, key, path, rests, members)
    return rows


def run_batch(
    engine: Engine,
    key: Key | Each,
    path: Sequence[Node],
    rests: Sequence[tuple[int, ...]],
    rows: list[Row],
) -> Generator[None, None, None]:
    """Decode one batch; rows that ended leave it."""
    shared, cache, ids, positions, key_positions = engine.lay_out(path, rests, extra=32)
    while True:
        mask = engine.mask(positions, key_positions)
        where = positions.masked_fill(positions >= engine.window, 0)  # padding: any place will do
        logits = engine.forward(key, ids, cache, positions=where, mask=mask, shared=shared)[:, -1]
        tokens = draw_tokens(logits, rows)
        for row, token in zip(rows, tokens, strict=True):
            if row.finish is None:
                row.push(token)
        going = [n for n, row in enumerate(rows) if row.finish is None]
        if not going:
            return
        yield
        positions = positions[:, -1:] + 1
        # Compacting copies the cache, so ended rows stay until a quarter of the batch has ended.
        if len(going) <= 0.75 * len(rows):
            keep = torch.tensor(going, device=engine.device)
            cache.keep_rows(keep)
            positions, key_positions = positions[keep], key_positions[keep]
            rows, tokens = [rows[n] for n in going], [tokens[n] for n in going]
            key = key.rows(going) if isinstance(key, Each) else key
        # An ended row runs on until then; it must not run out of the window.
        positions = positions.clamp(max=engine.window - 1)
        key_positions = torch.cat([key_positions, positions], dim=1)
        ids = engine.tensor([[token] for token in tokens])
