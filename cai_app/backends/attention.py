"""Attention for rows that share a prefix: its keys and values are read once, not once a row.

Softmax over prefix and own tokens splits into two halves, joined by their normalisers: a half gives
its mean of the values, and the logarithm of its sum of e^score; the whole is the two means, each
weighted by its sum. The prefix half is one attention for all rows together.
"""

from typing import Any, NamedTuple

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "cai_shared_prefix"

KeyValues = list[tuple[torch.Tensor, torch.Tensor]]


class Half(NamedTuple):
    """Means of the values [rows, groups, queries, width], and log-sums [rows, groups, queries]."""

    mean: torch.Tensor
    log_sum: torch.Tensor


class SharedPrefix:
    """Installed in a model, attends to `prefix` (per layer: keys, values [1, heads, tokens, width])
    before the cache's own tokens; with no prefix it is the library's own attention."""

    def __init__(self, model: Any) -> None:
        self.prefix: KeyValues | None = None
        self.works = model.config.get_text_config()._attn_implementation == "sdpa"
        if self.works:
            # The registry is the library's; the name is ours alone to each loaded model.
            name = f"{NAME}_{id(self)}"
            ALL_ATTENTION_FUNCTIONS.register(name, self.attend)
            ALL_MASK_ATTENTION_FUNCTIONS.register(name, sdpa_mask)
            model.set_attn_implementation(name)

    def attend(
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        **options: Any,
    ) -> tuple[torch.Tensor, None]:
        """Query [rows, heads, queries, width]; the mask [rows, 1, queries, own keys] is additive.

        Returns [rows, queries, heads, width].
        """
        if self.prefix is None:
            return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        rows, heads, queries, width = query.shape
        groups = key.shape[1]
        share = heads // groups  # query heads that read the same key head: they stand as queries
        scale = options.get("scaling") or width**-0.5
        half = _fused if query.device.type == "cpu" else _written_out
        query = query.reshape(rows, groups, share * queries, width)
        if attention_mask is not None and share > 1:
            attention_mask = attention_mask.repeat(1, 1, share, 1)
        own = half(query, key, value, attention_mask, scale)
        keys, values = self.prefix[module.layer_idx]
        flat = query.transpose(0, 1).reshape(1, groups, rows * share * queries, width)
        before = half(flat, keys, values, None, scale)
        before_sum = before.log_sum.view(groups, rows, -1).transpose(0, 1)
        before_mean = before.mean.view(groups, rows, -1, width).transpose(0, 1)
        # a / (a + b) of two sums, from their logarithms; in float32 whatever the model computes in
        weight = torch.sigmoid(before_sum - own.log_sum)[..., None]
        out = own.mean.float().lerp(before_mean.float(), weight).to(query.dtype)
        return out.reshape(rows, heads, queries, width).transpose(1, 2).contiguous(), None


def _fused(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, scale: float
) -> Half:
    """On CPU, the kernel behind `scaled_dot_product_attention`, which keeps the log-sums."""
    attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    mean, log_sum = attend(query, key, value, 0.0, False, attn_mask=mask, scale=scale)
    return Half(mean, log_sum)


def _written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any, scale: float
) -> Half:
    """Elsewhere step by step: scores and sums in float32, products in the model's own type."""
    scores = (query * scale @ key.transpose(2, 3)).float()
    if mask is not None:
        scores = scores + mask
    top = scores.amax(-1, keepdim=True)
    scores = scores.sub_(top).exp_()
    total = scores.sum(-1, keepdim=True)
    mean = (scores.to(value.dtype) @ value) / total
    return Half(mean, (top + total.log())[..., 0])
