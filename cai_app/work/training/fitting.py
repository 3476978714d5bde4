"""A library's trainer on a run directory: curves, Stop, checkpoints, and going on from them.

After a kill the run goes on from the newest whole checkpoint, with curves and samples cut back to
it, so that its weights and its curves are those of an unbroken run.
"""

import contextlib
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cai_app import files
from cai_app.errors import InputError
from cai_app.records import TrainOptions
from cai_app.work import checkpoints
from cai_app.work.progress import Paused, Run, Stopped
from cai_app.work.training.processes import world
from cai_app.work.training.resuming import CUT, adopt, finished, resume_point
from cai_app.work.training.sampling import Sampler

log = logging.getLogger(__name__)

# Sees the numbers of a log entry under the curves' names; a reason pauses the run.
Alarm = Callable[[dict[str, float]], str | None]
_STAGING = ".part"  # where the trainer writes a checkpoint before it counts
_SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
# What the library calls things, and what the curves call them; None is left out.
_NAMES: dict[str, str | None] = {
    "learning_rate": "lr",
    "eval_loss": "held_out_loss",
    "num_input_tokens_seen": "tokens",
    "train_tokens_per_second": "tokens_per_s",
    "rewards_accuracies": "accuracy",
    "rewards_margins": "margin",
    **dict.fromkeys(
        (
            "eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "total_flos",
            "train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss",
            "num_tokens", "eval_num_tokens", "logits_chosen", "logits_rejected", "logps_chosen",
            "logps_rejected", "entropy", "mean_token_accuracy",
        )
    ),
}  # fmt: skip


