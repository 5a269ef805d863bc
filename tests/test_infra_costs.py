"""What a change costs is reckoned from a table of prices that has a date and can be replaced."""

import json
import re
from dataclasses import replace
from datetime import date
from importlib.resources import files

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from repositories import written
from test_packages import HEAD, STATE, sam

from statelift.cli.plan import infra
from statelift.infra.costs import PriceError, in_short, known_prices, lines, load_prices, notes
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


def table():
    return json.loads(files("statelift.infra").joinpath("prices.json").read_text())


def test_every_figure_says_when_and_where_it_was_found():
    prices = table()
    of = prices["sources_of"]
    named = [call["source"] for call in prices["calls"].values()] + list(of["storage"].values())
    assert of["storage"].keys() == prices["storage"].keys()
    assert of["limits"].keys() == prices["limits"].keys()
    assert {*named, *of["limits"].values(), of["milliseconds"]} == prices["sources"].keys()
    for source in prices["sources"].values():
        assert source["url"].startswith("https://")
        assert date.fromisoformat(source["date"]) and source["from"]
    assert prices["date"] == min(prices["sources"][name]["date"] for name in named)


@pytest.mark.parametrize(
    ("calls", "words", "factor"),
    [("dynamodb:GetItem", "per million read", 1), ("dynamodb:PutItem", "per million write", 1),
     ("s3:PutObject", "for 1,000 PUT", 1000), ("s3:GetObject", "for 10,000 GET", 100)],
)  # fmt: skip
def test_prices_are_those_that_the_source_quotes(calls, words, factor):
    prices = table()
    price = prices["calls"][calls]
    quoted = re.search(rf"\$([0-9.]+) {words}", prices["sources"][price["source"]]["from"])
    assert price["per_million"] == pytest.approx(float(quoted[1]) * factor)


def test_storage_of_a_table_includes_its_backups():
    prices = table()
    quoted = re.findall(r"\$([0-9.]+) for a GB", prices["sources"]["dynamodb-storage"]["from"])
    assert prices["storage"]["table"] == pytest.approx(sum(map(float, quoted)))


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


def test_the_same_right_in_two_stages_is_one_call():
    stages = [replace(GRANT, role=f"shop-{stage}", template=f"{stage}.json") for stage in ("dev", "prod")]
    assert only(TABLE, *stages) == only(TABLE, GRANT)


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
    other = table()
    other["calls"]["dynamodb:GetItem"]["per_million"] = 1000
    (tmp_path / "mine.json").write_text(json.dumps(other | {"region": "mars-1"}))
    usual = CliRunner().invoke(infra, [str(folder), "--rate", "2000000"])
    mine = CliRunner().invoke(infra, [str(folder), "--prices", str(tmp_path / "mine.json")])
    assert "OrdersTable" not in usual.stdout
    assert "1.50 USD a month more" in usual.stderr
    assert "1,000.62 USD a month more" in mine.stderr
    assert "prices of mars-1" in mine.stderr
    assert usual.stdout == mine.stdout
    missing = CliRunner().invoke(infra, [str(folder), "--prices", str(tmp_path / "gone.json")])
    assert missing.exit_code == 2


def test_a_change_says_in_one_line_what_it_costs():
    assert in_short(change(TABLE, GRANT)) == (
        "costs with OrdersTable: about 11 ms a call and 0.75 USD a month at 1,000,000 calls (statelift infra: more)"
    )
    assert in_short(change()) == ""
