"""Plan, answers of a person -> Plan: one prompt per change that waits, every answer saved at once.

A change is accepted or rejected as a whole. An accepted change always has all that it needs accepted, and of
several answers to one finding at most one is accepted. What followed only from an answer (rejected siblings,
accepted needs) is taken back with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from statelift.infra.costs import in_short
from statelift.infra.suggestions import advice_for
from statelift.model import Change, Decision, Finding, Plan, Tier
from statelift.report.terminal import escape
from statelift.report.text import finding_of, headline

KEYS = "y n d q x b ?"
_HELP = """\
  y  accept this change
  n  reject this change
  d  decide later: leave this and the rest of this file undecided
  q  quit; everything decided so far is kept
  x  explain the finding behind this change
  b  back to the change before
  ?  this help"""


class _Step(Enum):
    STAY = auto()
    MOVE = auto()
    QUIT = auto()


@dataclass(frozen=True, slots=True)
class _Voice:
    """How the session talks with the world."""

    ask: Callable[[str], str]
    show: Callable[[str], None]
    describe: Callable[[Change], str]
    save: Callable[[Plan], None]
    explain: Callable[[Finding], str]


def review(
    plan: Plan,
    ask: Callable[[str], str],
    show: Callable[[str], None],
    describe: Callable[[Change], str],
    save: Callable[[Plan], None],
    explain: Callable[[Finding], str],
) -> Plan:
    """Ask about each undecided safe or review change and give the plan with the decisions.

    `ask` raises EOFError where there is no more input: that is quit. `describe` and `explain` give text that
    is ready to be shown. `save` gets the plan after every answer.
    """
    decisions = _Decisions(plan)
    walk = _Walk(decisions, _Voice(ask, show, describe, save, explain), _agenda(plan))
    if not walk.agenda:
        show("Nothing waits for a decision.")
        return plan
    try:
        walk.run()
    except EOFError:
        show("")  # the prompt's line is still open
    show(_numbers(decisions.plan))
    return decisions.plan


def _is_waiting(change: Change) -> bool:
    return change.decision is None and change.tier is not Tier.MANUAL


def _numbers(plan: Plan) -> str:
    decisions = [change.decision for change in plan.changes]
    accepted, rejected = decisions.count("accepted"), decisions.count("rejected")
    return f"{accepted} accepted, {rejected} rejected, {sum(map(_is_waiting, plan.changes))} undecided"


def _home(plan: Plan, change: Change) -> str:
    """The file that a change belongs to: where its finding stands."""
    finding = finding_of(plan, change)
    return "" if finding is None else finding.place.path


def _agenda(plan: Plan) -> list[str]:
    """Ids of the waiting changes, file by file, files in the order in which the plan comes to them."""
    homes = {change.id: _home(plan, change) for change in plan.changes if _is_waiting(change)}
    ranks = {home: rank for rank, home in enumerate(dict.fromkeys(homes.values()))}
    return sorted(homes, key=lambda name: ranks[homes[name]])


# ---------------------------------------------------------------- what an answer brings with it


@dataclass(slots=True)
class _Decisions:
    """The plan, and of each decision that nobody made by itself the id of the change that it follows from."""

    plan: Plan
    because: dict[str, str] = field(default_factory=dict)

    def change(self, name: str) -> Change:
        return next(change for change in self.plan.changes if change.id == name)

    def siblings(self, change: Change) -> list[Change]:
        """The other answers to the same finding."""
        if change.alternatives_of is None:
            return []
        others = (other for other in self.plan.changes if other.id != change.id)
        return [other for other in others if other.alternatives_of == change.alternatives_of]

    def needed(self, change: Change) -> list[Change]:
        """All that the change needs, and what that needs, without the change itself."""
        found = {change.id: change}
        waiting = list(change.needs)
        while waiting:
            need = self.change(waiting.pop())
            if need.id not in found:
                found[need.id] = need
                waiting += need.needs
        return list(found.values())[1:]

    def accept(self, change: Change) -> None:
        """Accept the change with all that it needs, reject the siblings of each."""
        needed = self.needed(change)
        for one in (change, *needed):
            for sibling in self.siblings(one):
                self._follow(sibling.id, "rejected", change.id)
        for need in needed:
            self._follow(need.id, "accepted", change.id)
        self._answer(change, "accepted")

    def reject(self, change: Change) -> None:
        """Reject the change and take back what followed from accepting it."""
        self._take_back_followers(change.id)
        self._answer(change, "rejected")

    def _answer(self, change: Change, decision: Decision) -> None:
        self.because.pop(change.id, None)
        self._set(change.id, decision)
        self._settle()

    def _follow(self, name: str, decision: Decision, cause: str) -> None:
        # Read the decision now: taking back the one before may have undone this one.
        if self.change(name).decision != decision:
            self._take_back_followers(name)
            self.because[name] = cause
            self._set(name, decision)

    def _take_back_followers(self, cause: str) -> None:
        for name in [name for name, reason in self.because.items() if reason == cause]:
            self._take_back(name)

    def _take_back(self, name: str) -> None:
        self.because.pop(name, None)
        self._set(name, None)
        self._take_back_followers(name)

    def _settle(self) -> None:
        """Whatever lost something that it needs waits again."""
        while (lost := self._unsupported()) is not None:
            self._take_back(lost)

    def _unsupported(self) -> str | None:
        accepted = {change.id for change in self.plan.changes if change.decision == "accepted"}
        broken = (c.id for c in self.plan.changes if c.id in accepted and not accepted.issuperset(c.needs))
        return next(broken, None)

    def _set(self, name: str, decision: Decision | None) -> None:
        changes = (
            replace(change, decision=decision) if change.id == name else change for change in self.plan.changes
        )
        self.plan = replace(self.plan, changes=tuple(changes))


# ---------------------------------------------------------------- the walk


@dataclass(slots=True)
class _Walk:
    """Where the person stands on the agenda."""

    decisions: _Decisions
    voice: _Voice
    agenda: list[str]
    at: int = 0
    visited: set[int] = field(default_factory=set)
    revisited: int | None = None

    def run(self) -> None:
        """Walk to the end of the agenda. Raises EOFError when the answers end."""
        while self.at < len(self.agenda):
            change = self.decisions.change(self.agenda[self.at])
            if change.decision is not None and self.at != self.revisited:
                self.at += 1
                continue
            self._present(change)
            step = _Step.STAY
            while step is _Step.STAY:
                step = self._step(change)
            if step is _Step.QUIT:
                return

    def _step(self, change: Change) -> _Step:
        match self.voice.ask(f"Accept {escape(change.id)}? [{KEYS}] ").strip().lower():
            case "y" | "yes":
                return self._accept(change)
            case "n" | "no":
                return self._answered(change, self.decisions.reject)
            case "d":
                return self._leave_file(change)
            case "q" | "quit":
                return _Step.QUIT
            case "b":
                return self._back()
            case "x":
                return self._explain(change)
            case "?":
                return self._say(_HELP)
            case other:
                return self._say(f"{other!r} is no answer here: {KEYS} (? for help)")

    def _say(self, text: str) -> _Step:
        self.voice.show(text)
        return _Step.STAY

    def _present(self, change: Change) -> None:
        lines = [f"[{self.at + 1}/{len(self.agenda)}] {change.rule} {change.tier.word}: {change.title}"]
        lines += (f"    {line}" for line in self._notes(change))
        self.voice.show("\n".join(map(escape, lines)))
        self.voice.show(self.voice.describe(change))

    def _notes(self, change: Change) -> Iterator[str]:
        finding = finding_of(self.decisions.plan, change)
        if finding is not None:
            yield headline(finding)
        yield from change.reasons
        yield from filter(
            None, (in_short(change), advice_for(finding, change.reasons) if finding is not None else "")
        )
        for sibling in self.decisions.siblings(change):
            default = " (taken where nobody chooses)" if sibling.is_default else ""
            yield f"or, instead: {sibling.id} {sibling.title}{default}"
        if change.is_default:
            yield "taken where nobody chooses"
        if change.needs:
            yield f"needs {', '.join(change.needs)}"
        if change.decision is not None:
            yield f"so far: {change.decision}"

    def _explain(self, change: Change) -> _Step:
        finding = finding_of(self.decisions.plan, change)
        return self._say("No finding names this change." if finding is None else self.voice.explain(finding))

    def _back(self) -> _Step:
        before = [position for position in self.visited if position < self.at]
        if not before:
            return self._say("This is the first change.")
        self.at = self.revisited = max(before)
        return _Step.MOVE

    def _leave_file(self, change: Change) -> _Step:
        home = _home(self.decisions.plan, change)
        self.visited.add(self.at)
        while self.at < len(self.agenda) and self._home_at(self.at) == home:
            self.at += 1
        return _Step.MOVE

    def _home_at(self, position: int) -> str:
        return _home(self.decisions.plan, self.decisions.change(self.agenda[position]))

    # ------------------------------------------------------------ accepting

    def _accept(self, change: Change) -> _Step:
        needed = self.decisions.needed(change)
        if obstacle := self._obstacle([change, *needed]):
            return self._say(f"{escape(change.id)} cannot be accepted: {escape(obstacle)}.")
        missing = [need for need in needed if need.decision != "accepted"]
        if missing and not self._takes_along(change, missing):
            return self._say("Nothing decided.")
        return self._answered(change, self.decisions.accept)

    def _obstacle(self, together: list[Change]) -> str:
        """Why these changes can never be accepted together, or ""."""
        for change in together:
            if change.tier is Tier.MANUAL:
                return f"{change.id} ({change.title}) has to be done by hand"
            if rivals := [other for other in self.decisions.siblings(change) if other in together]:
                return f"of {change.id} and {rivals[0].id} only one can be written"
        return ""

    def _takes_along(self, change: Change, missing: list[Change]) -> bool:
        for need in missing:
            state = need.decision or "undecided"
            self._say(escape(f"{change.id} needs {need.id} ({need.title}), which is {state}."))
            for rival in self.decisions.siblings(need):
                if rival.decision == "accepted":
                    self._say(escape(f"Accepting {need.id} rejects {rival.id} ({rival.title})."))
        return self.voice.ask("Accept all of this? [y n] ").strip().lower() in ("y", "yes")

    def _answered(self, change: Change, decide: Callable[[Change], None]) -> _Step:
        before = self.decisions.plan
        decide(change)
        self.voice.save(self.decisions.plan)
        self._tell_consequences(before, change)
        self.visited.add(self.at)
        self.at += 1
        return _Step.MOVE

    def _tell_consequences(self, before: Plan, cause: Change) -> None:
        for old, new in zip(before.changes, self.decisions.plan.changes, strict=True):
            if new.id == cause.id or old.decision == new.decision:
                continue
            self._say(escape(f"{new.id} is {new.decision or 'undecided again'} because of {cause.id}."))
            if _is_waiting(new) and new.id not in self.agenda[self.at + 1 :]:
                self.agenda.append(new.id)
