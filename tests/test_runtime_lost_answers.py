"""Every method while the network loses answers: each call of each method in turn, below and above the SDK."""

import os

import boto3
import pytest
from botocore.exceptions import ClientError, HTTPClientError
from test_runtime_world import BUCKET, TABLE, WRITES, cloud, container, lose_in_transit, new_table, rows, watch


@pytest.fixture(scope="module", autouse=True)
def _cloud():
    with cloud():
        yield


def fresh():
    """A new table with two keys and a file, and a container that has made no call yet."""
    new_table()
    store = container().Store(TABLE)
    store.put("old", "before")
    store.put("other", 1)
    boto3.client("dynamodb").delete_item(TableName=os.environ[TABLE], Key={"pk": {"S": "k"}})
    s3 = boto3.client("s3")
    s3.put_object(Bucket="files", Key="tmp/old.txt", Body=b"before")
    s3.delete_object(Bucket="files", Key="tmp/new.txt")
    return container()


def store(module):
    return module.Store(TABLE)


def counter(module):
    return module.Counter(TABLE, "app.count", initial=5)


def write_file(module):
    with module.FileStore(BUCKET).open("/tmp/new.txt", "w") as file:
        file.write("new")


def append_file(module):
    with module.FileStore(BUCKET).open("/tmp/old.txt", "a") as file:
        file.write("+")
    return read_file(module)


def create_file(module):
    with module.FileStore(BUCKET).open("/tmp/new.txt", "x") as file:
        file.write("new")
    with module.FileStore(BUCKET).open("/tmp/new.txt") as file:
        return file.read()


def read_file(module):
    with module.FileStore(BUCKET).open("/tmp/old.txt") as file:
        return file.read()


def step_on_file(module, path="/tmp/old.txt"):
    files = module.FileStore(BUCKET)

    @files.one_step(path)
    def changed():
        text = ""
        if files.exists(path):
            with files.open(path) as file:
                text = file.read()
        files.write_text(path, f"{text}+")
        return files.open(path).read()

    return changed()


def edit(module, key, *default):
    with store(module).edit(key, *default) as value:
        value.append(1)
        return list(value)


def add_twice(module):
    count = counter(module)
    return count.add(2), count.add(-10)


def add_and_reset(module):
    count = counter(module)
    return [count.add(2), count.reset(), count.add(1)]


def add_by_key(module):
    counts = module.Counters(TABLE)
    return [counts.add("k", 2), counts.add("k", 3), counts.get("k")]


def add_by_two(module):
    """Two containers with one slot for both."""
    one, two = module.Counters(TABLE), module.Counters(TABLE)
    first = one.add("k", 2)
    two._known["k"] = module.Counter(TABLE, "k")
    two._known["k"]._slot = one._known["k"]._slot
    return [first, two.add("k", 3)]


def in_one_step(module, function):
    kept = store(module)
    return module.one_step(kept)(lambda: function(kept))()


def moved(kept):
    kept.put("new", kept.pop("old"))
    kept.put("other", kept.get("other") + 1)
    return kept.contains("old"), kept.get("other")


def raised_once(kept):
    kept.put("other", kept.require("other") + 1)
    return kept.require("none")


