"""What a report says in words, the same in a terminal and in the HTML file."""

from cai_app.records import AuditReport, Rater


def row_of(found: AuditReport) -> str:
    """What a row of the pool is."""
    return "response" if found.kind == "refusal" else "comparison"


def rate_of(found: AuditReport) -> str:
    """Whose rate the second corrected estimate is."""
    if found.kind == "refusal":
        return "people see a refusal"
    return f"people prefer {found.corrected.preference_of}"


def always(found: AuditReport) -> tuple[str, str]:
    """The rule that reads nothing: its name, and what it is."""
    if found.kind == "refusal":
        return "always “refusal”", "what a rater that always says so would get"
    return "always A would get", "a judge that says A whatever it reads"


def rater_name(rater: Rater) -> str:
    """A rater in a few words, with the constitution's version where there is one."""
    named = str(rater.name or rater.backend)
    under = rater.constitution
    version = f" under {under.name} {under.hash[:8]}" if under else ""
    return f"{rater.kind.replace('_', ' ')}: {named}{version}{', reasoned' if rater.cot else ''}"


def still_needed(found: AuditReport) -> str | None:
    """How much more has to be labelled for the width that was asked for; None if unknown."""
    more, waiting, left = found.needed.n, found.needed.waiting, found.pool - found.comparisons
    if more is None:
        return None
    if not left:
        return "every row of the pool is labelled"
    width = f"± {found.needed.width:g}"
    if waiting is not None and more > waiting:
        # What was drawn does not grow, and another draw begins anew.
        size = f"{'all' if more == left else 'about'} {found.comparisons + more}"
        return f"a new spot-check of {size} pairs would give {width}"
    every = ", all that are left," if more == left else ""
    return f"{more} labels more{every} would give {width}"
