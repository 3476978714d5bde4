"""A wider model that says what a narrower one says: where large training begins without a GPU.

Every unit is doubled (Net2Net, Chen et al. 2016, arXiv:1511.05641): the two copies of a unit get
the same input, half of it each, so the function stays, and noise that cancels out between them lets
training tell them apart.
"""

from typing import Any

from cai_app.errors import InputError

NOISE = 0.25  # of a matrix's own spread


def widen(small: Any, large: Any) -> Any:
    """Fill `large` (a Llama of twice the width and heads, as many layers) from `small`.

    Raises InputError where the shapes do not fit. Hidden units of the MLP beyond those of `small`
    keep their own start and are not listened to yet.
    """
    import torch

    a, b = small.config, large.config
    shape = (2 * a.hidden_size, 2 * a.num_attention_heads, a.num_hidden_layers)
    if (b.hidden_size, b.num_attention_heads, b.num_hidden_layers) != shape:
        raise InputError(
            f"a model of width {a.hidden_size} with {a.num_attention_heads} heads and "
            f"{a.num_hidden_layers} layers grows to width, heads and layers {shape}, not to "
            f"{(b.hidden_size, b.num_attention_heads, b.num_hidden_layers)}"
        )
    old = small.state_dict()
    with torch.no_grad():
        for name, new in large.named_parameters():
            weight = old[name]
            kind = name.split(".")[-2]
            if kind == "embed_tokens":
                new.copy_(torch.cat([weight, weight], dim=1))
            elif kind == "norm":  # tied to the doubled embedding, which counts everything twice
                new.copy_(torch.cat([weight, weight]) / 2)
            elif kind in ("q_proj", "k_proj", "v_proj", "o_proj"):
                new.copy_(torch.cat([_halved(weight), _halved(weight)]))
            elif kind in ("gate_proj", "up_proj"):
                new[: len(weight)] = _halved(weight)
            elif kind == "down_proj":
                new.zero_()
                new[:, : weight.shape[1]] = torch.cat([weight, weight])
            else:
                new.copy_(torch.cat([weight, weight]))
    return large


def _halved(weight: Any) -> Any:
    """(out, in) to (out, 2 in) for an input that comes twice."""
    import torch

    noise = torch.randn_like(weight) * weight.std() * NOISE
    return torch.cat([weight / 2 + noise, weight / 2 - noise], dim=1)
