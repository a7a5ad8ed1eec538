"""The alerts of `alerts/*.yaml`, as far as panels need them."""

import dataclasses
import math
import pathlib
import re

import yaml

HERE = pathlib.Path(__file__).resolve().parents[1]
# The first comparison outside of a selector is the one with the threshold: a number, or a product of two.
_COMPARISON = re.compile(r"([<>])=?\s*([0-9.]+(?:\s*\*\s*[0-9.]+)?)")


@dataclasses.dataclass(frozen=True)
class Alert:
    """One alert."""

    name: str
    severity: str
    threshold: float
    is_below: bool
    rule: dict


def _alert(rule):
    sign, numbers = _COMPARISON.search(re.sub(r"\{[^}]*\}", "", rule["expr"])).groups()
    threshold = round(math.prod(float(number) for number in numbers.split("*")), 9)
    return Alert(rule["alert"], rule["labels"]["severity"], threshold, sign == "<", rule)


def load(directory=HERE / "alerts"):
    """Returns every rule, alerts and recording rules, in the order of files and lines."""
    files = sorted(directory.glob("*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = {rule["alert"]: _alert(rule) for rule in load() if "alert" in rule}
