"""Scoring given texts: choices, continuations token by token, and preference scores."""

from collections.abc import Generator, Sequence

import torch

from cai_app.backends.adapters import Key
from cai_app.backends.cache import Chunk, Node
from cai_app.backends.engine import Engine, Group
from cai_app.backends.text import TextPieces
from cai_app.errors import InputError
from cai_app.records import Prompt, TokenScore

Choices = tuple[Chunk, ...]


def choice_logprobs(
    engine: Engine, key: Key, prompts: Sequence[Prompt], choices: Sequence[str]
) -> Generator[None, None, list[tuple[float, ...]]]:
    """Log-probability (nats) of each whole choice after each prompt, in one pass a batch.

    The shared prefix is computed once, each prompt's rest once; the choices follow it as branches
    that do not see each other, so a prompt costs its own tokens plus a few.
    """
    encoded = [engine.codec.encode(prompt) for prompt in prompts]
    tails = [tuple(engine.codec.continuation(p, choice) for choice in choices) for p in prompts]
    for chunks, options in zip(encoded, tails, strict=True):
        engine.check_length(sum(map(len, chunks)) + max(map(len, options)) - 1)
    results: list[tuple[float, ...]] = [()] * len(prompts)
    for options in dict.fromkeys(tails):
        same = [n for n, other in enumerate(tails) if other == options]
        for group in engine.groups([encoded[n] for n in same]):
            path = yield from engine.prefix(key, group.path)
            for batch in engine.batches(
                group, sum(map(len, options)), most_tokens=engine.read_tokens
            ):
                scores = _choice_batch(engine, key, path, [group.rests[n] for n in batch], options)
                for n, row in zip(batch, scores.tolist(), strict=True):
                    results[same[group.members[n]]] = tuple(row)
                yield
    return results


def _choice_batch(
    engine: Engine, key: Key, path: Sequence[Node], rests: Sequence[Chunk], options: Choices
) -> torch.Tensor:
    """Log-probabilities [rows, choices] for one batch."""
    tails = [option[:-1] for option in options]  # a choice's last token is only ever predicted
    extra = sum(map(len, tails))
    shared, cache, ids, positions, key_positions = engine.lay_out(path, rests, extra)
    rows, trunk, before = len(rests), ids.shape[1], key_positions.shape[1] - ids.shape[1]
    branch = [0] * trunk
    starts: list[int] = []
    for number, tail in enumerate(tails, 1):
        starts.append(len(branch))
        branch += [number] * len(tail)
    if extra:
        flat = engine.tensor([[token for tail in tails for token in tail]]).expand(rows, extra)
        steps = engine.tensor([[n for tail in tails for n in range(1, len(tail) + 1)]])
        after = positions[:, -1:] + steps
        ids = torch.cat([ids, flat], dim=1)
        positions = torch.cat([positions, after], dim=1)
        key_positions = torch.cat([key_positions, after], dim=1)
    own = engine.tensor([branch])[0]
    theirs = torch.cat([own.new_zeros(before), own])
    mask = engine.mask(positions, key_positions, branches=(own, theirs))
    where = positions.masked_fill(positions >= engine.window, 0)
    logits = engine.forward(
        key, ids, cache, positions=where, mask=mask, keep=extra + 1, shared=shared
    )
    logprobs = torch.log_softmax(logits, dim=-1)  # [rows, 1 + extra, vocabulary]
    sums = []
    for start, option in zip(starts, options, strict=True):
        at = [0, *(start - trunk + 1 + n for n in range(len(option) - 1))]
        sums.append(sum(logprobs[:, a, token] for a, token in zip(at, option, strict=True)))
    return torch.stack([torch.as_tensor(one) for one in sums], dim=1)


