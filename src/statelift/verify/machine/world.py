"""Events -> Observations: runs one program in containers that the caller makes, on one simulated AWS."""

import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from statelift.verify.machine.containers import Container, Spec, spawn
from statelift.verify.machine.gate import Gate, Run
from statelift.verify.machine.sandbox import Process, Sandbox, VerifySetupError
from statelift.verify.machine.simulator import Simulator
from statelift.verify.values import (
    NOT_DEPLOYED,
    Canned,
    CodeTree,
    Deployed,
    Effect,
    Event,
    Fault,
    Faults,
    Observation,
    Resource,
)

__all__ = ["Container", "Setting", "World"]

_START = 1_700_000_000.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What a program runs with, apart from its code and its mishaps. `timeout` is wall time in seconds.

    `deployed` says which of its calls to `deployed.names` are refused.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    resources: tuple[Resource, ...] = ()
    canned: tuple[Canned, ...] = ()
    timeout: float = 10.0
    has_coverage: bool = True
    deployed: Deployed = NOT_DEPLOYED


class World:
    """One program, its containers, and the AWS that only they use. A context manager.

    Equal arguments and equal calls give equal observations and an equal `log`. Not for several threads.
    """

    def __init__(
        self, sandbox: Sandbox, tree: CodeTree, setting: Setting, *, faults: Faults | None = None, seed: int = 0
    ) -> None:
        """An empty AWS but for the resources of the setting, no containers yet."""
        simulator = sandbox.simulator()
        simulator.create(setting.resources)
        self._begin(sandbox, tree, setting, simulator, faults or Faults(), seed)

    def _begin(
        self, sandbox: Sandbox, tree: CodeTree, setting: Setting, simulator: Simulator, faults: Faults, seed: int
    ) -> None:
        self._sandbox, self._tree, self._setting, self._seed = sandbox, tree, setting, seed
        self._gate = Gate(simulator, faults, seed, setting.timeout, self._replacement, setting.deployed)
        self._containers: list[Container] = []
        self._names = self._events = self._batches = 0
        self._at = _START

    @property
    def log(self) -> tuple[str, ...]:
        """The transcript so far: every call in its order, and how every event ended."""
        return tuple(self._gate.log)

    @property
    def injected(self) -> tuple[Fault, ...]:
        """The mishaps that happened: given as a plan, they happen again."""
        return tuple(self._gate.injected)

    @property
    def containers(self) -> tuple[Container, ...]:
        """The containers that live, oldest first."""
        self._containers = [container for container in self._containers if container.is_alive]
        return tuple(self._containers)

    def start_container(
        self, modules: Sequence[str] = (), *, hash_seed: int = 0, shares_tmp_of: Container | None = None
    ) -> Container:
        """Start a container and import `modules` in it, as a cold start does.

        An import that fails does not raise: every event of that container then ends in a load-error.
        `hash_seed` numbers one of the sandbox's servers. `shares_tmp_of` gives it the /tmp of another
        container, as Lambda's managed instances do. Raises VerifySetupError where no container can start.
        """
        spec = Spec(
            server=self._sandbox.servers[hash_seed % len(self._sandbox.servers)],
            root=self._sandbox.placed(self._tree),
            environment=self._setting.environment,
            canned=self._setting.canned,
            has_coverage=self._setting.has_coverage,
            modules=tuple(modules),
            hash_seed=hash_seed,
        )
        return self._started(spec, shares_tmp_of.tmp if shares_tmp_of else None, self._at)

    def run(self, batch: Sequence[tuple[Container, Event]]) -> list[Observation]:
        """Run the events of a batch at the same time, each in its container (a container takes one event).

        The calls to AWS pass one at a time, in an order that the seed chooses. An event whose container is
        killed by a fault is delivered again to a new container, which takes the place of the old one.
        """
        runs = [Run(self._events + place, event, container) for place, (container, event) in enumerate(batch)]
        servers = list({id(run.container.spec.server): run.container.spec.server for run in runs}.values())
        before = [_packets(server) for server in servers]
        order = random.Random(f"{self._seed}:gate:{self._batches}")  # noqa: S311 - it has to repeat itself
        self._events += len(runs)
        self._batches += 1
        self._at = max([self._at, *(event.at for _, event in batch)])
        seen = self._gate.run(runs, order)
        for run, observation in zip(runs, seen, strict=True):
            self._gate.log.append(f"event {run.number} {run.container.name} {observation.outcome}")
        unseen = [server for server, count in zip(servers, before, strict=True) if _packets(server) > count]
        return [
            _with_hidden(observation) if run.container.spec.server in unseen else observation
            for run, observation in zip(runs, seen, strict=True)
        ]

    def branch(self) -> "World":
        """A second world that starts as this one stands: memory, /tmp and AWS. Neither sees the other then."""
        other = World.__new__(World)
        gate = self._gate
        other._begin(self._sandbox, self._tree, self._setting, gate.simulator.copied(), gate.faults, self._seed)
        other._names, other._events, other._batches, other._at = self._names, self._events, self._batches, self._at
        other._gate.log = list(gate.log)
        other._gate.injected = list(gate.injected)
        other._gate.call_count, other._gate.has_weak_reads = gate.call_count, gate.has_weak_reads
        folders: dict[Path, Path] = {}
        for container in self.containers:
            is_first = container.tmp not in folders
            if is_first:
                folders[container.tmp] = self._sandbox.new_folder("tmp")
                shutil.copytree(container.tmp, folders[container.tmp], symlinks=True, dirs_exist_ok=True)
            other._containers.append(container.copied(folders[container.tmp], owns_tmp=is_first))
        return other

    def snapshot_state(self) -> dict[str, dict[str, str]]:
        """What the tables and buckets hold: resource name -> key -> canonical JSON, or the SHA-256 of an object."""
        return self._gate.simulator.state()

    def close(self) -> None:
        """Kill the containers of this world, remove their folders."""
        for container in self._containers:
            container.recycle()
        self._containers.clear()
        self._gate.simulator.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self, spec: Spec, tmp: Path | None, at: float) -> Container:
        self._names += 1
        began = time.perf_counter()
        folder = tmp or self._sandbox.new_folder("tmp")
        try:
            container = spawn(f"c{self._names}", spec, folder, at, owns_tmp=tmp is None)
        except (EOFError, OSError):
            told = spec.server.errors.read_text(errors="replace").strip().splitlines()
            raise VerifySetupError(
                f"A container could not start: {told[-1] if told else 'it said nothing'}"
            ) from None
        self._containers.append(container)
        self._gate.load(container)
        container.start_ms = (time.perf_counter() - began) * 1000
        return container

    def _replacement(self, container: Container, at: float) -> Container:
        is_shared = any(other is not container and other.tmp == container.tmp for other in self._containers)
        return self._started(container.spec, container.tmp if is_shared else None, at)


def _packets(server: Process) -> int:
    answer, _ = server.wire.ask({"op": "packets"})
    return int(answer["count"])


def _with_hidden(observation: Observation) -> Observation:
    if any(effect.is_inconclusive for effect in observation.effects):
        return observation
    hidden = Effect("outside", "network", "connect", "a host that a library in C wanted to reach")
    return replace(observation, effects=(*observation.effects, hidden))
