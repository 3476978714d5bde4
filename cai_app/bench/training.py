"""Peak memory of RL with its preference model: beside plain fine-tuning, and beside TRL.

On random weights of 510M in NF4, at equal tokens in a batch. Every number is that of a real run in
a process of its own, less what a process takes that only imports what this one does.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cai_app import files
from cai_app.backends import folders, memory
from cai_app.bench.memory import STATUS, peak_of
from cai_app.bench.plain import make_preference
from cai_app.errors import BackendError
from cai_app.settings import Settings

ROWS, SAMPLES = 8, 2  # responses in a step, and of these to one prompt
SFT, RL, TRL = "sft", "rl with its preference model", "TRL's RLOO with a reward model of its own"
MOST = 1.25  # of what sft takes
_POLL = 0.02  # seconds
_SHARED = "import torch, peft, bitsandbytes; from transformers import LlamaForCausalLM"
_IMPORTS = {
    SFT: f"{_SHARED}, Trainer; import cai_app.work.sft",
    RL: f"{_SHARED}; import cai_app.work.rl",
    TRL: f"{_SHARED}; import datasets; from trl import RLOOTrainer; import cai_app.bench.trl_rl",
}


class Taken(NamedTuple):
    """A run's peak above its imports, in MiB, and its seconds, loading included."""

    mb: float
    seconds: float


def names() -> tuple[str, ...]:
    """The rows."""
    return (
        f"peak memory, 510M: {RL}, against {SFT}",
        f"peak memory, 510M: the same, against {TRL}",
    )


def measure(
    settings: Settings, *, parts: Sequence[str] = (SFT, RL, TRL)
) -> Iterator[tuple[str, Taken]]:
    """What each of these takes, one after the other. Raises BackendError where a run fails."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        base = _made(settings, folder)
        home, spec = folder / "home", f"hf:{folder / 'base'}"
        common = (f"backend={spec}", "start=start", f"batch={ROWS}", f"micro_batch={ROWS}",
                  "max_steps=1", "sample_every=0")  # fmt: skip
        sft = prepared(settings, home, SFT, *common, "data=helpful", "helpful=reference",
                        f"helpful_limit={ROWS}", "held_out=0")  # fmt: skip
        prompt, tokens = _longest(base, sft)
        asked = folder / "prompts.jsonl"
        asked.write_text(
            "".join(json.dumps({"prompt": f"{prompt} ({n})"}) + "\n" for n in range(9))
        )
        rl = prepared(settings, home, "rl", *common, "pm=pm", "test_pm=none", f"prompts={asked}",
                       f"samples={SAMPLES}", f"answer_tokens={tokens}", "fixed=2")  # fmt: skip
        # Random weights end no answer; a run would pause for it.
        files.replace(rl / "alarms.json", json.dumps(["truncated", "spread", "kl", "length"]))
        pm = str(home / "adapters" / "pm")
        commands = {
            SFT: ["cai_app.work.sft", str(sft)],
            RL: ["cai_app.work.rl", str(rl)],
            TRL: ["cai_app.bench.trl_rl", str(base), pm, str(asked), str(tokens)],
        }
        for part in parts:
            yield part, _taken(settings, part, commands[part])


def _made(settings: Settings, folder: Path) -> Path:
    """Base, start adapter and preference model, of random weights, with pocket's tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    size = folders.pocket_default(settings.data)
    tokenizer = AutoTokenizer.from_pretrained(str(settings.data / "pocket" / size))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2048, hidden_size=1536, intermediate_size=4096, num_hidden_layers=18,
        num_attention_heads=12, num_key_value_heads=12, max_position_embeddings=1024,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    base, adapters = folder / "base", folder / "home" / "adapters"
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    get_peft_model(model, lora).save_pretrained(adapters / "start")
    make_preference(base, adapters / "pm")
    return base


def prepared(settings: Settings, home: Path, kind: str, *values: str) -> Path:
    """The folder of a run that waits for its worker."""
    command = [
        sys.executable,
        "-m",
        "cai_app",
        "--home",
        str(home),
        "train",
        kind,
        "--set",
        *values,
    ]
    ran = subprocess.run(
        [*command, "--prepare", "--json"], cwd=settings.root, capture_output=True, text=True
    )
    if ran.returncode:
        raise BackendError(f"train {kind} failed: {ran.stderr.strip()[-300:]}")
    return home / "runs" / str(json.loads(ran.stdout)["run"])


def _longest(base: Path, sft: Path) -> tuple[str, int]:
    """The longest of the rows that sft pads to: its prompt, and how many tokens answer it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(base))
    rows, _ = files.read_rows(sft / "inputs.rows.jsonl")
    longest = max(rows, key=lambda row: len(tokenizer.encode(row["prompt"] + row["text"])))
    # " (0)" after the prompt makes the prompts of RL different, and stands for the end token.
    return longest["prompt"], len(tokenizer.encode(longest["text"]))


def _taken(settings: Settings, part: str, command: Sequence[str]) -> Taken:
    """Watched from outside: nothing in the worker knows that it is measured."""
    bare = subprocess.run(
        [sys.executable, "-c", f"{_IMPORTS[part]}; print(open('/proc/self/status').read())"],
        cwd=settings.root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=settings.root, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    most = 0.0
    while process.poll() is None:
        most = max(most, peak_of(process.pid))
        time.sleep(_POLL)
    said = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise BackendError(f"{' '.join(command[:1])} failed: {said.strip()[-500:]}")
    return Taken(most - _peak_in(bare.stdout), time.perf_counter() - begun)


def _watchable() -> bool:
    """Whether what a process holds is what its training takes: on a GPU that is the device's
    memory, which only the process itself can tell."""
    return STATUS.exists() and not memory.is_gpu(0)


def _peak_in(status: str) -> float:
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**10


def rows(settings: Settings) -> Iterator[dict[str, Any]]:
    """A row as soon as both of its sides are measured. The ratio is theirs to ours, so that rl at
    1.25 times sft is 0.8. Where a process cannot be watched from outside, nothing is measured."""
    targets = dict(zip(names(), (1 / MOST, 1.0), strict=True))
    if not _watchable():
        for name, target in targets.items():
            yield {"row": name, "ours_s": None, "target": target}
        return
    taken: dict[str, Taken] = {}
    for part, one in measure(settings):
        taken[part] = one
        if part in (RL, TRL):
            name, other = (names()[0], SFT) if part == RL else (names()[1], TRL)
            yield {
                "row": name,
                "ours_s": taken[RL].seconds,
                "theirs_s": taken[other].seconds,
                "peak_mb": taken[RL].mb,
                "theirs_mb": taken[other].mb,
                "ratio": taken[other].mb / taken[RL].mb,
                "target": targets[name],
            }
