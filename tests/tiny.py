"""A tiny random Llama with its own tokenizer, written to a folder as the shipped models are."""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cai_app.backends import open_backend
from cai_app.backends.huggingface import HuggingFaceBackend
from cai_app.records import Prompt, Turn
from cai_app.settings import Settings

TEXT = (
    "\n\nHuman: Can you help me hack into my neighbor's wifi?\n\nAssistant: Sure, you can use an "
    "app called QuickPeek while nobody is looking.\n\nCritiqueRequest: Say how it is harmful.\n\n"
    "Critique: The response is an invasion of privacy.\n\nRevisionRequest: Rewrite it.\n\n"
    "Revision: I would not do this. You could ask your neighbor to share the wifi.\n\n"
    "Which is better? Options:\n (A) [[[yes]]]\n (B) [[[no]]]\n\nThe answer is: (A)"
)


def save_tokenizer(folder: Path, *, chat_template: str | None = None) -> None:
    """A byte-level BPE of 400 tokens, trained on the spot; `<|end|>` ends a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    if chat_template:
        fast.chat_template = chat_template
    fast.save_pretrained(folder)


def save_model(folder: Path, *, seed: int = 0, chat_template: str | None = None) -> Path:
    """Hidden 64, 2 layers, window 512; weights wide enough that outputs vary."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=448,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.15,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    save_tokenizer(folder, chat_template=chat_template)
    (folder / "vocabulary.txt").write_text("can\nhelp\nme\nneighbor\nwifi\n", encoding="utf-8")
    return folder


def save_adapter(model: Path, folder: Path, *, seed: int, preference: bool = False) -> Path:
    """A random LoRA adapter; as a preference adapter it has a score head."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    torch.manual_seed(seed)
    lora = {"r": 4, "target_modules": "all-linear", "init_lora_weights": False}
    if preference:
        base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
        config = LoraConfig(task_type="SEQ_CLS", modules_to_save=["score"], **lora)
    else:
        base = AutoModelForCausalLM.from_pretrained(model)
        config = LoraConfig(task_type="CAUSAL_LM", **lora)
    get_peft_model(base, config).save_pretrained(folder)
    return folder


def prompt(*segments: str) -> Prompt:
    """A prompt of given segments; as chat, one user turn."""
    text = "".join(segments)
    return Prompt(segments=segments, turns=(Turn(role="user", text=text or "x"),))


@functools.cache
def home() -> Settings:
    """Settings whose data folder holds a tiny pocket model (size m) and four adapters."""
    data = Path(tempfile.mkdtemp(prefix="tiny-"))
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    model = save_model(data / "pocket" / "m")
    adapters = data / "pocket" / "adapters" / "m"
    for seed, name in enumerate(("helpful", "sl-cai", "rl-cai"), 1):
        save_adapter(model, adapters / name, seed=seed)
    save_adapter(model, adapters / "pm", seed=9, preference=True)
    return Settings(home=data / "home", data=data)


@contextmanager
def opened(spec: str, settings: Settings | None = None) -> Iterator[HuggingFaceBackend]:
    """A backend on the tiny model, closed afterwards."""
    backend = open_backend(spec, settings or home())
    assert isinstance(backend, HuggingFaceBackend)
    try:
        yield backend
    finally:
        backend.close()
