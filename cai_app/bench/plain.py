"""The plain way to use a model: transformers and PEFT as their documentation shows.

`generate` from the whole prompt; for choices every prompt with every choice, in batches by length;
no cache outlives a call. Weights, tokens and arithmetic are those of the backend.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cai_app import prompts as texts
from cai_app.backends import locate, parse_spec
from cai_app.bench.sides import TOKENS, Timed, beats_zero
from cai_app.errors import InputError
from cai_app.records import Prompt
from cai_app.settings import Settings

SIZES = (8, 16, 32, 64)  # of batches that are tried
BULK = {"cpu": 32, "cuda": 128}  # rows at once in bulk, as many as the backend takes
ALPHA = 0.02  # scale of the made-up preference adapter: its scores then lie around 0


class Plain:
    """A model with its adapter by the book, on the weights of a spec."""

    def __init__(self, spec: str, settings: Settings) -> None:
        from peft import PeftModel

        from cai_app.backends.text import Codec
        from cai_app.backends.weights import load

        parsed = parse_spec(spec)
        self.folder, adapter = weights_of(spec, settings)
        weights = load(self.folder)
        chat = bool(weights.tokenizer.chat_template) and parsed.kind != "pocket"
        # The same tokens on both sides: what is compared is what is done with them.
        self.codec = Codec(weights.tokenizer, chat=chat)
        self.device = weights.device
        model = weights.model
        self.model: Any = PeftModel.from_pretrained(model, adapter).eval() if adapter else model
        # Rows of a batch of choices; None finds the fastest with the next call.
        self.rows: int | None = None
        self._classifier: Any = None

    def prefer(self, adapter: Path) -> None:
        """Score with this preference adapter from now on."""
        self._classifier = classifier(self.folder, adapter, self.device)

    def write_one(self, prompt: Prompt, tokens: int = TOKENS) -> str:
        return self._generate([prompt], tokens)[0]

    def write(self, prompts: Sequence[Prompt]) -> list[str]:
        """In batches of a fixed size, in length order."""
        order = sorted(range(len(prompts)), key=lambda n: -len(self._ids(prompts[n])))
        made = [""] * len(prompts)
        for batch in _pieces(order, BULK[self.device.type]):
            for n, text in zip(batch, self._generate([prompts[n] for n in batch]), strict=True):
                made[n] = text
        return made

    def second(self, prompt: Prompt, other: Prompt) -> Timed:
        start = time.perf_counter()
        earlier = self._generate([prompt])
        self._generate([other], 1)
        seconds = time.perf_counter() - start
        return Timed(seconds, earlier + self._generate([other]))

    def chances(self, prompts: Sequence[Prompt]) -> list[float]:
        asked = [
            (self._ids(prompt), list(self.codec.continuation(prompt, choice)))
            for prompt in prompts
            for choice in texts.CHOICES
        ]
        if self.rows is None:
            sample = asked[: max(SIZES)]
            took = {rows: self._timed_chances(sample, rows) for rows in SIZES}
            self.rows = min(took, key=lambda rows: took[rows])
        return self._chances(asked, self.rows)

    def scores(self, dialogues: Sequence[str], rows: int) -> list[float]:
        import torch

        end = self.codec.tokenizer.eos_token_id
        found: list[float] = []
        for batch in _pieces(dialogues, rows):
            ids = [[*self.codec.tokens(text)[0], end] for text in batch]
            width = max(map(len, ids))
            # Padded on the right with the end token: the classifier reads the last real one, which
            # it finds by the pad token, so its place is given instead.
            padded = torch.tensor([[*row, *[end] * (width - len(row))] for row in ids])
            mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
            last = torch.tensor([len(row) - 1 for row in ids])
            with torch.inference_mode():
                base = self._classifier.get_base_model()
                hidden = base.model(
                    input_ids=padded.to(self.device), attention_mask=mask.to(self.device)
                ).last_hidden_state
                scores = base.score(hidden[torch.arange(len(ids)), last].float())[:, 0]
            found += [beats_zero(score) for score in scores.tolist()]
        return found

    def _ids(self, prompt: Prompt) -> list[int]:
        return self.codec.tokens(self.codec.render(prompt)[0])[0]

    def _generate(self, prompts: Sequence[Prompt], tokens: int = TOKENS) -> list[str]:
        """One call of `generate` on all prompts, padded on the left."""
        import torch

        rows = [self._ids(prompt) for prompt in prompts]
        ids, mask = self._left(rows)
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=tokens,
                pad_token_id=self.codec.tokenizer.eos_token_id,
                stop_strings=list(texts.STOP),
                tokenizer=self.codec.tokenizer,
            ).tolist()
        width = ids.shape[1]
        return [self._new_text(row, made[width:]) for row, made in zip(rows, out, strict=True)]

    def _left(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """Token ids and mask [rows, tokens], padded on the left."""
        import torch

        width, end = max(map(len, rows)), self.codec.tokenizer.eos_token_id
        ids = [[end] * (width - len(row)) + list(row) for row in rows]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def _new_text(self, before: list[int], new: list[int]) -> str:
        # Decoded with the prompt: some tokenizers drop the leading space of a lone token.
        text = self.codec.decode(before + new)[len(self.codec.decode(before)) :]
        return text[
            : min((at for stop in texts.STOP if (at := text.find(stop)) >= 0), default=None)
        ]

    def _timed_chances(self, asked: Sequence[tuple[list[int], list[int]]], rows: int) -> float:
        start = time.perf_counter()
        self._chances(asked, rows)
        return time.perf_counter() - start

    def _chances(self, asked: Sequence[tuple[list[int], list[int]]], rows: int) -> list[float]:
        """Whole prompts with their choice in length order; logits of the choice's places only."""
        import torch

        order = sorted(range(len(asked)), key=lambda n: -sum(map(len, asked[n])))
        found = [0.0] * len(asked)
        for batch in _pieces(order, rows):
            ids, mask = self._left([sum(asked[n], []) for n in batch])
            most = max(len(asked[n][1]) for n in batch)
            with torch.inference_mode():
                logits = self.model(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
                    logits_to_keep=most + 1,
                ).logits.float()
                scores = torch.log_softmax(logits, dim=-1)
            for row, n in enumerate(batch):
                after = asked[n][1]
                places = range(most - len(after), most)
                found[n] = float(scores[row, places, after].sum().exp())
        return found


