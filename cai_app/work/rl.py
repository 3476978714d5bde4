"""rl: a policy trained on a preference model by RLOO, held to where it started (CAI 4.2, HH 4.1).

Policy, start policy and preference model are adapters on one 4-bit base. A loop of its own, not
TRL's RLOOTrainer: that one samples through `generate` (several times slower here than the decode
loop's batches), rounds adapters of 4-bit models to bf16, logs a KL that can be negative, and lets
NaN rewards pass with no gradient. What is left of it is `rloo.py` and `Job.step`.
"""

import sys

from cai_app.errors import InputError
from cai_app.records.rewards import RlOptions
from cai_app.work.learner import asked_to_stop, begun
from cai_app.work.one_base import of_run
from cai_app.work.program import main
from cai_app.work.progress import Run, Stopped
from cai_app.work.rl_job import CUT, OUTPUTS, Job
from cai_app.work.rl_prompts import gather, prompts_of_step
from cai_app.work.training.processes import join, wait, world


def rl(run: Run) -> None:
    """Write adapter/, the policy; steps/NNNNNN/, the policy at each look; samples.jsonl."""
    options = RlOptions(**run.config.options)
    if (each := prompts_of_step(options)) < world().size:
        raise InputError(
            f"a step has {each} prompts (batch {options.batch}, samples {options.samples}), too "
            f"few for {world().size} processes; raise batch, or start fewer processes"
        )
    run.hold_device()
    join()
    run.set("running", unit="steps", total=options.max_steps, outputs=OUTPUTS)
    base, opened = of_run(run, options)
    prompts, fixed, unseen = gather(run, options, base)
    job = Job(run, options, base, opened, prompts, fixed)
    state = begun(run, CUT)
    if state is None:
        job.look()
    else:
        job.restore(state)
    total = options.max_steps
    while job.done < total:
        if asked_to_stop(run):
            job.save()
            raise Stopped
        numbers = job.step()
        job.done += 1
        if job.done % options.log_every == 0 or job.done == total:
            job.log(numbers)
        if job.done == total or (options.sample_every and job.done % options.sample_every == 0):
            job.look()
        if job.done % options.save_every == 0 and job.done < total:
            job.save()
    if world().first:
        job.finish(unseen)
    wait()


if __name__ == "__main__":
    sys.exit(main(rl, sys.argv[1:], what="train rl: a policy on a preference model"))
