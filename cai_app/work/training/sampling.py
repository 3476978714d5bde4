"""What the model answers to a few fixed prompts while it is trained, greedily, step by step."""

import logging
from collections.abc import Sequence

from cai_app import files
from cai_app.critique.flags import flags_of
from cai_app.prompts import STOP, draft
from cai_app.work.progress import Run
from cai_app.work.training.base import Opened

log = logging.getLogger(__name__)

SAMPLES = "samples.jsonl"


class Sampler:
    """Writes {step, prompt, text, flags} rows to samples.jsonl. Draws nothing at random, so that
    looking changes no training."""

    def __init__(
        self, run: Run, opened: Opened, prompts: Sequence[str], *, tokens: int = 80
    ) -> None:
        self.run, self.opened, self.tokens = run, opened, tokens
        self.prompts = list(dict.fromkeys(prompts))

    def look(self, step: int) -> None:
        """Answer every prompt and append the rows."""
        texts = self.answers()
        rows = [
            {
                "step": step,
                "prompt": prompt,
                "text": text,
                "flags": list(flags_of(text, kind="draft", before=None, unknown=False)),
            }
            for prompt, text in zip(self.prompts, texts, strict=True)
        ]
        files.append(self.run.path / SAMPLES, rows, durable=False)

    def answers(self) -> list[str]:
        """One greedy answer a prompt."""
        import torch

        opened = self.opened
        encoded = [
            [token for chunk in opened.codec.encode(draft(prompt)) for token in chunk]
            for prompt in self.prompts
        ]
        if not encoded:
            return []
        longest = max(map(len, encoded))
        pad = opened.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(one)) + one for one in encoded])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in encoded])
        was = opened.model.training
        opened.model.eval()
        try:
            with torch.no_grad():
                written = opened.model.generate(
                    input_ids=ids.to(opened.device),
                    attention_mask=mask.to(opened.device),
                    do_sample=False,
                    use_cache=True,
                    max_new_tokens=self.tokens,
                    pad_token_id=pad,
                )
        finally:
            opened.model.train(was)
        return [self._text(row[longest:].tolist()) for row in written]

    def _text(self, ids: list[int]) -> str:
        end = self.opened.tokenizer.eos_token_id
        text = self.opened.codec.decode(ids[: ids.index(end)] if end in ids else ids)
        for stop in STOP:
            text = text.partition(stop)[0]
        return text.strip()
