"""One 4-bit base in memory with adapters by name, of which one learns: policy, start policy and
preference model of a run share it.

Texts are written and scored by the decode loop's own code, so a run and the page get the same
numbers; only the learning adapter's passes keep what gradients need.
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from cai_app.backends import decode, folders, locate, parse_spec, scoring, trained
from cai_app.backends.adapters import Key
from cai_app.backends.engine import Engine
from cai_app.backends.weights import load
from cai_app.prompts import STOP, draft
from cai_app.records import Sampling, TrainOptions
from cai_app.work.progress import Run
from cai_app.work.training.base import Opened


class Written(NamedTuple):
    """A response as it was drawn: its tokens (the end token included), its text, why it ended."""

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    text: str
    finish: str


class OneBase:
    """Model, tokenizer and adapters, used by one thread."""

    def __init__(self, folder: Path, *, dialogue: bool) -> None:
        """`dialogue`: write dialogue text even where the tokenizer has a chat template."""
        weights = load(folder)
        weights.model.requires_grad_(False)
        chat = bool(weights.tokenizer.chat_template) and not dialogue
        with torch.no_grad():
            # Prefixes are not kept: those of a learning adapter are wrong after its next step.
            self.engine = Engine(weights, chat=chat, cache_bytes=0)
        self.adapters, self.codec = self.engine.adapters, self.engine.codec
        self.model = weights.model
        self._configs: dict[Key, Any] = {}

    def load(self, folder: Path) -> Key:
        """A frozen adapter."""
        return self.adapters.load(folder)

    def learn(
        self,
        name: str,
        *,
        start: Path | None = None,
        shape: tuple[int, int] = (16, 32),
        dropout: float = 0.0,
        still: bool = False,
        seed: int = 0,
    ) -> tuple[Key, list[torch.nn.Parameter]]:
        """An adapter to be trained, a copy of `start` or a new one of (rank, alpha); its key and
        its weights. All others are frozen. `dropout` is of a new one; `still` takes a copy's out,
        whatever `start` was trained with."""
        from peft import LoraConfig, PeftConfig

        if start is not None:
            config = PeftConfig.from_pretrained(str(start))
        else:
            rank, alpha = shape
            config = LoraConfig(
                r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules="all-linear"
            )
        key: Key = (name, 0, 0)
        torch.manual_seed(seed)  # a new adapter's weights are drawn
        there = set(self.model.modules())
        weights = self.adapters.learn(key, config, start)
        if still:
            config.lora_dropout = 0.0
            for module in set(self.model.modules()) - there:
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        self._configs[key] = config
        return key, weights

    @contextlib.contextmanager
    def training(self, key: Key) -> Iterator[None]:
        """Within, `logprobs` and `hidden` are this adapter's and keep what gradients need."""
        config = self.model.config.get_text_config()
        before = config._attn_implementation
        if self.engine.device.type == "cpu":
            # For short rows several times as fast there as the fused kernel's backward pass.
            config._attn_implementation = "eager"
        try:
            with self.adapters.training(key):
                yield
        finally:
            config._attn_implementation = before

    def length(self, prompt: str) -> int:
        """A prompt's tokens, as `write` counts them."""
        return self.codec.count(draft(prompt))

    def room(self, options: TrainOptions) -> int:
        """Most tokens of prompt and answer together, with one more at which it is scored."""
        return min(options.max_tokens, self.engine.window) - 1

    def text(self, prompt: str, response: str) -> str:
        """A whole dialogue as a preference model reads it."""
        return self.codec.whole(draft(prompt), response)

    def tokens(self, text: str) -> tuple[int, ...]:
        """A dialogue's tokens with the end token, at which it is scored."""
        end = self.codec.tokenizer.eos_token_id
        return (*self.codec.tokens(text)[0], *((end,) if end is not None else ()))

    def write(
        self, key: Key, prompts: Sequence[str], seeds: Sequence[int], *, max_tokens: int
    ) -> list[Written]:
        """One response a prompt at temperature 1; row i draws from its own generator."""
        asked = [draft(prompt) for prompt in prompts]
        how = [Sampling(seed=seed, max_tokens=max_tokens, stop=STOP) for seed in seeds]
        with torch.no_grad():
            rows = _result(decode.write(self.engine, key, asked, how))
            before = [sum(self.codec.encode(one), ()) for one in asked]
        return [
            Written(ids, tuple(row.ids), row.completion().text, str(row.finish))
            for ids, row in zip(before, rows, strict=True)
        ]

    def score(self, key: Key, texts: Sequence[str]) -> torch.Tensor:
        """Preference scores [texts] of whole dialogues, by the page's own code."""
        with torch.no_grad():
            return torch.tensor(_result(scoring.score(self.engine, key, texts)))

    def hidden(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """The last hidden state at each row's last token [rows, hidden], with gradients."""
        ids = self.padded(rows)
        states = self.model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
        at = torch.tensor([len(row) - 1 for row in rows], device=states.device)
        return states[torch.arange(len(rows), device=states.device), at].float()

    def logits(self, rows: Sequence[Written]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits [rows, most, vocabulary] where each row's response was drawn from, its tokens
        [rows, most], and which of these are there [rows, most]."""
        ids = self.padded([row.prompt + row.ids for row in rows])
        first = min(len(row.prompt) for row in rows) - 1
        found = self.model(
            input_ids=ids, use_cache=False, logits_to_keep=ids.shape[1] - first
        ).logits
        most, width = max(len(row.ids) for row in rows), ids.shape[1] - first
        start = torch.tensor([[len(row.prompt) - 1 - first] for row in rows], device=ids.device)
        steps = torch.arange(most, device=ids.device)[None]
        length = torch.tensor([[len(row.ids)] for row in rows], device=ids.device)
        at = (start + steps).clamp(max=width - 1)
        picked = found.gather(1, at[..., None].expand(-1, -1, found.shape[-1])).float()
        targets = ids.gather(1, (at + first + 1).clamp(max=ids.shape[1] - 1))
        return picked, targets, steps < length

    def logprobs(self, rows: Sequence[Written]) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of each drawn token [rows, most], 0 where there is none, and the mask."""
        logits, targets, there = self.logits(rows)
        found = torch.log_softmax(logits, dim=-1).gather(2, targets[..., None])[..., 0]
        return found * there, there

    def padded(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Token ids [rows, longest], padded on the right, where causal attention never looks."""
        longest = max(map(len, rows))
        return self.engine.tensor([[*row, *[0] * (longest - len(row))] for row in rows])

    def save(
        self,
        key: Key,
        folder: Path,
        *,
        base: str,
        task: Literal["CAUSAL_LM", "SEQ_CLS"] = "CAUSAL_LM",
        head: torch.Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """A standard PEFT adapter; with a `head` [1, hidden] one for sequence classification."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"base_model.model.{path}": weight.to(dtype)
            for path, weight in self.adapters.tensors(key).items()
        }
        if head is not None:
            tensors["base_model.model.score.weight"] = head.detach().cpu().to(dtype).contiguous()
        config = self._configs[key]
        config.task_type, config.inference_mode = task, True
        config.modules_to_save = ["score"] if head is not None else None
        config.base_model_name_or_path = base
        config.save_pretrained(str(folder))
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def of_run(run: Run, options: TrainOptions) -> tuple[OneBase, Opened]:
    """The base of a training, checked against what the run was started with, and what cards say
    of it."""
    place = locate(options.spec, run.settings)
    run.check_same("base_hash", trained.base_hash(place.base))
    run.check_same("start_hash", folders.adapter_hash(place.adapter) if place.adapter else "none")
    pocket = parse_spec(options.backend).kind == "pocket"
    base = OneBase(place.base, dialogue=pocket)
    label = parse_spec(options.backend).target
    if pocket:
        label = f"pocket-{label or folders.pocket_default(run.settings.data)}"
    device = base.engine.device
    return base, Opened(base.model, base.codec.tokenizer, base.codec, device, place, label)


def _result(work: Generator[None, None, Any]) -> Any:
    """What the decode loop's work gives, run to its end."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
