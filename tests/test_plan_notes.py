"""What a plan says beside its changes: what they cost, and what AWS has for the state."""

import pytest
from click.testing import CliRunner
from repositories import written
from test_packages import HEAD, STATE, sam
from test_suggestions import CONNECTION, DATABASE

from statelift.cli.plan import plan


@pytest.mark.parametrize(
    ("source", "note"),
    [
        (STATE, "a call and"),
        (DATABASE, "statelift infra --skeleton file-system"),
        (CONNECTION, "statelift infra --skeleton database-proxy"),
    ],
)
def test_a_plan_tells_it_in_one_line(tmp_path, source, note):
    folder = written(tmp_path / "p", {"app.py": source, "template.yaml": HEAD + sam("F", ".", "app.handler")})
    shown = CliRunner().invoke(plan, [str(folder)]).output
    told = [line for line in shown.splitlines() if note in line]
    assert len(told) == 1
    assert told[0].startswith("#   ")