def token_logprobs(
    engine: Engine,
    key: Key,
    prompts: Sequence[Prompt],
    continuations: Sequence[str],
    top_k: int,
) -> Generator[None, None, list[list[TokenScore]]]:
    """Log-probability of every token of continuation i after prompt i, and the top k instead."""
    encoded = [engine.codec.encode(prompt) for prompt in prompts]
    tails = [engine.codec.continuation(p, c) for p, c in zip(prompts, continuations, strict=True)]
    whole = [(*chunks, tail[:-1]) for chunks, tail in zip(encoded, tails, strict=True)]
    for chunks in whole:
        engine.check_length(sum(map(len, chunks)))
    results: list[list[TokenScore]] = [[] for _ in prompts]
    # The prompt's last chunk stays with its tail: the logits after it are needed too.
    parts = [(*chunks[:-2], chunks[-2] + chunks[-1]) for chunks in whole]
    for group in engine.groups(parts):
        path = yield from engine.prefix(key, group.path)
        for batch in engine.batches(group, 0, most_tokens=engine.read_tokens):
            wanted = [tails[group.members[n]] for n in batch]
            rests = [group.rests[n] for n in batch]
            scores = _token_batch(engine, key, path, rests, wanted, top_k)
            for n, row in zip(batch, scores, strict=True):
                results[group.members[n]] = row
            yield
    return results


def _token_batch(
    engine: Engine,
    key: Key,
    path: Sequence[Node],
    rests: Sequence[Chunk],
    tails: Sequence[Chunk],
    top_k: int,
) -> list[list[TokenScore]]:
    shared, cache, ids, positions, key_positions = engine.lay_out(path, rests, 0)
    mask = engine.mask(positions, key_positions)
    where = positions.masked_fill(positions >= engine.window, 0)
    keep = max(map(len, tails))
    logits = engine.forward(
        key, ids, cache, positions=where, mask=mask, keep=max(1, keep), shared=shared
    )
    results = []
    for row, tail in enumerate(tails):
        scores = torch.log_softmax(logits[row, logits.shape[1] - len(tail) :], dim=-1)
        before = rests[row][: len(rests[row]) - len(tail) + 1]
        results.append(_named(engine, before, tail, scores, top_k))
    return results


def _named(
    engine: Engine, before: Chunk, tail: Chunk, scores: torch.Tensor, top_k: int
) -> list[TokenScore]:
    """Token scores with their text; the pieces of text join to the continuation."""
    if not tail:
        return []
    codec = engine.codec
    chosen = scores.gather(1, engine.tensor([tail]).T)[:, 0].tolist()
    best = scores.topk(min(top_k, scores.shape[1]), dim=-1) if top_k else None
    pieces = TextPieces(codec, before, ())
    texts = [pieces.push(token) for token in tail]
    texts[-1] += pieces.flush()
    named = []
    for n, (text, logprob) in enumerate(zip(texts, chosen, strict=True)):
        top: tuple[tuple[str, float], ...] = ()
        if best is not None:
            values, tokens = best.values[n].tolist(), best.indices[n].tolist()
            top = tuple((codec.decode([t]), v) for t, v in zip(tokens, values, strict=True))
        named.append(TokenScore(token=text, logprob=logprob, top=top))
    return named


def score(engine: Engine, key: Key, texts: Sequence[str]) -> Generator[None, None, list[float]]:
    """Preference score of each whole text, read at its end token as the trainer did."""
    head = engine.adapters.head(key)
    end = engine.codec.tokenizer.eos_token_id
    rows = []
    for text in texts:
        if not text.strip():
            raise InputError("A text to score is empty; give the whole dialogue.")
        ids, _ = engine.codec.tokens(text)
        rows.append(tuple(ids) + ((end,) if end is not None else ()))
        engine.check_length(len(rows[-1]) - 1)
    results = [0.0] * len(texts)
    decoder = engine.model.get_decoder()
    everything = Group((), list(range(len(rows))), rows)
    for batch in engine.batches(everything, 0, most_tokens=engine.read_tokens):
        longest = max(len(rows[n]) for n in batch)
        # Padded on the right: causal attention never looks there, so no mask is needed.
        ids = engine.tensor([[*rows[n], *[0] * (longest - len(rows[n]))] for n in batch])
        engine.adapters.use(key)
        hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
        at = engine.tensor([[len(rows[n]) - 1 for n in batch]])[0]
        last = hidden[torch.arange(len(batch), device=engine.device), at].float()
        for n, value in zip(batch, (last @ head.T)[:, 0].tolist(), strict=True):
            results[n] = value
        yield
    return results