KEPT = [("old", "before"), ("other", 1)]
# What to do, its answer (or KeyError), and the entries and the count that it leaves.
TABLE_CASES = {
    "put new": (lambda m: store(m).put("new", 1), None, [*KEPT, ("new", 1)], 5),
    "put old": (lambda m: store(m).put("old", 1), None, [("old", 1), ("other", 1)], 5),
    "get": (lambda m: store(m).get("old"), "before", KEPT, 5),
    "require": (lambda m: store(m).require("old"), "before", KEPT, 5),
    "require missing": (lambda m: store(m).require("new"), KeyError, KEPT, 5),
    "contains": (lambda m: store(m).contains("old"), True, KEPT, 5),
    "delete": (lambda m: store(m).delete("old"), None, KEPT[1:], 5),
    "delete missing": (lambda m: store(m).delete("new"), KeyError, KEPT, 5),
    "pop": (lambda m: store(m).pop("old"), "before", KEPT[1:], 5),
    "pop missing": (lambda m: store(m).pop("new"), KeyError, KEPT, 5),
    "pop default": (lambda m: store(m).pop("new", 7), 7, KEPT, 5),
    "setdefault new": (lambda m: store(m).setdefault("new", [1]), [1], [*KEPT, ("new", [1])], 5),
    "setdefault old": (lambda m: store(m).setdefault("old", [1]), "before", KEPT, 5),
    "edit missing": (lambda m: edit(m, "new"), KeyError, KEPT, 5),
    "edit new": (lambda m: edit(m, "new", [0]), [0, 1], [*KEPT, ("new", [0, 1])], 5),
    "mutate": (lambda m: store(m).mutate("other", lambda n: n + 1), 2, [KEPT[0], ("other", 2)], 5),
    "mutate missing": (lambda m: store(m).mutate("new", str), KeyError, KEPT, 5),
    "mutate new": (lambda m: store(m).mutate("new", lambda n: n + 1, 0), 1, [*KEPT, ("new", 1)], 5),
    "claim new": (lambda m: store(m).claim("new", 1), True, [*KEPT, ("new", 1)], 5),
    "claim old": (lambda m: store(m).claim("old", 1), False, KEPT, 5),
    "put_if": (lambda m: store(m).put_if("other", 9, lambda n: n < 9), True, [KEPT[0], ("other", 9)], 5),
    "put_if not": (lambda m: store(m).put_if("other", 0, lambda n: n < 0), False, KEPT, 5),
    "put_if missing": (lambda m: store(m).put_if("new", 1, bool), KeyError, KEPT, 5),
    "put_unless new": (lambda m: store(m).put_unless("new", 1, bool, 0), True, [*KEPT, ("new", 1)], 5),
    "items": (lambda m: store(m).items(), KEPT, KEPT, 5),
    "count": (lambda m: store(m).count(), 2, KEPT, 5),
    "add": (lambda m: counter(m).add(), 6, KEPT, 6),
    "add twice": (add_twice, (7, -3), KEPT, -3),
    "reset": (lambda m: counter(m).reset(7), None, KEPT, 7),
    "add and reset": (add_and_reset, [7, None, 1], KEPT, 1),
    "value": (lambda m: counter(m).value(), 5, KEPT, 5),
    "add by key": (add_by_key, [2, 5, 5], KEPT, 5),
    "add by key, twice": (add_by_two, [2, 5], KEPT, 5),
    "step": (lambda m: in_one_step(m, moved), (False, 2), [("other", 2), ("new", "before")], 5),
    "step of one entry": (
        lambda m: in_one_step(m, lambda s: s.put("other", s.get("other") + 1)),
        None,
        [KEPT[0], ("other", 2)],
        5,
    ),
    "step that does not look": (
        lambda m: in_one_step(m, lambda s: s.put("other", 2)),
        None,
        [KEPT[0], ("other", 2)],
        5,
    ),
    "step that removes": (lambda m: in_one_step(m, lambda s: s.pop("old")), "before", KEPT[1:], 5),
    "step that raises": (lambda m: in_one_step(m, raised_once), KeyError, [KEPT[0], ("other", 2)], 5),
    "get by key": (lambda m: m.Counters(TABLE).get("c", 0), 0, KEPT, 5),
    "require by key": (lambda m: m.Counters(TABLE).require("none"), KeyError, KEPT, 5),
    "contains by key": (lambda m: m.Counters(TABLE).contains("none"), False, KEPT, 5),
}
# What to do, its answer, and the objects that it leaves.
FILE_CASES = {
    "write": (write_file, None, ["tmp/new.txt", "tmp/old.txt"]),
    "read": (read_file, "before", ["tmp/old.txt"]),
    "append": (append_file, "before+", ["tmp/old.txt"]),
    "step": (step_on_file, "before+", ["tmp/old.txt"]),
    "first step": (lambda m: step_on_file(m, "/tmp/new.txt"), "+", ["tmp/new.txt", "tmp/old.txt"]),
    "create": (create_file, "new", ["tmp/new.txt", "tmp/old.txt"]),
    "touch": (
        lambda m: m.FileStore(BUCKET).touch("/tmp/new.txt", exist_ok=False),
        None,
        ["tmp/new.txt", "tmp/old.txt"],
    ),
    "exists": (lambda m: m.FileStore(BUCKET).exists("/tmp/old.txt"), True, ["tmp/old.txt"]),
    "remove": (lambda m: m.FileStore(BUCKET).remove("/tmp/old.txt"), None, []),
}


