"""Key/value caches: growing buffers for the model, and the tree of prefixes worth keeping.

A prompt is cut into chunks at its segment borders (few-shots, dialogue, critique), and always
computed chunk by chunk, whether or not the beginning is already here; so a hit and a miss run the
same arithmetic, and a stream replays bit for bit. The tree holds one node a chunk, so conversations
that share a beginning share its memory. Nodes are copied out before use: dropping one never changes
a result.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

Chunk = tuple[int, ...]
KeyValues = list[tuple[torch.Tensor, torch.Tensor]]  # per layer, each [rows, heads, tokens, width]


class BufferLayer(DynamicLayer):
    """One layer's keys and values, written in place (`torch.cat` would copy all at each token)."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.length = 0

    def reserve(self, keys: torch.Tensor, values: torch.Tensor, rows: int) -> None:
        """Allocate `room` tokens of the given tensors' shapes for `rows` rows."""
        self.dtype, self.device = keys.dtype, keys.device
        self.keys, self.values = (
            like.new_empty(rows, like.shape[1], self.room, like.shape[3]) for like in (keys, values)
        )
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append tokens; returns views of all keys and values so far."""
        if not self.is_initialized:
            self.reserve(key_states, value_states, key_states.shape[0])
        end = self.length + key_states.shape[2]
        if end > self.room:
            self._grow(end)
        self.keys[:, :, self.length : end] = key_states
        self.values[:, :, self.length : end] = value_states
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def _grow(self, end: int) -> None:
        self.room = end + max(64, end // 4)
        old = self.keys, self.values
        self.reserve(*old, old[0].shape[0])
        self.keys[:, :, : self.length] = old[0][:, :, : self.length]
        self.values[:, :, : self.length] = old[1][:, :, : self.length]

    def get_seq_length(self) -> int:
        """Tokens held."""
        return self.length

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Drop all other rows (those that ended)."""
        self.keys, self.values = self.keys[rows], self.values[rows]


class Buffers(Cache):
    """A model's whole cache, as buffers with room for `room` tokens."""

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[BufferLayer(room) for _ in range(layers)])

    def load(self, nodes: Sequence["Node"], rows: int = 1) -> None:
        """Start with the tokens of a path of nodes, repeated for every row."""
        for node in nodes:
            for layer, (keys, values) in zip(self.layers, node.kv, strict=True):
                if not layer.is_initialized:
                    layer.reserve(keys, values, rows)
                end = layer.length + keys.shape[2]
                layer.keys[:, :, layer.length : end] = keys
                layer.values[:, :, layer.length : end] = values
                layer.length = end

    def cut(self, start: int, end: int) -> KeyValues:
        """A copy of tokens start..end of every layer."""
        return [
            (layer.keys[:, :, start:end].clone(), layer.values[:, :, start:end].clone())
            for layer in self.layers
        ]

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Drop all other rows."""
        for layer in self.layers:
            layer.keep_rows(rows)


class Node:
    """One chunk behind its parent: its keys and values, and the logits after its last token."""

    def __init__(self, parent: "Node | None", chunk: Chunk, kv: KeyValues, logits: torch.Tensor):
        self.parent = parent
        self.chunk = chunk
        self.kv = kv
        self.logits = logits  # [vocabulary], float32
        self.children: dict[Hashable, Node] = {}
        tensors = [tensor for pair in kv for tensor in pair] + [logits]
        self.bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def join(path: Sequence[Node]) -> KeyValues:
    """The keys and values of a whole path, per layer."""
    if len(path) == 1:
        return path[0].kv
    layers = zip(*(node.kv for node in path), strict=True)
    return [
        (torch.cat([keys for keys, _ in parts], 2), torch.cat([values for _, values in parts], 2))
        for parts in layers
    ]


class PrefixTree:
    """Nodes by (adapter, chunks), least recently used out first, under a budget in bytes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.bytes = 0
        self._roots: dict[Hashable, Node] = {}
        self._recent: OrderedDict[int, Node] = OrderedDict()  # oldest first, by id()

    def find(self, adapter: Hashable, chunks: Sequence[Chunk]) -> list[Node]:
        """The longest path that is here, from the root on."""
        node, path = self._roots.get(adapter), []
        for chunk in chunks:
            node = node.children.get(chunk) if node else None
            if node is None:
                break
            path.append(node)
        self._touch(path)
        return path

    def add(
        self, adapter: Hashable, path: Sequence[Node], chunk: Chunk, kv: KeyValues, logits: Any
    ) -> Node:
        """Put a chunk behind a path. It may be dropped at once; the returned node stays usable.

        Two streams may compute the same chunk side by side: the second gets the first one's node,
        which holds the same bits."""
        root = self._roots.setdefault(adapter, Node(None, (), [], torch.empty(0)))
        parent = path[-1] if path else root
        twin = parent.children.get(chunk)
        if twin is not None:
            self._touch([*path, twin])
            return twin
        node = Node(parent, chunk, kv, logits)
        if parent is root or id(parent) in self._recent:  # not behind one that was just dropped
            parent.children[chunk] = node
            self._recent[id(node)] = node
            self.bytes += node.bytes
            self._touch([*path, node])
            self._shrink()
        return node

    def _touch(self, path: Sequence[Node]) -> None:
        # From the leaf up: a parent is always more recent than its children, so the oldest node
        # is a leaf and can go.
        for node in reversed(path):
            if id(node) in self._recent:
                self._recent.move_to_end(id(node))

    def _shrink(self) -> None:
        while self.bytes > self.budget and self._recent:
            node = next(iter(self._recent.values()))
            assert not node.children, "the least recent node has children"
            assert node.parent is not None, "roots are not counted"
            del node.parent.children[node.chunk]
            del self._recent[id(node)]
            self.bytes -= node.bytes
