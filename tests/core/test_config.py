"""Strict loading: all problems at once, with key, value, expectation and nearest known key."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from rlkit.core.config import (
    Relation,
    flatten,
    inspect,
    read_json,
    to_dict,
    validate,
    with_settings,
)
from rlkit.core.errors import UserError


@dataclass(frozen=True)
class Inner:
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    count: Annotated[int, Field(ge=1)] = 3
    flag: bool = False
    route: Literal["plain", "fast"] = "plain"

    def relations(self) -> Iterator[Relation]:
        if self.flag and self.count < 2:
            yield Relation(("flag", "count"), "two or more where flag is set")


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    folder: str | None = None
    inner: Inner = field(default_factory=Inner)
    free: dict[str, Any] = field(default_factory=lambda: {"size": 2, "shape": True})


def messages_of(data: dict) -> list[str]:
    return [problem.message for problem in inspect(data, Outer)[1]]


def test_an_empty_object_gives_the_defaults():
    assert validate({}, Outer, "here") == Outer()


def test_values_and_nested_values_are_taken_over():
    loaded = validate({"name": "y", "inner": {"rate": 0.25, "route": "fast"}}, Outer, "here")
    assert loaded == Outer(name="y", inner=Inner(rate=0.25, route="fast"))


def test_a_dictionary_is_laid_over_its_default():
    assert validate({"free": {"size": 5, "more": [1]}}, Outer, "here").free == {
        "size": 5,
        "shape": True,
        "more": [1],
    }


def test_to_dict_is_the_inverse_of_inspect():
    loaded = Outer(name="y", folder="a/b", inner=Inner(count=9, flag=True))
    assert inspect(to_dict(loaded), Outer) == (loaded, [])


@pytest.mark.parametrize(("number", "expected"), [(0, False), (1, True)])
def test_0_and_1_pass_for_booleans(number, expected):
    assert validate({"inner": {"flag": number}}, Outer, "here").inner.flag is expected


@pytest.mark.parametrize("text", ["1e6", "1000000.0", "1E+6"])
def test_a_whole_number_in_another_notation_passes_for_an_integer_and_becomes_one(tmp_path, text):
    path = tmp_path / "file.json"
    path.write_text(f'{{"inner": {{"count": {text}}}}}')
    for data in (read_json(path), with_settings({}, [f"inner.count={text}"])):
        count = validate(data, Outer, "here").inner.count
        assert (count, type(count)) == (1_000_000, int)


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "file.json"
    path.write_bytes(b'\xef\xbb\xbf{"name": "y"}')
    assert read_json(path) == {"name": "y"}


@pytest.mark.parametrize("depth", [33, 100, 1000, 100_000])
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_in_a_file_and_in_a_setting(tmp_path, depth, opening, closing):
    text = opening * depth + "1" + closing * depth
    path = tmp_path / "file.json"
    path.write_text(f'{{"a": {text}}}')
    with pytest.raises(UserError, match="nested too deeply, expected at most 32"):
        read_json(path)
    with pytest.raises(UserError, match="--set .*nested too deeply") as caught:
        with_settings({}, [f"a={text}"])
    assert len(str(caught.value)) < 200


def test_a_setting_may_be_as_deep_as_a_file(tmp_path):
    assert with_settings({}, [f"a={'[' * 32}{']' * 32}"])["a"] != "["
    with pytest.raises(UserError, match="nested too deeply"):
        with_settings({}, [".".join("a" * 1000) + "=1"])
    assert with_settings({}, [f"a={'[' * 200}"]) == {"a": "[" * 200}  # no JSON: a text


def test_a_whole_number_passes_for_a_float_and_becomes_one():
    rate = validate({"inner": {"rate": 1}}, Outer, "here").inner.rate
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inner": {"count": "5"}}, 'inner.count = "5": expected an integer, at least 1'),
        ({"inner": {"count": True}}, "inner.count = true: expected an integer, at least 1"),
        ({"inner": {"count": 2.5}}, "inner.count = 2.5: expected an integer, at least 1"),
        ({"inner": {"count": 0}}, "inner.count = 0: expected an integer, at least 1"),
        ({"inner": {"count": None}}, "inner.count = null: expected an integer, at least 1"),
        ({"inner": {"rate": 0}}, "inner.rate = 0: expected a number, more than 0, at most 1"),
        ({"inner": {"rate": 1.5}}, "inner.rate = 1.5: expected a number, more than 0, at most 1"),
        ({"inner": {"rate": True}}, "inner.rate = true: expected a number, more than 0, at most 1"),
        (
            {"inner": {"rate": float("nan")}},
            "inner.rate = NaN: expected finite numbers, and integers below 2^63",
        ),
        (
            {"inner": {"count": 2**63}},
            "inner.count = 9223372036854775808: expected finite numbers, and integers below 2^63",
        ),
        ({"inner": {"flag": 2}}, "inner.flag = 2: expected true or false"),
        ({"inner": {"flag": "true"}}, 'inner.flag = "true": expected true or false'),
        ({"inner": {"route": "slow"}}, 'inner.route = "slow": expected one of "plain", "fast"'),
        ({"inner": 3}, "inner = 3: expected an object {...}"),
        ({"name": 3}, "name = 3: expected a string"),
        ({"folder": 3}, "folder = 3: expected a string or null"),
        ({"free": [1]}, "free = [1]: expected an object {...}"),
        (
            {"free": {"deep": [float("inf")]}},
            'free = {"deep": [Infinity]}: expected finite numbers, and integers below 2^63',
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(data, message):
    assert messages_of(data) == [message]


@pytest.mark.parametrize(
    ("data", "nearest"),
    [
        ({"nam": 1}, "name"),
        ({"inner": {"coutn": 1}}, "inner.count"),
        ({"rate": 1}, "inner.rate"),
        ({"inner": {"folder": 1}}, "folder"),
        ({"size": 4}, "free.size"),
        ({"inenr": {"count": 1}}, "inner"),
        ({"inner": {"name": 1}}, "name"),
        ({"inner": {"ratte": 1}}, "inner.rate"),
        ({"fold": 1}, "folder"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(data, nearest):
    (message,) = messages_of(data)
    assert message.endswith(f"unknown key, the nearest known key is {nearest}")


@pytest.mark.parametrize("data", [{"flush": 1}, {"inner": {"verbose": 1}}, {"x": 1}, {"": 1}])
def test_a_key_that_resembles_none_gets_no_suggestion(data):
    (message,) = messages_of(data)
    assert message.endswith(": unknown key")


def test_a_relation_is_stated_with_the_values_of_its_keys():
    data = {"inner": {"flag": 1, "count": 1}}
    assert messages_of(data) == [
        "inner.flag = true, inner.count = 1: expected two or more where flag is set"
    ]


def test_a_relation_is_not_judged_on_a_value_that_was_refused():
    assert messages_of({"inner": {"flag": 1, "count": 0}}) == [
        "inner.count = 0: expected an integer, at least 1"
    ]


def test_all_problems_stand_in_one_message():
    data = {"nmae": 1, "folder": 2, "inner": {"rate": 2, "route": 0}}
    with pytest.raises(UserError) as caught:
        validate(data, Outer, "file.json")
    lines = str(caught.value).splitlines()
    assert lines[0] == "file.json: 4 problems"
    assert [line.split(" = ")[0].strip() for line in lines[1:]] == [
        "nmae",
        "folder",
        "inner.rate",
        "inner.route",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not valid JSON, line 1"),
        ('{"a": 1,}', "not valid JSON, line 1"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice"),
        ("[1]", "expected a JSON object"),
        ("", "not valid JSON, line 1"),
        ("[" * 100000, "not valid JSON"),
    ],
)
def test_a_file_that_is_not_a_json_object_is_refused_with_the_reason(tmp_path, text, reason):
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(UserError, match="file.json: .*" + reason.replace("[", r"\[")):
        read_json(path)


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path):
    (tmp_path / "binary.json").write_bytes(b'{"a": "\xff"}')
    (tmp_path / "broken.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.json")
    for name, reason in (
        ("absent.json", "No such file"),
        (".", "directory"),
        ("binary.json", "not UTF-8"),
        ("broken.json", "No such file"),
        ("pipe.json", "is a pipe, not a file"),
    ):
        with pytest.raises(UserError, match=reason):
            read_json(tmp_path / name)


def test_settings_are_laid_over_a_copy():
    data = {"inner": {"count": 1}}
    changed = with_settings(
        data, ["inner.count=4", "inner.flag=true", "name=text", 'folder="5"', "free.deep.er=[1, 2]"]
    )
    assert changed == {
        "inner": {"count": 4, "flag": True},
        "name": "text",
        "folder": "5",
        "free": {"deep": {"er": [1, 2]}},
    }
    assert data == {"inner": {"count": 1}}


@pytest.mark.parametrize("setting", ["inner.count", "=3", "inner..count=3", "name.first=3"])
def test_a_setting_that_names_no_key_is_refused(setting):
    with pytest.raises(UserError, match="--set " + setting.replace(".", r"\.")):
        with_settings({"name": "x"}, [setting])


def test_flattening_gives_dotted_keys_in_order():
    assert flatten({"a": 1, "b": {"c": [2], "d": {"e": None}}, "f": {}}) == {
        "a": 1,
        "b.c": [2],
        "b.d.e": None,
        "f": {},
    }
