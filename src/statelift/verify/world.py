"""Events -> Observations: runs one program in containers that the caller makes, on one simulated AWS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from statelift.verify.values import (
    Canned,
    CodeTree,
    Event,
    Faults,
    Observation,
    Resource,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a program runs with, apart from its code and its mishaps. `timeout` is wall time in seconds."""

    environment: Mapping[str, str]
    resources: tuple[Resource, ...] = ()
    canned: tuple[Canned, ...] = ()
    timeout: float = 10.0
    has_coverage: bool = True


class Container:
    """One execution environment: a process, a /tmp. Made by `World.start_container`."""

    name: str
    is_alive: bool
    start_ms: float

    def recycle(self) -> None:
        """Kill it and forget its /tmp."""
        raise NotImplementedError


class World:
    """One program, its containers, and the AWS that only they use. Made by `Sandbox.world`; a context manager.

    Equal arguments and equal calls give equal observations and an equal `log`.
    """

    log: tuple[str, ...]
    containers: tuple[Container, ...]

    def start_container(
        self, modules: Sequence[str] = (), *, hash_seed: int = 0, shares_tmp_of: Container | None = None
    ) -> Container:
        """Start a container and import `modules` in it, as a cold start does.

        An import that fails does not raise: every event of that container then ends in a load-error.
        `hash_seed` numbers one of the sandbox's servers. `shares_tmp_of` gives it the /tmp of another
        container, as Lambda's managed instances do.
        """
        raise NotImplementedError

    def run(self, batch: Sequence[tuple[Container, Event]]) -> list[Observation]:
        """Run the events of a batch at the same time, each in its container (a container takes one event).

        The calls to AWS pass one at a time, in an order that the seed chooses. An event whose container is
        killed by a fault is delivered again to a new container, which takes the place of the old one.
        """
        raise NotImplementedError

    def branch(self) -> "World":
        """A second world that starts as this one stands: memory, /tmp and AWS. Neither sees the other then."""
        raise NotImplementedError

    def snapshot_state(self) -> dict[str, dict[str, str]]:
        """What the tables and buckets hold: resource name -> key -> canonical JSON, or the SHA-256 of an object."""
        raise NotImplementedError

    def close(self) -> None:
        """Kill the containers of this world, remove their folders."""
        raise NotImplementedError

    def __enter__(self) -> "World":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Sandbox:
    """The servers that containers and simulators are forked from. A context manager: closes everything it made."""

    limits: tuple[str, ...]
    """What this system cannot isolate, one sentence each; empty where namespaces work."""

    def __init__(
        self, python: str | None = None, *, hash_seeds: Sequence[int] = (0, 1), has_namespaces: bool = True
    ) -> None:
        """Use the interpreter `python`, by default the one that runs statelift. Raises VerifySetupError."""
        raise NotImplementedError

    def world(self, tree: CodeTree, setting: Setting, *, faults: Faults | None = None, seed: int = 0) -> World:
        """A new world: an empty AWS but for the resources of the setting, no containers yet."""
        raise NotImplementedError
