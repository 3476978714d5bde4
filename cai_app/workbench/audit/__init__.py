"""The audit of AI labels against people: what goes into it, the report, and the rating queue."""

from cai_app.workbench.audit.desk import Desk, Seat
from cai_app.workbench.audit.drawing import QueuePlan, draw
from cai_app.workbench.audit.inviting import NEEDS_LOGIN, QueueState, Spotchecks
from cai_app.workbench.audit.kept import Audits
from cai_app.workbench.audit.rating import Rating, Shown

__all__ = [
    "Audits",
    "Desk",
    "NEEDS_LOGIN",
    "QueuePlan",
    "QueueState",
    "Rating",
    "Seat",
    "Shown",
    "Spotchecks",
    "draw",
]