def answer(action, module):
    try:
        return action(module)
    except KeyError:
        return KeyError


def check_table(case, module):
    action, expected, entries, count = case
    assert answer(action, module) == expected
    assert store(container()).items() == entries
    assert counter(container()).value() == count


def check_files(case, module):
    action, expected, objects = case
    assert action(module) == expected
    listed = boto3.client("s3").list_objects_v2(Bucket="files").get("Contents", [])
    assert [row["Key"] for row in listed] == objects


def each_loss_below(check, case, getter):
    """Check the case once for each of its requests, with the answer to that request lost in transit."""
    number = 0
    while True:
        module = fresh()
        requests = lose_in_transit(getattr(module, getter)(), number)
        check(case, module)
        if len(requests) <= number:
            return number
        number += 1


@pytest.mark.parametrize("name", TABLE_CASES)
def test_the_sdk_may_repeat_any_request_to_a_table(name):
    assert each_loss_below(check_table, TABLE_CASES[name], "_dynamodb") >= 1


@pytest.mark.parametrize("name", FILE_CASES)
def test_the_sdk_may_repeat_any_request_to_a_bucket(name):
    assert each_loss_below(check_files, FILE_CASES[name], "_s3") >= 1


def writes_of(action, **options):
    """The numbers of those calls of the action that write."""
    module = fresh()
    lossy = watch(module, **options)
    answer(action, module)
    return [number for number, name in enumerate(lossy.calls) if name in WRITES]


@pytest.mark.parametrize("name", TABLE_CASES)
def test_a_write_to_a_table_is_recognised_when_the_sdk_gives_up(name):
    for number in writes_of(TABLE_CASES[name][0]):
        module = fresh()
        lossy = watch(module, lose={number})
        check_table(TABLE_CASES[name], module)
        assert len(lossy.calls) > number


@pytest.mark.parametrize("name", ["write", "remove"])
def test_a_write_to_a_bucket_is_repeated_when_the_sdk_gives_up(name):
    [number] = writes_of(FILE_CASES[name][0], s3=True)
    module = fresh()
    lossy = watch(module, lose={number}, s3=True)
    check_files(FILE_CASES[name], module)
    assert lossy.calls[-1] == lossy.calls[-2]


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("name", ["append", "create", "touch", "step", "first step"])
def test_a_conditional_write_is_recognised_when_the_sdk_gives_up(name, arrives):
    for number in writes_of(FILE_CASES[name][0], s3=True):
        module = fresh()
        watch(module, lose={number}, s3=True, arrives=arrives)
        check_files(FILE_CASES[name], module)


def test_a_step_whose_answer_was_lost_is_found_below_that_of_another():
    module, others = fresh(), container()
    watch(module, lose={1}, s3=True, meanwhile=lambda: step_on_file(others))
    assert step_on_file(module) == "before+"
    assert step_on_file(others) == "before+++"


def test_whether_a_step_was_taken_is_not_known_where_its_mark_was_written_over():
    module, others = fresh(), container()
    watch(module, lose={1}, s3=True, meanwhile=lambda: write_over(others))
    with pytest.raises(HTTPClientError):
        step_on_file(module)
    assert others.FileStore(BUCKET).open("/tmp/old.txt").read() == "other"


def write_over(module):
    module.FileStore(BUCKET).write_text("/tmp/old.txt", "other")


def test_bytes_that_were_appended_are_found_behind_those_of_others():
    module, others = fresh(), container()
    watch(module, lose={1}, s3=True, meanwhile=lambda: append_file(others))
    assert append_file(module) == "before++"


@pytest.mark.parametrize("name", ["get", "require", "contains", "pop", "delete", "setdefault new", "value"])
def test_a_lost_read_is_an_error_and_never_a_missing_key(name):
    action, _, _, _ = TABLE_CASES[name]
    module = fresh()
    watch(module, lose={0})
    with pytest.raises(HTTPClientError):
        action(module)
    assert store(container()).items() == KEPT


