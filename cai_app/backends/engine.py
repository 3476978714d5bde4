"""A loaded model as the decode loop uses it: forward passes, prefixes, and batches behind them."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from typing import Any, NamedTuple

import torch

from cai_app.backends.adapters import Adapters, Each, Key
from cai_app.backends.attention import SharedPrefix
from cai_app.backends.cache import Buffers, Chunk, KeyValues, Node, PrefixTree, join
from cai_app.backends.lean import LeanLlama
from cai_app.backends.text import Codec
from cai_app.backends.weights import Weights
from cai_app.errors import InputError

PAD = 2**30  # position of padding: after everything, so that no real token looks at it


class Group(NamedTuple):
    """Prompts of one call that share `path`; `rests` are their tokens behind it."""

    path: tuple[Chunk, ...]
    members: list[int]
    rests: list[Chunk]


class Batch(NamedTuple):
    """Rows behind a shared prefix, padded on the left so that all end together.

    Shapes: ids and positions [rows, tokens]; key_positions [rows, keys in the cache + tokens].
    `shared` holds the prefix once for all rows; where the model cannot attend to it so, it is None
    and the prefix is in each row's cache.
    """

    shared: KeyValues | None
    cache: Buffers
    ids: torch.Tensor
    positions: torch.Tensor
    key_positions: torch.Tensor


class Engine:
    """Model, tokenizer, adapters and prefix tree. Used on the model's own thread only."""

    def __init__(self, weights: Weights, *, chat: bool, cache_bytes: int) -> None:
        self.model = weights.model
        self.device = weights.device
        config = weights.model.config.get_text_config()
        self.codec = Codec(weights.tokenizer, chat=chat)
        self.window: int = getattr(config, "max_position_embeddings", None) or 2**20
        self.layers: int = config.num_hidden_layers
        kinds = getattr(config, "layer_types", None) or []
        sliding = getattr(config, "sliding_window", None)
        self.sliding: int | None = sliding if "sliding_attention" in kinds or not kinds else None
        self.mixed = len(set(kinds)) > 1
        self.eos = _end_tokens(weights)
        self.adapters = Adapters(weights.model, weights.device)
        self.attention = SharedPrefix(weights.model)
        self.lean = LeanLlama.of(weights.model, self.adapters)
        self.tree = PrefixTree(cache_bytes)
        on_gpu = self.device.type == "cuda"
        self.slice_tokens = 8192 if on_gpu else 2048  # of one forward pass: bounds a live stall
        # Where rows are only read: a batch that fits a CPU's cache is read faster.
        self.read_tokens = 8192 if on_gpu else 1024
        self.most_rows = 128 if on_gpu else 32
        self.batch_bytes = 8 * 2**30 if on_gpu else 2**29  # of keys and values in a batch
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = (
            getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        )
        self.token_bytes = 2 * self.layers * heads * width * self.model.dtype.itemsize

    def forward(
        self,
        key: Key | Each,
        ids: torch.Tensor,
        cache: Buffers,
        *,
        positions: torch.Tensor | None = None,
        mask: Any = None,
        keep: int = 1,
        shared: KeyValues | None = None,
    ) -> torch.Tensor:
        """Append ids [rows, tokens] to the cache; float32 logits of the last `keep` tokens."""
        self.adapters.use(key)
        self.attention.prefix = shared
        try:
            logits: torch.Tensor = self.model(
                input_ids=ids,
                past_key_values=cache,
                position_ids=positions,
                attention_mask=mask,
                use_cache=True,
                logits_to_keep=keep,
            ).logits
        finally:
            self.attention.prefix = None
        return logits.float()

    def step(self, key: Key, token: int, position: int, cache: Buffers) -> torch.Tensor:
        """Append one token to a cache of one row; float32 logits [1, vocabulary]."""
        if self.lean is not None:
            return self.lean.step(key, token, position, cache)
        at = self.tensor([[position]])
        return self.forward(key, self.tensor([[token]]), cache, positions=at)[:, 0]

    def check_length(self, tokens: int) -> None:
        """A prompt must leave room for at least one new token."""
        if tokens >= self.window:
            raise InputError(
                f"The prompt is {tokens:,} tokens long, and this model reads at most "
                f"{self.window:,} with its answer; shorten the prompt or use fewer few-shot "
                "examples."
            )

    def prefix(
        self, key: Key, chunks: Sequence[Chunk], cache: Buffers | None = None
    ) -> Generator[None, None, list[Node]]:
        """Compute what the tree does not hold of a path, chunk by chunk; returns its nodes.

        With `cache` (one row, empty) the path's keys and values end up there too.
        """
        path = self.tree.find(key, chunks)
        if cache is None:
            if len(path) == len(chunks):
                return path
            cache = Buffers(self.layers, sum(map(len, chunks)))
        cache.load(path)
        for chunk in chunks[len(path) :]:
            start = cache.get_seq_length()
            for at in range(0, len(chunk), self.slice_tokens):
                ids = self.tensor([chunk[at : at + self.slice_tokens]])
                positions = torch.arange(ids.shape[1], device=self.device)[None] + start + at
                logits = self.forward(key, ids, cache, positions=positions)
                yield
            kv = cache.cut(start, start + len(chunk))
            path.append(self.tree.add(key, path, chunk, kv, logits[0, -1].clone()))
        return path

    def tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids on the model's device."""
        return torch.tensor(rows, dtype=torch.long, device=self.device)

    def groups(self, prompts: Sequence[Sequence[Chunk]]) -> Iterator[Group]:
        """Prompts by the longest beginning (short of the last chunk) that enough of them share.

        A deeper border that few prompts share would make many small batches, which costs more than
        it saves.
        """
        enough = min(4, len(prompts))
        counts = Counter(
            tuple(chunks[:depth]) for chunks in prompts for depth in range(1, len(chunks))
        )
        members: dict[tuple[Chunk, ...], list[int]] = {}
        for index, chunks in enumerate(prompts):
            paths = (tuple(chunks[:depth]) for depth in range(len(chunks) - 1, 0, -1))
            path = next((path for path in paths if counts[path] >= enough), ())
            members.setdefault(path, []).append(index)
        for path, indices in members.items():
            rests = [sum(prompts[index][len(path) :], ()) for index in indices]
            yield Group(path, indices, rests)

    def batches(
        self, group: Group, extra: int, *, most_tokens: int | None = None
    ) -> Iterator[list[int]]:
        """Positions in the group, in length order, as batches that fit the limits.

        `extra`: most tokens that will follow each rest; `most_tokens` of one forward pass.
        """
        most_tokens = most_tokens or self.slice_tokens
        shared = sum(map(len, group.path))
        order = sorted(range(len(group.rests)), key=lambda n: -len(group.rests[n]))
        while order:
            longest = len(group.rests[order[0]])
            by_bytes = self.batch_bytes // (self.token_bytes * (shared + longest + extra))
            by_tokens = most_tokens // max(1, longest)
            rows = max(1, min(self.most_rows, by_bytes, by_tokens))
            yield order[:rows]
            order = order[rows:]

    def lay_out(self, nodes: Sequence[Node], rests: Sequence[Chunk], extra: int) -> Batch:
        """Rows behind a prefix as one padded batch, with room for `extra` more tokens."""
        shared = sum(len(node.chunk) for node in nodes)
        longest = max(map(len, rests))
        ids = [[0] * (longest - len(rest)) + list(rest) for rest in rests]
        positions = self.tensor(
            [
                [PAD] * (longest - len(rest)) + list(range(shared, shared + len(rest)))
                for rest in rests
            ]
        )
        if len(rests) > 1 and shared and self.attention.works and self.sliding is None:
            cache = Buffers(self.layers, longest + extra)
            return Batch(join(nodes), cache, self.tensor(ids), positions, positions)
        cache = Buffers(self.layers, shared + longest + extra)
        cache.load(nodes, rows=len(rests))
        before = torch.arange(shared, device=self.device).expand(len(rests), shared)
        keys = torch.cat([before, positions], dim=1)
        return Batch(None, cache, self.tensor(ids), positions, keys)

    def mask(
        self,
        positions: torch.Tensor,
        key_positions: torch.Tensor,
        *,
        branches: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> Any:
        """What each query may look at, as an additive mask [rows, 1, queries, keys].

        `branches` [queries], [keys]: alternatives (0 = trunk) that do not see each other.
        """
        queries, keys = positions[:, None, :, None], key_positions[:, None, None, :]
        allowed = keys <= queries
        if branches is not None:
            theirs, own = branches[1][None, :], branches[0][:, None]
            allowed = allowed & ((theirs == 0) | (theirs == own))
        if self.sliding is None:
            return self._additive(allowed)
        near = self._additive(allowed & (queries - keys < self.sliding))
        if not self.mixed:
            return near
        return {"full_attention": self._additive(allowed), "sliding_attention": near}

    def _additive(self, allowed: torch.Tensor) -> torch.Tensor:
        dtype = self.model.dtype
        mask = torch.zeros(allowed.shape, dtype=dtype, device=self.device)
        return mask.masked_fill_(~allowed, torch.finfo(dtype).min)


def _end_tokens(weights: Weights) -> set[int]:
    """Tokens that end a completion: the tokenizer's, and those of the generation settings."""
    ends = {weights.tokenizer.eos_token_id}
    configured = getattr(weights.model.generation_config, "eos_token_id", None)
    ends |= set(configured) if isinstance(configured, list) else {configured}
    return {end for end in ends if end is not None}
