"""How long a large template takes: 60 functions that each need a table, together and one change after the other.

Run `python benchmarks/template_speed.py`. Seconds of processor time.
"""

import time
from collections.abc import Callable

from statelift.infra.patching import patch_file
from statelift.model import EnsureEnv, EnsureGrant, EnsureResource, InfraOperation

FUNCTIONS = 60
QUEUE = """  Queue{number}:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 60
      Tags:
        - Key: purpose
          Value: {text}
"""
FUNCTION = """  F{number}:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f{number}/
      Handler: app.handler
      Runtime: python3.12
"""


def template() -> bytes:
    """About 100 KB."""
    functions = [FUNCTION.format(number=number) for number in range(FUNCTIONS)]
    queues = [QUEUE.format(number=number, text="work " * 50) for number in range(4 * FUNCTIONS)]
    return ("Transform: AWS::Serverless-2016-10-31\nResources:\n" + "".join(functions + queues)).encode()


def asked(number: int) -> tuple[InfraOperation, ...]:
    """What the change of one function asks for."""
    table = f"T{number:03}Table"
    return (
        EnsureResource(table, "table", (("origin", f"f{number}/app.py"),)),
        EnsureEnv(f"F{number}", f"T{number:03}_TABLE_NAME", table),
        EnsureGrant(f"F{number}", table, ("dynamodb:GetItem", "dynamodb:UpdateItem")),
    )


def seconds(task: Callable[[], object]) -> float:
    """Processor time of one run, which other programs disturb least."""
    began = time.process_time()
    task()
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    data = template()
    everything = [operation for number in range(FUNCTIONS) for operation in asked(number)]

    def one_by_one() -> bytes:
        known = data
        for number in range(FUNCTIONS):
            known = patch_file("template.yaml", known, asked(number))
        return known

    together = seconds(lambda: patch_file("template.yaml", data, everything))
    apart = seconds(one_by_one)
    print(f"{len(data)} bytes, {FUNCTIONS} functions, {len(everything)} additions")
    print(f"together         {together:7.2f} s")
    print(f"one by one       {apart:7.2f} s, {apart / together:.0f} times as long")


if __name__ == "__main__":
    main()
