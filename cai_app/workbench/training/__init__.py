"""What a training is started with: options from a preset, data snapshotted, needs estimated."""

from cai_app.workbench.training.asking import (
    command,
    describe,
    from_run,
    options_of,
    read_config,
    read_settings,
    set_options,
    yaml_text,
)
from cai_app.workbench.training.gathering import Gathered
from cai_app.workbench.training.kinds import KINDS, Kind
from cai_app.workbench.training.planning import TrainPlan, plan, prepare

__all__ = [
    "KINDS",
    "Gathered",
    "Kind",
    "TrainPlan",
    "command",
    "describe",
    "from_run",
    "options_of",
    "plan",
    "prepare",
    "read_config",
    "read_settings",
    "set_options",
    "yaml_text",
]