# ---------------------------------------------------------------- another writer comes in between


def overwrite():
    store(container()).put("old", "theirs")


def steal():
    store(container()).pop("old", None)


def replace():
    overwrite()
    steal()
    overwrite()


def twice():
    overwrite()
    overwrite()


@pytest.mark.parametrize("above", [True, False])
@pytest.mark.parametrize("name", TABLE_CASES)
def test_a_write_is_recognised_although_another_one_came_after_it(name, above):
    """One write of another container to the same key lies between our write and its second attempt."""
    action, expected, _, _ = TABLE_CASES[name]
    for number in writes_of(action):
        module = fresh()
        if above:
            watch(module, lose={number}, meanwhile=overwrite)
        else:
            lose_in_transit(module._dynamodb(), number, overwrite)
        assert answer(action, module) == expected
        assert store(container()).get("old") == "theirs"


@pytest.mark.parametrize("name", ["pop", "delete"])
@pytest.mark.parametrize("meanwhile", [twice, replace])
def test_a_removal_that_cannot_be_known_is_named(name, meanwhile):
    for above in (True, False):
        module = fresh()
        if above:
            watch(module, lose={1}, meanwhile=meanwhile)
        else:
            lose_in_transit(module._dynamodb(), 1, meanwhile)
        with pytest.raises(module.OutcomeUnknownError, match="'old' may have been removed"):
            TABLE_CASES[name][0](module)
        assert store(container()).get("old") == "theirs"


def test_a_later_removal_by_another_finds_nothing_and_hides_nothing():
    module = fresh()
    watch(module, lose={1}, meanwhile=steal)
    assert store(module).pop("old") == "before"
    assert "old" not in dict(store(container()).items())


def test_a_removal_that_never_arrived_is_no_key_error():
    module = fresh()
    watch(module, lose={1}, arrives=False)
    with pytest.raises(module.OutcomeUnknownError):
        store(module).pop("old")
    assert store(container()).items() == KEPT


def test_setdefault_returns_what_it_set_though_another_writer_put_something_over_it():
    module = fresh()
    watch(module, lose={1}, meanwhile=lambda: store(container()).put("new", "theirs"))
    assert store(module).setdefault("new", "ours") == "ours"
    assert store(container()).get("new") == "theirs"


@pytest.mark.parametrize("above", [True, False])
def test_a_put_that_was_overwritten_is_not_done_again(above):
    module = fresh()
    if above:
        watch(module, lose={0}, meanwhile=overwrite)
    else:
        lose_in_transit(module._dynamodb(), 0, overwrite)
    store(module).put("old", "ours")
    assert store(container()).get("old") == "theirs"


def test_a_mutation_is_tried_again_until_nobody_comes_between():
    module, others = fresh(), iter(range(3))
    lossy = watch(module)
    send = lossy._client.update_item

    def send_too_late(**request):
        if next(others, None) is not None:
            store(container()).mutate("other", lambda value: value + 10)
        return send(**request)

    lossy.update_item = send_too_late
    assert store(module).mutate("other", lambda value: value + 1) == 32


def test_a_mutation_gives_up_with_a_name():
    module = fresh()
    lossy = watch(module)
    send = lossy._client.update_item

    def send_too_late(**request):
        store(container()).put("old", "theirs")
        return send(**request)

    lossy.update_item = send_too_late
    with pytest.raises(module.StateConflictError, match="'old' is changed by too many"):
        store(module).mutate("old", lambda value: value * 2)


THROTTLED = {
    "Error": {"Code": "ThrottlingException"},
    "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": 4},
}


@pytest.mark.parametrize("is_done", [True, False])
@pytest.mark.parametrize("name", ["put old", "pop", "delete", "setdefault new", "mutate", "add", "reset"])
def test_a_throttled_write_has_a_name_unless_an_earlier_attempt_of_it_was_done(name, is_done):
    module = fresh()
    lossy = watch(module)
    send = lossy._client.update_item

    def throttle(**request):
        if is_done:
            send(**request)
        raise ClientError(THROTTLED, "UpdateItem")

    lossy.update_item = throttle
    action, expected, _, _ = TABLE_CASES[name]
    if is_done and name != "put old":
        assert action(module) == expected
    else:
        with pytest.raises(module.ThrottledError, match=r"update_item on items.* was throttled"):
            action(module)


