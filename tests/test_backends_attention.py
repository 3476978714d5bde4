"""Attention behind a shared prefix against the library's own over repeated keys and values."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from cai_app.backends import attention
from cai_app.backends.attention import SharedPrefix


@pytest.mark.parametrize("way", ["_fused", "_written_out"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize(("heads", "groups", "queries"), [(4, 4, 1), (6, 2, 1), (6, 2, 5)])
def test_a_shared_prefix_gives_what_repeating_it_gives(
    heads: int,
    groups: int,
    queries: int,
    dtype: torch.dtype,
    close: float,
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On CPU by the fused kernel; elsewhere step by step, which any device can do."""
    monkeypatch.setattr(attention, "_fused", getattr(attention, way))
    torch.manual_seed(0)
    rows, before, own, width = 3, 7, queries + 2, 16
    query = torch.randn(rows, heads, queries, width, dtype=dtype)
    key, value = (torch.randn(rows, groups, own, width, dtype=dtype) for _ in "kv")
    prefix = [tuple(torch.randn(1, groups, before, width, dtype=dtype) * 2 for _ in "kv")]
    seen = torch.rand(rows, 1, queries, own) > 0.3
    seen[..., 0] = True
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, torch.finfo(dtype).min)

    config = SimpleNamespace(_attn_implementation="eager")
    ours = SharedPrefix(SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config)))
    ours.prefix = prefix  # type: ignore[assignment]
    module = SimpleNamespace(layer_idx=0)
    found, _ = ours.attend(module, query, key, value, mask, scaling=width**-0.5)

    whole = [
        torch.cat([part.expand(rows, -1, -1, -1), tail], 2).repeat_interleave(heads // groups, 1)
        for part, tail in zip(prefix[0], (key, value), strict=True)
    ]
    wide = torch.cat([torch.zeros(rows, 1, queries, before, dtype=dtype), mask], -1)
    plain = F.scaled_dot_product_attention(query, *whole, attn_mask=wide).transpose(1, 2)
    assert torch.allclose(found, plain, atol=close, rtol=close)
