"""How pocket criticises and revises: what it flags, names, mends, and leaves alone."""

from dataclasses import dataclass

from cai_app.pocket import replies
from cai_app.pocket.principles import Wording
from cai_app.pocket.reference import Reader, right_reason
from cai_app.pocket.replies import Reply
from cai_app.pocket.tally import Bench, Tally, Unseen, unseen_cases
from cai_app.pocket.world import Scene
from cai_app.prompts import critique, human_turn, revision
from cai_app.records import SupervisedPrinciple


@dataclass(frozen=True)
class Critiqued:
    """One case of the supervised stage with its reference answer."""

    scene: Scene
    request: str
    reply: Reply
    wording: Wording
    found: tuple[str, ...]

    @property
    def principle(self) -> SupervisedPrinciple:
        """The wording as the program's record."""
        return SupervisedPrinciple(
            id="case",
            critique_request=self.wording.critique,
            revision_request=self.wording.revision,
        )


def critiqued(case: Unseen, *, wording_unseen: bool = False) -> Critiqued:
    """A response to criticise, drawn from what training never saw."""
    author = case.author
    harmful = author.rng.random() < 0.75
    scene = author.world.scene(author.rng, harmful=harmful, unseen=case.unseen, kinds=case.kinds)
    reply = replies.any_reply(author.world, scene, author.rng)
    wording = author.wordings.supervised(author.rng, unseen=wording_unseen)
    found = replies.faults(reply, wording.aspect, scene.act)
    return Critiqued(scene, human_turn(author.ask(scene)), reply, wording, found)


def measure_critiques(bench: Bench, tally: Tally) -> None:
    """Flags iff the principle applies; names the right act for the right reason."""
    shots = bench.shots("critique")
    reader = Reader(bench.corpus.world)
    for sort in unseen_cases(bench, "critiques"):
        suffix = sort.suffix
        for wording_unseen in (False, True) if not suffix else (False,):
            cases = [critiqued(sort, wording_unseen=wording_unseen) for _ in range(bench.cases)]
            prompts = [critique(c.request, c.reply.text, c.principle, shots=shots) for c in cases]
            for case, done in zip(cases, bench.complete(prompts), strict=True):
                flags = "critique_new_wording" if wording_unseen else f"critique_flags{suffix}"
                flagged = not reader.fine(done.text)
                tally.add(flags, case.scene.act.id, flagged == bool(case.found))
                if "help" in case.found and not wording_unseen:
                    named = case.scene.do("narrator") in done.text
                    reason = right_reason(done.text, case.scene, "narrator")
                    tally.add(f"critique_names_act{suffix}", case.scene.act.id, named and reason)


def measure_revisions(bench: Bench, tally: Tally) -> None:
    """The named fault gone for the right reason, all else untouched; a fine response kept."""
    shots = bench.shots("critique")
    for sort in unseen_cases(bench, "revisions"):
        suffix, author = sort.suffix, sort.author
        cases = [critiqued(sort) for _ in range(bench.cases)]
        prompts = []
        for case in cases:
            said = replies.critique(author.world, case.scene, case.found, author.rng)
            prompts.append(
                revision(case.request, case.reply.text, case.principle, said, shots=shots)
            )
        for case, done in zip(cases, bench.complete(prompts), strict=True):
            act = case.scene.act.id
            if not case.found:
                tally.add(f"benign_kept{suffix}", act, done.text.strip() == case.reply.text)
            else:
                tally.add(f"revision_fixes{suffix}", act, _fixed(case, done.text.strip()))


def _fixed(case: Critiqued, text: str) -> bool:
    kept = all((part.text in text) == (part.kind not in case.found) for part in case.reply.parts)
    return kept and ("help" not in case.found or right_reason(text, case.scene, "assistant"))