def test_a_throttled_read_has_a_name():
    module = fresh()

    def throttle(**_):
        raise ClientError(THROTTLED, "GetItem")

    watch(module).get_item = throttle
    with pytest.raises(module.ThrottledError):
        store(module).get("old")


def test_setdefault_names_an_entry_that_was_taken_at_once():
    module = fresh()
    watch(module, lose={1}, meanwhile=lambda: store(container()).pop("new"))
    with pytest.raises(module.OutcomeUnknownError, match="'new' may have been changed"):
        store(module).setdefault("new", "ours")
    assert store(container()).items() == KEPT


def test_of_two_that_set_a_default_the_first_wins():
    module = fresh()
    lossy = watch(module)
    create = lossy._client.update_item

    def create_too_late(**request):
        store(container()).setdefault("new", "theirs")
        return create(**request)

    lossy.update_item = create_too_late
    assert store(module).setdefault("new", "ours") == "theirs"
    assert store(container()).get("new") == "theirs"


def test_a_put_that_never_arrived_is_sent_again():
    module = fresh()
    watch(module, lose={0}, arrives=False)
    store(module).put("new", 1)
    assert store(container()).get("new") == 1


@pytest.mark.parametrize(("name", "number"), [("pop", 1), ("setdefault new", 1), ("add", 1)])
def test_when_the_look_is_lost_too_the_outcome_is_unknown(name, number):
    module = fresh()
    watch(module, lose={number, number + 1})
    with pytest.raises(module.OutcomeUnknownError):
        TABLE_CASES[name][0](module)


@pytest.mark.parametrize(
    ("code", "status", "named"), [("InternalServerError", 500, True), ("AccessDenied", 400, False)]
)
def test_only_errors_of_the_server_leave_the_outcome_open(code, status, named):
    module = fresh()
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 4}}
    lossy = watch(module)

    def fail(**_):
        raise ClientError(response, "UpdateItem")

    lossy.update_item = fail
    for action in ("pop", "setdefault new", "add"):
        with pytest.raises(module.OutcomeUnknownError if named else ClientError):
            TABLE_CASES[action][0](module)


def test_an_addition_returns_its_own_sum_though_others_added_since():
    module = fresh()
    mine, theirs = counter(module), counter(container())
    mine._slot, theirs._slot = 3, 4
    watch(module, lose={1}, meanwhile=lambda: theirs.add(100))
    assert mine.add() == 6
    assert theirs.value() == 106


def test_an_addition_whose_slot_was_taken_over_is_named():
    module = fresh()
    mine, theirs = counter(module), counter(container())
    mine._slot = theirs._slot = 3
    watch(module, lose={1}, meanwhile=lambda: theirs.add(100))
    with pytest.raises(module.OutcomeUnknownError, match=r"1 may have been added to 'app\.count'"):
        mine.add()
    assert theirs.value() == 106
    assert mine.add() == 107


def test_an_emptied_item_that_could_not_be_deleted_is_no_entry():
    module = fresh()
    watch(module, lose={2}, arrives=False)
    assert store(module).pop("old") == "before"
    assert len(rows()) == 2
    later = store(container())
    assert (later.get("old"), later.contains("old"), later.count()) == (None, False, 1)
    assert later.items() == KEPT[1:]
    with pytest.raises(KeyError):
        later.delete("old")
    assert later.setdefault("old", "again") == "again"
    later.put(1, "one")
    watch(module, lose={2}, arrives=False)
    store(module).pop(1)
    later.put(True, "yes")
    assert repr(later.items()) == repr([KEPT[1], ("old", "again"), (True, "yes")])


def test_a_put_between_claim_and_deletion_survives():
    module = fresh()
    lossy = watch(module)
    claim = lossy._client.update_item

    def claim_then_put(**request):
        done = claim(**request)
        overwrite()
        return done

    lossy.update_item = claim_then_put
    assert store(module).pop("old") == "before"
    assert store(container()).get("old") == "theirs"
