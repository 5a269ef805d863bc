"""What a change costs is reckoned from a table of prices that has a date and can be replaced."""

import json
from importlib.resources import files

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from repositories import written
from test_packages import HEAD, STATE, sam

from statelift.cli.plan import infra
from statelift.infra.costs import PriceError, known_prices, lines, load_prices, notes
from statelift.model import Change, EnsureEnv, EnsureGrant, EnsureResource, Tier
from statelift.runtime import ACTIONS

TABLE = EnsureResource("OrdersTable", "table")
GRANT = EnsureGrant("F", "OrdersTable", ("dynamodb:GetItem", "dynamodb:UpdateItem"))


def change(*ops):
    return Change("SL101-abc.store", "SL101", Tier.SAFE, "title", (), ops)


def only(*ops, rate=1_000_000):
    (note,) = notes([change(*ops)], known_prices(), rate)
    return note


def test_every_call_of_the_helper_has_a_price():
    assert {action for part in ACTIONS.values() for action in part} <= known_prices().calls.keys()


def test_a_read_and_a_write_for_each_invocation():
    note = only(TABLE, GRANT, EnsureEnv("F", "X", "OrdersTable"))
    assert note.calls == ("dynamodb:GetItem", "dynamodb:UpdateItem")
    prices = known_prices().calls
    assert note.monthly == prices["dynamodb:GetItem"].per_million + prices["dynamodb:UpdateItem"].per_million
    assert note.milliseconds == prices["dynamodb:GetItem"].milliseconds + prices["dynamodb:UpdateItem"].milliseconds


@given(st.integers(0, 10**12))
def test_money_grows_with_the_rate_and_with_the_functions_and_time_does_not(rate):
    other = EnsureGrant("G", "OrdersTable", GRANT.actions)
    one, two = only(TABLE, GRANT, rate=rate), only(TABLE, GRANT, other, rate=rate)
    assert one.monthly == pytest.approx(only(TABLE, GRANT).monthly * rate / 1_000_000)
    assert two.monthly == pytest.approx(2 * one.monthly)
    assert two.milliseconds == one.milliseconds


def test_a_call_without_a_price_is_told():
    note = only(TABLE, EnsureGrant("F", "OrdersTable", ("dynamodb:PartiQLSelect",)))
    assert (note.monthly, note.unknown) == (0, ("dynamodb:PartiQLSelect",))
    assert "without a price: dynamodb:PartiQLSelect" in next(lines([note], known_prices(), 1))


def test_metrics_have_no_note():
    assert list(notes([change(EnsureResource("M", "metric"))], known_prices())) == []


def test_the_note_names_money_time_limits_and_the_date_of_the_prices():
    first, last = lines([only(TABLE, GRANT)], known_prices(), 1_000_000)
    assert "GetItem, UpdateItem; about 11 ms and 0.75 USD a month more, plus 0.45 USD per GB" in first
    assert "an item holds 400 KB" in first
    assert last.endswith(f"prices of us-east-1 on {known_prices().date}.")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"date": 1, "calls": []}', "\x00"])
def test_tables_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(PriceError, match="is no table of prices"):
        load_prices(tmp_path / "prices.json")


def test_infra_tells_the_costs_and_takes_other_prices(tmp_path):
    folder = written(tmp_path / "p", {"app.py": STATE, "template.yaml": HEAD + sam("F", ".", "app.handler")})
    table = json.loads(files("statelift.infra").joinpath("prices.json").read_text())
    table["calls"]["dynamodb:GetItem"]["per_million"] = 1000
    (tmp_path / "mine.json").write_text(json.dumps(table | {"region": "mars-1"}))
    usual = CliRunner().invoke(infra, [str(folder), "--rate", "2000000"])
    mine = CliRunner().invoke(infra, [str(folder), "--prices", str(tmp_path / "mine.json")])
    assert "OrdersTable" not in usual.stdout
    assert "1.50 USD a month more" in usual.stderr
    assert "1,000.62 USD a month more" in mine.stderr
    assert "prices of mars-1" in mine.stderr
    assert usual.stdout == mine.stdout
    missing = CliRunner().invoke(infra, [str(folder), "--prices", str(tmp_path / "gone.json")])
    assert missing.exit_code == 2