def arguments(run: Run, options: TrainOptions, *, form: Any = None, **extra: Any) -> Any:
    """TrainingArguments (or a config of TRL, as `form`) of a run. Raises InputError for a batch
    that cannot be shared out."""
    import torch
    from transformers import TrainingArguments

    cuda = torch.cuda.is_available()
    here = world()
    micro = min(options.micro_batch, max(1, options.batch // here.size))
    if options.batch % (micro * here.size):
        raise InputError(
            f"batch {options.batch} cannot be shared out over {here.size} processes by "
            f"micro_batch {micro}; choose a multiple of {micro * here.size}"
        )
    values: dict[str, Any] = {
        "output_dir": str(run.path / "checkpoints" / _STAGING),
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": options.batch // (micro * here.size),
        "learning_rate": options.lr,
        "lr_scheduler_type": _SCHEDULES[options.schedule],
        "warmup_steps": options.warmup,
        "num_train_epochs": options.epochs,
        "max_steps": options.max_steps or -1,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "bf16": cuda,
        "use_cpu": not cuda,
        "activation_checkpointing": cuda,
        "seed": options.seed,
        "data_seed": options.seed,
        "logging_steps": options.log_every,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": options.save_every,
        "eval_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "include_num_input_tokens_seen": "non_padding",
        "ddp_find_unused_parameters": False,
    }
    return (form or TrainingArguments)(**{**values, **extra})


class Saving:
    """Mixed into a trainer, before its class: checkpoints count once they are whole."""

    cai_run: Run
    accelerator: Any
    args: Any
    state: Any

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        self.accelerator.wait_for_everyone()
        if world().first:
            made = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            adopt(self.cai_run.path, made)
        self.accelerator.wait_for_everyone()


def fit(
    run: Run,
    trainer: Any,
    *,
    sampler: Sampler | None = None,
    every: int = 0,
    alarms: Sequence[Alarm] = (),
) -> None:
    """Train to the end, or until somebody stops it. `every` steps the sampler looks, and the
    trainer evaluates where it has held-out rows; both do at the end too. `alarms` see the numbers
    of every log entry, and one that gives a reason pauses the run.

    Raises Stopped with everything saved, Paused where the loss is no number any more, and
    InputError where the disk is full.
    """
    trainer.cai_run = run
    shutil.rmtree(trainer.args.output_dir, ignore_errors=True)
    begin = resume_point(run.path)
    if world().first:
        checkpoints.cut_back(run.path, begin, CUT)
    if begin is not None and (steps := finished(begin)):
        # The library would train one step more before it looks whether any is left.
        log.info("checkpoint %s is of the last step; nothing is left to train", begin.name)
        trainer._load_from_checkpoint(str(begin))
        run.set("running", unit="steps", total=steps, done=steps)
        return
    watch = _watch(run, trainer, sampler, every, alarms)
    trainer.add_callback(watch)
    log.info("going on from checkpoint %s" if begin else "beginning%s", begin.name if begin else "")
    with explained_disk(run.path):
        trainer.train(resume_from_checkpoint=str(begin) if begin else None)
    if watch.paused:
        raise Paused(watch.paused)
    if watch.stopped:
        raise Stopped


@contextlib.contextmanager
def explained_disk(path: Path) -> Iterator[None]:
    """A full disk, which libraries report each in their own words, as a sentence."""
    try:
        yield
    except Exception as error:
        if files.is_full(error):
            raise files.DiskFullError.of(path) from error
        raise


def _watch(
    run: Run, trainer: Any, sampler: Sampler | None, every: int, alarms: Sequence[Alarm]
) -> Any:
    """The trainer's callback; its class needs the library, which is imported only now."""
    from transformers import TrainerCallback as Base

    class Watch(_Watch, Base):
        pass

    return Watch(run, trainer, sampler, every, alarms)


class _Watch:
    """Curves out, Stop in."""

    def __init__(
        self,
        run: Run,
        trainer: Any,
        sampler: Sampler | None,
        every: int,
        alarms: Sequence[Alarm],
    ) -> None:
        self.run, self.trainer, self.sampler, self.every = run, trainer, sampler, every
        self.stopped, self.paused = False, ""
        self.alarms = (_is_number, *alarms)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.run.set("running", unit="steps", total=state.max_steps, done=state.global_step)
        if state.global_step == 0:
            self._look(0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = state.global_step >= state.max_steps
        if last or (self.every and state.global_step % self.every == 0):
            self._look(state.global_step)
            control.should_evaluate = bool(self.trainer.eval_dataset)
        if last:
            control.should_save = True
        if self._anyone(self.run.stopping) and not last:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        numbers = _named(logs or {})
        if not numbers:
            return
        self.run.log_metrics(state.global_step, **numbers)
        self.run.report(state.global_step, state.max_steps, **numbers)
        for alarm in self.alarms:
            reason = alarm(numbers)
            if reason and not self.paused:
                # Not saved: the checkpoint before is from when all was well.
                self.paused, control.should_save = reason, False
                control.should_training_stop = True

    def _look(self, step: int) -> None:
        if self.sampler is not None and world().first:
            self.sampler.look(step)

    def _anyone(self, stopping: bool) -> bool:
        """Whether any process was asked to stop: they stop at one and the same step."""
        if world().size == 1:
            return stopping
        import torch
        import torch.distributed

        flag = torch.tensor([float(stopping)], device=self.trainer.args.device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag.item())


def _named(logs: dict[str, Any]) -> dict[str, float]:
    """The numbers of a log entry under the names that curves have."""
    found: dict[str, float] = {}
    for given, value in logs.items():
        plain = given.replace("/", "_")
        held_out = plain.startswith("eval_") and plain not in _NAMES
        bare = plain.removeprefix("eval_") if held_out else plain
        known = _NAMES.get(bare, bare)
        if known is not None and isinstance(value, int | float | str):
            with contextlib.suppress(ValueError):
                found[f"held_out_{known}" if held_out else known] = float(value)
    return {} if set(found) <= {"epoch", "tokens", "tokens_per_s"} else found


def _is_number(numbers: dict[str, float]) -> str | None:
    for name, value in numbers.items():
        if not math.isfinite(value):
            return (
                f"{name} is {value}: the training has broken down; resume goes on from the last "
                "checkpoint, a new run with a lower lr may do better"
            )
    return None
