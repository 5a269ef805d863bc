"""How fast verification runs: start-up, cold containers, events with calls to AWS, branches.

Run `python benchmarks/verify_speed.py`. Figures in milliseconds unless said otherwise; medians.
"""

import statistics
import time
from collections.abc import Callable

from statelift.runtime import HELPER_FILE, render_helper
from statelift.verify.machine.sandbox import Sandbox
from statelift.verify.machine.world import Container, Setting, World
from statelift.verify.values import CodeTree, Event, Table

PLAIN = b"CARTS = {}\ndef handler(event, context):\n    CARTS[event['user']] = event\n    return CARTS\n"
STORE = b"""
from statelift_state import Store
CARTS = Store("CARTS")
def handler(event, context):
    CARTS.put(event["user"], event)
    return CARTS.get(event["user"])
"""
SETTING = Setting({"CARTS": "carts"}, (Table("carts"),))


def timed(action: Callable[[], object]) -> float:
    """Milliseconds that one call takes."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def event(number: int) -> Event:
    """One event of a small shop."""
    return Event("app:handler", f'{{"user": "u{number % 5}"}}', seed=number, at=1_700_000_000.0 + number)


def churn(world: World, count: int) -> float:
    """Seconds for events in containers of which every third is new, batches of two."""
    began = time.perf_counter()
    places: list[Container] = []
    for number in range(0, count, 2):
        places = [*places, world.start_container(["app"])][-3:] if number % 3 == 0 or len(places) < 2 else places
        world.run([(place, event(number + n)) for n, place in enumerate(places[-2:])])
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    began = time.perf_counter()
    with Sandbox() as sandbox:
        print(f"start-up                     {time.perf_counter() - began:7.2f} s")
        helper = render_helper(["store.put", "store.get"]).encode()
        trees = {
            "in memory": CodeTree((("app.py", PLAIN),)),
            "with store": CodeTree((("app.py", STORE), (HELPER_FILE, helper))),
        }
        for name, tree in trees.items():
            with World(sandbox, tree, SETTING) as world:
                cold = statistics.median(world.start_container(["app"]).start_ms for _ in range(15))
                print(f"cold container, {name:12} {cold:7.1f}")
            with World(sandbox, tree, SETTING) as world:
                place = world.start_container(["app"])
                first = timed(lambda place=place, world=world: world.run([(place, event(0))]))
                warm = [timed(lambda n=n, p=place, w=world: w.run([(p, event(n))])) for n in range(1, 20)]
                print(f"first event, {name:15} {first:7.1f}")
                print(f"warm event, {name:16} {statistics.median(warm):7.1f}")
                branches = [timed(lambda world=world: world.branch().close()) for _ in range(10)]
                print(f"branch, {name:20} {statistics.median(branches):7.1f}")
            with World(sandbox, tree, SETTING) as world:
                seconds = churn(world, 60)
                print(f"60 events, {name:17} {seconds:7.2f} s ({60 / seconds:.0f} events/s, churn included)")


if __name__ == "__main__":
    main()
