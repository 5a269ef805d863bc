"""A user's Bowler script and files -> REVIEW changes, through the same gate as our own."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

from statelift.model import Change, Finding, Place, SourceFile, Tier, Verdict
from statelift.spans import edits_between

REASON = "a foreign codemod made this change: statelift checked that it parses and resolves, nothing else"


def foreign_changes(script: Path, files: Sequence[SourceFile]) -> Iterator[tuple[Finding, Change]]:
    """One finding and one change per file that the script changes or cannot process. ScriptError passes through."""
    from statelift.bowler_adapter import run_script

    before = {file.path: file.data for file in files}
    for result in run_script(script, (), files):
        if result.status == "unchanged":
            continue
        digest = blake2b(f"{script.name}\0{result.path}".encode(errors="replace")).hexdigest()[:6]
        identifier = f"SL901-{digest}"
        is_changed = result.status == "changed"
        reasons = (REASON,) if is_changed else (f"{result.status}: {result.reason}",)
        tier = Tier.REVIEW if is_changed else Tier.MANUAL
        edits = edits_between(result.path, before[result.path], result.after) if is_changed else ()
        finding = Finding(
            id=identifier, rule="SL901", name="foreign-codemod", family="foreign", place=Place(result.path, 1),
            symbol=script.name, verdict=Verdict.FOREIGN, message=f"{script.name} changes this file",
            reasons=reasons, handlers=(), uses=(), tier=tier,
        )  # fmt: skip
        yield finding, Change(f"{identifier}.bowler", "SL901", tier, f"run {script.name}", reasons, edits)
