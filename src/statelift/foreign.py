"""A user's Bowler script and files -> one REVIEW change, through the same gate as our own."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from statelift.model import Change, Edit, Finding, Place, SourceFile, Tier, Use, Verdict
from statelift.spans import edits_between

if TYPE_CHECKING:
    from statelift.bowler_adapter import Rewritten

REASON = "a foreign codemod made this change: statelift checked that it parses and resolves, nothing else"


def foreign_changes(
    script: Path, files: Sequence[SourceFile], root: Path
) -> Iterator[tuple[Finding, Change | None]]:
    """One change for all files that the script changes (a rename must not be accepted by halves), and a MANUAL
    finding for each file that it could not process. ScriptError passes through.
    """
    from statelift.bowler_adapter import run_script

    results = run_script(script, (), files, root)
    changed = [result for result in results if result.status == "changed"]
    if changed:
        yield _changed(script, changed, {file.path: file.data for file in files})
    for result in results:
        if result.status not in ("changed", "unchanged"):
            yield _unprocessed(script, result), None


def _identifier(script: Path, path: str) -> str:
    return "SL901-" + blake2b(f"{script.name}\0{path}".encode(errors="replace")).hexdigest()[:6]


def _changed(script: Path, changed: "Sequence[Rewritten]", before: dict[str, bytes]) -> tuple[Finding, Change]:
    edits: list[Edit] = []
    for result in changed:
        edits += edits_between(result.path, before[result.path], result.after)
    uses = tuple(Use(result.path, 1, "rewritten") for result in changed)
    identifier = _identifier(script, "")
    message = f"{script.name} changes {len(changed)} file{'s' if len(changed) != 1 else ''}"
    finding = _finding(script, identifier, changed[0].path, message, REASON, Tier.REVIEW, uses)
    change = Change(f"{identifier}.bowler", "SL901", Tier.REVIEW, f"run {script.name}", (REASON,), tuple(edits))
    return finding, change


def _unprocessed(script: Path, result: "Rewritten") -> Finding:
    message = f"{script.name} could not be run on this file"
    reason = f"{result.status}: {result.reason}"
    return _finding(script, _identifier(script, result.path), result.path, message, reason, Tier.MANUAL, ())


def _finding(
    script: Path, identifier: str, path: str, message: str, reason: str, tier: Tier, uses: tuple[Use, ...]
) -> Finding:
    return Finding(
        id=identifier,
        rule="SL901",
        name="foreign-codemod",
        family="foreign",
        place=Place(path, 1, 1, 1),
        symbol=script.name,
        verdict=Verdict.FOREIGN,
        message=message,
        reasons=(reason,),
        handlers=(),
        uses=uses,
        tier=tier,
    )
