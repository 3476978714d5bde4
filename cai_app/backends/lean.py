"""One token of one row through a small Llama on CPU, without the library's overhead.

A small model spends most of a live token's time between the arithmetic: module calls, masks, norms
in six steps. This is the same computation written straight down, with query, key and value (and
gate and up) in one product. It is used only where it gives what the model itself gives.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from cai_app.backends.adapters import Adapters, Key
from cai_app.backends.cache import Buffers

MOST_POSITIONS = 8192  # of the table of rotations


class Layer(NamedTuple):
    """One layer's weights, each [out, in]; norms [hidden]."""

    norm: torch.Tensor
    qkv: torch.Tensor
    out: torch.Tensor
    norm_mlp: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class LeanLlama:
    """Decodes one row; weights are fused once an adapter."""

    def __init__(self, model: Any, adapters: Adapters) -> None:
        config = model.config
        self.model = model
        self.adapters = adapters
        self.heads: int = config.num_attention_heads
        self.groups: int = config.num_key_value_heads
        self.width: int = model.model.layers[0].self_attn.head_dim
        self.hidden: int = config.hidden_size
        self.eps: float = config.rms_norm_eps
        self.embedding = model.model.embed_tokens.weight
        self.norm = model.model.norm.weight
        # Laid out by column: twice as fast for one row.
        self.head = model.lm_head.weight.t().contiguous().t()
        positions = torch.arange(min(config.max_position_embeddings, MOST_POSITIONS))[None]
        cosines, sines = model.model.rotary_emb(self.embedding, positions)
        self.cosines, self.sines = cosines[0], sines[0]  # [positions, width]

    @staticmethod
    def of(model: Any, adapters: Adapters) -> "LeanLlama | None":
        """The lean form of a model, or None where it has none or gives anything else."""
        config = model.config
        plain = (
            config.model_type == "llama"
            and adapters.unpacked
            and config.hidden_act == "silu"
            and not (config.attention_bias or config.mlp_bias)
            and config.max_position_embeddings <= MOST_POSITIONS
            and type(model.lm_head) is torch.nn.Linear
        )
        if not plain:
            return None
        lean = LeanLlama(model, adapters)
        ids = torch.tensor([[3, 1, 2, 1]])
        cache = Buffers(config.num_hidden_layers, 4)
        ours = [lean.step(None, token, n, cache) for n, token in enumerate(ids[0].tolist())]
        theirs = model(input_ids=ids, use_cache=False).logits[0]
        return lean if torch.allclose(torch.cat(ours), theirs, atol=1e-4) else None

    def step(self, key: Key, token: int, position: int, cache: Buffers) -> torch.Tensor:
        """Append a token to a cache of one row; logits [1, vocabulary]."""
        fused = self.adapters.fused
        if key not in fused:
            fused[key] = self._fuse(key)
        heads, groups, width = self.heads, self.groups, self.width
        cosine, sine = self.cosines[position], self.sines[position]
        x = self.embedding[token][None]
        for number, layer in enumerate(fused[key]):
            h = F.rms_norm(x, (self.hidden,), layer.norm, self.eps)
            qkv = F.linear(h, layer.qkv).view(heads + 2 * groups, width)
            turning = qkv[: heads + groups]
            left, right = turning.chunk(2, -1)
            turned = turning * cosine + torch.cat((-right, left), -1) * sine
            keys, values = cache.layers[number].update(
                turned[heads:].view(1, groups, 1, width),
                qkv[heads + groups :].view(1, groups, 1, width),
            )
            # Query heads that read the same key head stand as queries: nothing is repeated.
            query = turned[:heads].view(1, groups, heads // groups, width)
            mixed = F.scaled_dot_product_attention(query, keys, values).view(1, heads * width)
            x = x + F.linear(mixed, layer.out)
            h = F.rms_norm(x, (self.hidden,), layer.norm_mlp, self.eps)
            gate, up = F.linear(h, layer.gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, layer.down)
        x = F.rms_norm(x, (self.hidden,), self.norm, self.eps)
        return F.linear(x, self.head)

    def _fuse(self, key: Key) -> list[Layer]:
        layers = []
        for number, layer in enumerate(self.model.model.layers):

            def weight(path: str, at: str = f"model.layers.{number}") -> torch.Tensor:
                return self.adapters.weight(key, f"{at}.{path}")

            attention = [weight(f"self_attn.{name}_proj") for name in "qkv"]
            layers.append(
                Layer(
                    norm=layer.input_layernorm.weight,
                    qkv=torch.cat(attention),
                    out=weight("self_attn.o_proj"),
                    norm_mlp=layer.post_attention_layernorm.weight,
                    gate_up=torch.cat([weight("mlp.gate_proj"), weight("mlp.up_proj")]),
                    down=weight("mlp.down_proj"),
                )
            )
        return layers
