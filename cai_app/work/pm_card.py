"""What a preference model's card says: what it learned, how good it is, how to load it."""

from typing import Any

from cai_app.records.rewards import PreferenceOptions

# Run by a test in a process of its own, and held against our own scores.
LOADER = """\
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BitsAndBytesConfig

nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4",
                         bnb_4bit_compute_dtype=torch.float32)
tokenizer = AutoTokenizer.from_pretrained("{base}")

base = AutoModelForSequenceClassification.from_pretrained(
    "{base}", num_labels=1, quantization_config=nf4, dtype=torch.float32{one})
model = PeftModel.from_pretrained(base, "PATH/TO/THIS/FOLDER").eval()
score = model(**tokenizer(text + tokenizer.eos_token, return_tensors="pt")).logits.item()
"""

_SOURCES = {
    "ai": "held-out AI labels",
    "helpful": "held-out helpfulness labels",
    "checked": "people's labels of the same pairs",
    "reference_harmless": "reference harmlessness, unseen combinations",
    "reference_helpful": "reference helpfulness, unseen combinations",
}


def about(
    measured: dict[str, Any], options: PreferenceOptions, *, base: str, pads: bool = True
) -> str:
    """The body of the card, above its facts. `pads`: the base has a padding token of its own; else
    a text is loaded one by one, as its end token would be taken for padding."""
    learned = {
        "ai": "AI harmlessness labels",
        "helpful": "helpfulness labels",
        "both": "AI harmlessness and helpfulness labels",
    }[options.labels]
    left = ", ".join(f"{n} {why}" for why, n in measured["left_out"].items()) or "none"
    rows = "\n".join(
        f"| {_SOURCES[name]} | {_rate(found['accuracy'])} | {_rate(found['clear'])} | "
        f"{found['excess']:.3f} | {_ece(found['calibration'])} |"
        for name, found in measured.items()
        if name in _SOURCES
    )
    scale = measured["scale"]
    return f"""A preference model: LoRA adapter and score head (`num_labels=1`), trained on \
{measured["pairs"]} pairs with soft
{learned} (cross-entropy of σ(r_a - r_b)). Pairs left out: {left}. A source that it was not trained
on is a test of how far its taste carries.

| tested on | accuracy | on clear pairs | loss over entropy | calibration error before / after |
|---|---|---|---|---|
{rows}

Scores are raw; {scale["policy"]} has mean {scale["mean"]:.4f} and spread {scale["std"]:.4f} on \
{scale["n"]} samples, by which RL
standardises them.

A dialogue is scored whole, with the end token behind it. In three lines, after imports:

```python
{LOADER.format(base=base, one="" if pads else ", pad_token_id=None")}```"""


def results(measured: dict[str, Any]) -> dict[str, float]:
    """The numbers that a run ends with."""
    found: dict[str, float] = {}
    for name in _SOURCES:
        if name not in measured:
            continue
        for short, key in (("accuracy", "accuracy"), ("clear_accuracy", "clear")):
            if (value := measured[name][key]["value"]) is not None:
                found[f"{name}_{short}"] = value
        found[f"{name}_n"] = measured[name]["accuracy"]["n"]
        if "temperature" in measured[name]["calibration"]:
            found[f"{name}_temperature"] = measured[name]["calibration"]["temperature"]
    return found


def _rate(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return "–"
    low, high = row["ci"] or (0.0, 1.0)
    return f"{row['value']:.3f} ({low:.3f}-{high:.3f}, n={row['n']})"


def _ece(row: dict[str, Any]) -> str:
    if "unscored" in row:
        return str(row["unscored"])
    return f"{row['before']['ece']:.3f} / {row['after']['ece']:.3f} at T={row['temperature']:.2f}"
