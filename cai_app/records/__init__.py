"""The small typed records that pass between modules; dictionaries exist only at file edges."""

from cai_app.records.audit import Answer, Answered, Blind, Invite, Queue, QueueRow
from cai_app.records.base import Options, Record
from cai_app.records.method import (
    ConstitutionRef,
    Flag,
    OrderVerdict,
    PreferencePrinciple,
    PrincipleVerdict,
    Side,
    Step,
    SupervisedPrinciple,
    Transcript,
    Verdict,
)
from cai_app.records.model import Completion, ModelInfo, Prompt, Sampling, TokenScore, Turn
from cai_app.records.report import AuditOptions, AuditReport
from cai_app.records.rows import (
    Comparison,
    Label,
    LabelKind,
    Rater,
    Response,
    Row,
    hashed,
    transcript_id,
)
from cai_app.records.runs import (
    GenerateOptions,
    LabelOptions,
    RunConfig,
    RunInfo,
    RunState,
    RunStatus,
)

__all__ = [
    "Answer",
    "Answered",
    "AuditOptions",
    "AuditReport",
    "Blind",
    "Comparison",
    "Completion",
    "ConstitutionRef",
    "Flag",
    "GenerateOptions",
    "Invite",
    "Label",
    "LabelKind",
    "LabelOptions",
    "ModelInfo",
    "Options",
    "OrderVerdict",
    "PreferencePrinciple",
    "PrincipleVerdict",
    "Prompt",
    "Queue",
    "QueueRow",
    "Rater",
    "Record",
    "Response",
    "Row",
    "RunConfig",
    "RunInfo",
    "RunState",
    "RunStatus",
    "Sampling",
    "Side",
    "Step",
    "SupervisedPrinciple",
    "TokenScore",
    "Transcript",
    "Turn",
    "Verdict",
    "hashed",
    "transcript_id",
]
