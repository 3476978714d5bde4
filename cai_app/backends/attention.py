"""Attention for rows that share a prefix: its keys and values are read once, not once a row.

Softmax over prefix and own tokens splits into two, joined by their normalisers: with scores s and
values v, out = (sum_prefix e^s v + sum_own e^s v) / (sum_prefix e^s + sum_own e^s). The prefix
half is one matrix product for all rows together.
"""

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "cai_shared_prefix"

KeyValues = list[tuple[torch.Tensor, torch.Tensor]]


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
        share = heads // groups  # query heads that read the same key head
        scale = options.get("scaling") or width**-0.5
        query = query.reshape(rows, groups, share * queries, width) * scale

        # Scores and sums in float32 whatever the model computes in; products in the model's own.
        own = (query @ key.transpose(2, 3)).float()  # [rows, groups, share * queries, keys]
        if attention_mask is not None:
            own = (own.unflatten(2, (share, queries)) + attention_mask[:, :, None]).flatten(2, 3)
        before_keys, before_values = self.prefix[module.layer_idx]
        flat = query.transpose(0, 1).reshape(groups, rows * share * queries, width)
        before = (flat @ before_keys[0].transpose(1, 2)).float()

        own_top, before_top = own.amax(-1, keepdim=True), before.amax(-1, keepdim=True)
        own, before = (own - own_top).exp_(), before.sub_(before_top).exp_()
        own_sum, before_sum = own.sum(-1, keepdim=True), before.sum(-1, keepdim=True)
        own_mixed = own.to(value.dtype) @ value
        before_mixed = _rows(before.to(value.dtype) @ before_values[0], rows)
        before_top, before_sum = _rows(before_top, rows), _rows(before_sum, rows)
        top = torch.maximum(own_top, before_top)
        own_weight, before_weight = (own_top - top).exp_(), (before_top - top).exp_()
        mixed = own_mixed * own_weight + before_mixed * before_weight
        out = mixed / (own_sum * own_weight + before_sum * before_weight)
        out = out.to(query.dtype).reshape(rows, heads, queries, width)
        return out.transpose(1, 2).contiguous(), None


def _rows(flat: torch.Tensor, rows: int) -> torch.Tensor:
    """[groups, rows * n, width] as [rows, groups, n, width]."""
    groups, _, width = flat.shape
    return flat.view(groups, rows, -1, width).transpose(0, 1)