def _pieces(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def classifier(folder: Path, adapter: Path, device: Any) -> Any:
    """The saved preference model in NF4, as transformers and PEFT load it."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, BitsAndBytesConfig

    from cai_app.backends.weights import has_nf4

    nf4 = has_nf4(device)
    dtype = torch.float32 if device.type == "cpu" and nf4 else torch.bfloat16
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=["score"],
    )
    base = AutoModelForSequenceClassification.from_pretrained(
        str(folder),
        num_labels=1,
        dtype=dtype,
        device_map={"": device},
        **({"quantization_config": config} if nf4 else {}),
    )
    for module in base.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return PeftModel.from_pretrained(base, str(adapter)).eval()


def make_preference(folder: Path, out: Path) -> Path:
    """A preference adapter with random weights for the model in `folder`: as much to compute as a
    trained one."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    base = AutoModelForSequenceClassification.from_pretrained(str(folder), num_labels=1)
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=16,
        lora_alpha=16 * ALPHA,
        target_modules="all-linear",
        init_lora_weights=False,
        modules_to_save=["score"],
    )
    get_peft_model(base, config).save_pretrained(out)
    return out


def weights_of(spec: str, settings: Settings) -> tuple[Path, Path | None]:
    """Model and adapter folders of a spec. InputError where it has none on this machine."""
    if parse_spec(spec).kind == "openai":
        raise InputError(f"bench compares two uses of local weights; {spec} has none here")
    place = locate(spec, settings)
    return place.base, place.adapter
