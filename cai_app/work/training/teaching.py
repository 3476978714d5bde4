"""What a teacher thinks at every place of a text, kept as its likeliest tokens and a rest (HH A.1).

The 51 categories are the 50 likeliest tokens and all others together; forward KL over them is never
more than over the whole vocabulary, and 0 exactly where the student says the same of them.
"""

import copy
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cai_app.work.training.base import Opened
from cai_app.work.training.fitting import explained_disk

if TYPE_CHECKING:
    from cai_app.work.distill import Text

_BATCH = 16  # texts that the teacher reads together
_LEAST = 1e-12  # of the rest's chance, so that its logarithm is a number


class Lesson(NamedTuple):
    """A text as the student sees it, with the teacher's chances of each learned token.

    `top` [learned, k] are token ids, `chances` [learned, k] their log-probabilities.
    """

    prompt: str
    before: list[int]
    learned: list[int]
    top: Any
    chances: Any


def bucketed_kl(logits: Any, top: Any, chances: Any) -> Any:
    """Forward KL in nats, teacher to student, over the top tokens and one bucket for the rest.

    logits [places, vocabulary]; top, chances [places, k]. Returns [places].
    """
    import torch

    said = torch.log_softmax(logits.float(), dim=-1).gather(1, top)
    known = chances.exp()
    likely = (known * (chances - said)).sum(-1)
    if top.shape[-1] == logits.shape[-1]:
        return likely  # a vocabulary so small that nothing is left
    rest = (1 - known.sum(-1)).clamp_min(_LEAST)
    # log(1 - sum p) of what is kept back, from the logits of the others: no cancelling.
    others = logits.float().scatter(1, top, float("-inf"))
    left = torch.logsumexp(others, -1) - torch.logsumexp(logits.float(), -1)
    return likely + rest * (rest.log() - left)


def write_lessons(
    opened: Opened,
    texts: "Sequence[Text]",
    path: Path,
    *,
    top_k: int,
    check: Callable[[], None],
) -> None:
    """Let the teacher read every text behind its preamble, once; nothing where that is done.

    What all texts have in common before them, the preamble, is read once for all. `check` is
    called between batches and may raise.
    """
    if path.exists():
        return
    import torch
    from safetensors.torch import save_file

    opened.model.eval()
    common = _common([text.behind for text in texts])
    tops, chances = [], []
    with torch.no_grad():
        cache = _prefix(opened, texts[0].behind[: common - 1]) if common > 1 else None
        skipped = common - 1 if cache is not None else 0
        for first in range(0, len(texts), _BATCH):
            check()
            for top, chance in _read(opened, texts[first : first + _BATCH], cache, skipped, top_k):
                tops.append(top)
                chances.append(chance)
    opened.model.train()
    fresh = path.with_name(f".{path.name}")
    with explained_disk(path):
        save_file({"top": torch.cat(tops), "chances": torch.cat(chances)}, str(fresh))
        os.replace(fresh, path)


def read_lessons(path: Path, texts: "Sequence[Text]") -> list[Lesson]:
    """Texts with what `write_lessons` kept of them."""
    from safetensors.torch import load_file

    kept, start, found = load_file(str(path)), 0, []
    for text in texts:
        end = start + len(text.learned)
        top, chances = kept["top"][start:end].long(), kept["chances"][start:end]
        found.append(Lesson(text.prompt, text.before, text.learned, top, chances))
        start = end
    return found


def _common(rows: Sequence[list[int]]) -> int:
    """How many tokens all rows begin with."""
    shortest, longest = min(rows), max(rows)
    pairs = zip(shortest, longest, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(map(len, rows)))


def _prefix(opened: Opened, ids: Sequence[int]) -> Any:
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=opened.model.config)
    row = torch.tensor([list(ids)], device=opened.device)
    opened.model(input_ids=row, past_key_values=cache, use_cache=True)
    return cache


def _read(
    opened: Opened, texts: "Sequence[Text]", cache: Any, skipped: int, top_k: int
) -> list[tuple[Any, Any]]:
    """Top tokens and their log-probabilities at each learned place of some texts."""
    import torch

    rows = [[*text.behind[skipped:], *text.learned] for text in texts]
    longest = max(map(len, rows))
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    mask = torch.zeros((len(rows), skipped + longest), dtype=torch.long)
    mask[:, :skipped] = 1
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, skipped : skipped + len(row)] = 1
    past = copy.deepcopy(cache)
    if past is not None:
        past.batch_repeat_interleave(len(rows))
    logits = opened.model(
        input_ids=ids.to(opened.device),
        attention_mask=mask.to(opened.device),
        past_key_values=past,
        use_cache=past is not None,
    ).logits
    found = []
    for number, text in enumerate(texts):
        start = len(text.behind) - skipped - 1
        places = logits[number, start : start + len(text.learned)].float()
        best = torch.log_softmax(places, -1).topk(min(top_k, places.shape[-1]), -1)
        found.append((best.indices.int().cpu(), best.values.cpu()))
    return found


def collator(pad: int) -> Callable[[Sequence[Lesson]], dict[str, Any]]:
    """Lessons as a batch, padded on the right; `top` and `chances` [all learned places, k] in the
    order in which labels that are not -100 stand."""
    import torch

    def collate(rows: Sequence[Lesson]) -> dict[str, Any]:
        longest = max(len(row.before) + len(row.learned) for row in rows)
        ids = torch.full((len(rows), longest), pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        labels = torch.full((len(rows), longest), -100)
        for number, row in enumerate(rows):
            start, end = len(row.before), len(row.before) + len(row.learned)
            ids[number, :end] = torch.tensor([*row.before, *row.learned])
            mask[number, :end] = 1
            labels[number, start:end] = torch.tensor(row.learned)
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": labels,
            "top": torch.cat([row.top for row in rows]),
            "chances": torch.cat([row.chances for row in rows]),
        }

    return collate
