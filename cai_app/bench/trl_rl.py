"""RL as TRL's documentation has it: RLOOTrainer on a 4-bit policy with LoRA, and a reward model of
its own in 4-bit beside it. One step, for its memory: `BASE PM PROMPTS TOKENS`.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cai_app.bench.plain import classifier

ROWS, SAMPLES = 8, 2  # as in training.py


def main(argv: Sequence[str]) -> int:
    """Take one step."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
    from trl import RLOOConfig, RLOOTrainer

    base, pm, prompts, tokens = argv
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, quantization_config=nf4)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    scoring = classifier(Path(base), Path(pm), device)
    texts = [json.loads(line)["prompt"] for line in Path(prompts).read_text().splitlines()]
    wrapped = [f"\n\nHuman: {text}\n\nAssistant:" for text in texts[: ROWS // SAMPLES]]

    def reward(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
        dialogues = [a + b for a, b in zip(prompts, completions, strict=True)]
        rows = tokenizer(dialogues, return_tensors="pt", padding=True, padding_side="right")
        with torch.no_grad():
            found = scoring(**rows.to(device)).logits[:, 0]
        return [float(score) for score in found]

    with tempfile.TemporaryDirectory() as folder:
        config = RLOOConfig(
            output_dir=folder,
            per_device_train_batch_size=ROWS,
            num_generations=SAMPLES,
            max_completion_length=int(tokens),
            max_steps=1,
            use_cpu=device.type == "cpu",
            bf16=device.type != "cpu",
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        RLOOTrainer(
            model=model,
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": wrapped}),
            processing_class=tokenizer,
            peft_config=LoraConfig(
                task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear"
            ),
        ).train()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
