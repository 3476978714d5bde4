"""What one optimiser step teaches: the words, what was understood of them, where to look for more.

The words' loss is weighted to what the assistant writes. Linear heads and one attention head get
lessons of their own; the linear ones are no part of the model.
"""

from typing import Any

from cai_app.pocket.corpus import COPY, HEADS, Batch
from cai_app.pocket.replies import ASPECTS
from cai_app.pocket.segments import FOUND, PARTS
from cai_app.pocket.world import SORTS

READING_WEIGHT = 0.3
LATE = ("worth", "found")


def reading_heads(model: Any, acts: int) -> Any:
    """Linear heads that ask the middle layers what they understood (segments.Mark).

    A verdict is one letter for two hundred tokens of reading: alone it teaches a small model to
    compare only after hundreds of millions of tokens. The heads are thrown away after training.
    """
    import torch

    hidden = model.config.hidden_size
    sizes = {
        "part": len(PARTS),
        "asked": 2 * len(ASPECTS),
        "worth": 1,
        "act": acts,
        "kind": len(SORTS),
        "found": len(FOUND),
    }
    return torch.nn.ModuleDict({head: torch.nn.Linear(hidden, sizes[head]) for head in HEADS})


def step(
    model: Any, group: list[Batch], optimizers: list[Any], device: str, reading: Any = None
) -> tuple[float, float]:
    """One optimiser step over batches of unlike lengths.

    Returns the loss of the words, a weighted mean in nats, and that of the reading heads (0
    without them).
    """
    import torch
    from torch.nn import functional as F

    total = sum(float(batch.weights[:, 1:].sum()) for batch in group)
    loss, understood = 0.0, 0.0
    for batch in group:
        ids = torch.from_numpy(batch.ids).to(device)
        weights = torch.from_numpy(batch.weights).to(device)[:, 1:]
        chosen = weights > 0
        with torch.autocast(device, dtype=torch.bfloat16):
            out = model.model(
                input_ids=ids,
                use_cache=False,
                output_hidden_states=reading is not None,
                output_attentions=reading is not None,
            )
            logits = model.lm_head(out.last_hidden_state[:, :-1][chosen])
        chances = torch.from_numpy(batch.chances).to(device)[:, 1:][chosen]
        others = torch.from_numpy(batch.others).to(device)[:, 1:][chosen]
        said = F.log_softmax(logits.float(), dim=-1)
        losses = -chances * said.gather(1, ids[:, 1:][chosen][:, None]).squeeze(1)
        losses = losses - (1 - chances) * said.gather(1, others[:, None]).squeeze(1)
        share = (losses * weights[chosen]).sum() / total
        loss += float(share.detach())
        if reading is not None:
            misread = _misread(reading, out.hidden_states, batch) / len(group)
            misread = misread + _miscopied(out.attentions, batch) / len(group)
            understood += float(misread.detach())
            share = share + READING_WEIGHT * misread
        share.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return loss, understood


def _misread(reading: Any, states: Any, batch: Batch) -> Any:
    """How far the heads are from what the text says: cross-entropy, or squared error of worth."""
    import torch
    from torch.nn import functional as F

    total = states[0].new_zeros((), dtype=torch.float32)
    layers = len(states) - 1
    for head, found in batch.marks.items():
        if head == COPY:
            continue
        # What is read first must be there two layers before the end, for the last ones to compare.
        depth = max(1, layers - (1 if head in LATE else 2))
        rows, columns = (torch.from_numpy(found[:, i]).long().to(states[0].device) for i in (0, 1))
        guess = reading[head](states[depth][rows, columns].float())
        known = torch.from_numpy(found[:, 2]).to(guess.device)
        if head == "worth":
            total = total + F.mse_loss(guess.squeeze(1), known)
        else:
            total = total + F.cross_entropy(guess, known.long())
    return total


def _miscopied(attentions: Any, batch: Batch) -> Any:
    """How far one attention head is from looking at the token that comes next in a copy.

    In nats. A head of the layer before must look one token back from there, so that the source
    can be found by what stands before it. Left alone, a model this small learns the sentences of
    its corpus by heart instead, and has nothing to say about an act it never saw.
    """
    import torch

    if COPY not in batch.marks:
        return attentions[0].new_zeros((), dtype=torch.float32)
    rows, before, source = torch.from_numpy(batch.marks[COPY]).long().to(attentions[0].device).T
    looked = attentions[-1][rows, -1, before, source].float()
    back = attentions[-2][rows, 0, source, source - 1].float()
    return -(looked.clamp_min(1e-6).log().mean() + back.clamp_min(1e-6).log().mean())
