"""An argument of a client that signs requests -> where the signers are made, and what a kept one would do."""

from collections.abc import Iterator

from statelift.facts.signers import MAKER
from statelift.facts.values import Argument, Connection, Signer
from statelift.judge.evidence import Evidence
from statelift.model import Tier


def is_signed(evidence: Evidence, path: str, argument: Argument) -> bool:
    """Whether the client signs with what AWS4Auth made of keys."""
    return any(source.detail == MAKER for source in evidence.sources.of(path, argument.value))


def signers_of(
    evidence: Evidence, path: str, connection: Connection, argument: Argument
) -> Iterator[tuple[str, Signer]]:
    """The signers with the keys of a moment that its function makes, or one that it calls, by their file."""
    if is_signed(evidence, path, argument):
        reached = evidence.reach.below([(path, connection.function)])
        for site, module in sorted(evidence.program.modules.items()):
            yield from ((site, each) for each in module.signers if (site, each.function) in reached)


def is_renewed(evidence: Evidence, path: str, connection: Connection, argument: Argument) -> bool:
    """Whether a change makes all of them ask for the keys each time they sign."""
    found = list(signers_of(evidence, path, connection, argument))
    is_near = not argument.has_locals or [(path, connection.function, argument.value.text)] == [
        (site, each.function, each.variable) for site, each in found
    ]
    return bool(found) and is_near and all(each.text for _, each in found)


def doubts_of_signers(
    evidence: Evidence, path: str, connection: Connection, argument: Argument
) -> Iterator[tuple[Tier, str]]:
    """Tier and reason for a signer in a client that is kept."""
    text = argument.value.text
    if is_signed(evidence, path, argument) and (path, connection.function) in evidence.beside:
        yield Tier.MANUAL, f"threads would share {text}, and AWS4Auth does not allow that"
    if is_renewed(evidence, path, connection, argument):
        yield Tier.REVIEW, f"{text} asks for the keys each time it signs: that takes requests-aws4auth 1.1 or newer"
        return
    for site, each in signers_of(evidence, path, connection, argument):
        if not each.text:
            yield (
                Tier.MANUAL,
                f"line {each.place.line} of {site} signs with the keys of one moment, which expire in a client that"
                " is kept: give it refreshable_credentials",
            )
