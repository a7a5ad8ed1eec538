"""DynamoDB: the cost of a page depends only on its items.

By default each page sorts the whole partition, parses the key condition again for each of its items, and
walks over all items before the page. Here the product's own queries are answered from a sorted list of
keys, kept from the first query of a partition on; all other queries are left to the stand-in.
"""

import bisect
import decimal
import functools
import json
import re

import mend
from ministack.core.responses import json_response
from ministack.services import dynamodb

PAGE_BYTES = 1024 * 1024
PLAIN = {
    "TableName",
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ScanIndexForward",
    "Limit",
    "ExclusiveStartKey",
    "ConsistentRead",
}
CONDITION = re.compile(
    r"(?P<pk>#\w+) = (?P<partition>:\w+)"
    r"(?: AND (?:(?P<sk>#\w+) BETWEEN (?P<first>:\w+) AND (?P<last>:\w+)"
    r"|begins_with\((?P<prefixed>#\w+), (?P<prefix>:\w+)\)))?"
)
NUMBER = re.compile(r"-?[0-9]{1,38}")
# By table and partition: the partition itself, and its sort keys in order, each parsed and as text.
ORDERS = {}


def order_of(table, partition_key, partition):
    known = ORDERS.get((id(table), partition_key))
    if known is None or known[0] is not partition or len(known[1]) != len(partition):
        number = dynamodb._get_attr_type(table, table["sk_name"]) == "N"
        known = ORDERS[id(table), partition_key] = (partition, sorted((place(key, number), key) for key in partition))
    return known[1]


def place(key, number):
    """The position of a sort key. Python orders texts like UTF-8, and so like DynamoDB."""
    if not number:
        return key
    return int(key) if NUMBER.fullmatch(key) else decimal.Decimal(key)


def wanted(data):
    """The table, partition key and range of positions of a plain query; None for any other."""
    match = CONDITION.fullmatch(data.get("KeyConditionExpression") or "")
    table = dynamodb._tables.get(data.get("TableName"))
    if not match or not table or not set(data) <= PLAIN or not table.get("sk_name"):
        return None
    part = {name: found for name, found in match.groupdict().items() if found}
    names, values = data.get("ExpressionAttributeNames") or {}, data.get("ExpressionAttributeValues") or {}
    if {*names, *values} != set(part.values()) or len(names) + len(values) != len(part):
        return None
    kind = dynamodb._get_attr_type(table, table["sk_name"])
    keys = {"pk": table["pk_name"], "sk": table["sk_name"], "prefixed": table["sk_name"]}
    if any(names[part[which]] != name for which, name in keys.items() if which in part):
        return None
    partition = text(values[part["partition"]], dynamodb._get_attr_type(table, table["pk_name"]))
    bounds = [text(values[part[which]], kind) for which in ("first", "last", "prefix") if which in part]
    if partition is None or None in bounds or kind not in "SN":
        return None
    if "prefix" in part:
        # All texts with the prefix come before its successor.
        after = bounds[0][:-1] + chr(ord(bounds[0][-1]) + 1)
        return None if kind != "S" or ord(bounds[0][-1]) > 0x7E else (table, partition, bounds[0], after, False)
    if bounds:
        first, last = (place(bound, kind == "N") for bound in bounds)
        return None if first > last else (table, partition, first, last, True)
    return table, partition, None, None, True


def text(value, kind):
    """The text of an attribute value of that kind; None if it has another."""
    found = value.get(kind) if isinstance(value, dict) and len(value) == 1 else None
    fits = isinstance(found, str) and found and (kind == "S" or kind == "N" and NUMBER.fullmatch(found))
    return found if fits else None


def page(data):
    """Answers a plain query; returns None for any other."""
    found = wanted(data)
    limit, is_ascending = data.get("Limit"), data.get("ScanIndexForward", True)
    if found is None or not (limit is None or isinstance(limit, int) and limit > 0):
        return None
    table, partition_key, first, last, is_last_in = found
    partition = table["items"].get(partition_key, {})
    order = order_of(table, partition_key, partition) if partition else []
    by_place = lambda entry: entry[0]
    low = 0 if first is None else bisect.bisect_left(order, first, key=by_place)
    bisected = bisect.bisect_right if is_last_in else bisect.bisect_left
    high = len(order) if last is None else bisected(order, last, key=by_place)
    start = data.get("ExclusiveStartKey")
    if start is not None:
        kind = dynamodb._get_attr_type(table, table["sk_name"])
        at = text(start.get(table["sk_name"]), kind)
        if len(start) != 2 or at is None or start.get(table["pk_name"]) != {"S": partition_key}:
            return None
        spot = place(at, kind == "N")
        if first is not None and not (first <= spot and (spot <= last if is_last_in else spot < last)):
            return None
        if is_ascending:
            low = max(low, bisect.bisect_right(order, spot, key=by_place))
        else:
            high = min(high, bisect.bisect_left(order, spot, key=by_place))
    # The bounds may cross if the start key equals one of them.
    high = max(low, high)
    has_more = limit is not None and high - low >= limit
    if has_more:
        low, high = (low, low + limit) if is_ascending else (high - limit, high)
    items = [partition[key] for _, key in (order[low:high] if is_ascending else reversed(order[low:high]))]
    return items, has_more, table


def query(data):
    found = page(data)
    if found is None:
        return stand_ins_query(data)
    items, has_more, table = found
    encoded = json.dumps(items)
    # An item is smaller than its JSON, so a shorter text always fits into a page.
    if len(encoded) > PAGE_BYTES:
        items, is_cut = dynamodb._paginate_evaluated_items(items, data.get("Limit"), table)
        has_more, encoded = has_more or is_cut, json.dumps(items)
    rest = {"Count": len(items), "ScannedCount": len(items)}
    if has_more and items:
        rest["LastEvaluatedKey"] = dynamodb._build_key(items[-1], table["pk_name"], table["sk_name"])
    status, headers, _ = json_response({})
    return status, headers, f'{{"Items": {encoded}, {json.dumps(rest)[1:]}'.encode()


def set_item(table, partition_key, sort_key, item):
    known = ORDERS.get((id(table), partition_key))
    is_new = known is not None and sort_key not in known[0]
    old = stand_ins_set_item(table, partition_key, sort_key, item)
    if is_new:
        number = dynamodb._get_attr_type(table, table["sk_name"]) == "N"
        bisect.insort(known[1], (place(sort_key, number), sort_key))
    return old


def remove_item(table, partition_key, sort_key):
    ORDERS.pop((id(table), partition_key), None)
    return stand_ins_remove_item(table, partition_key, sort_key)


def apply():
    global stand_ins_query, stand_ins_set_item, stand_ins_remove_item
    stand_ins_query = mend.replace(dynamodb, "_query", query, "50c2e7ec69e9")
    stand_ins_set_item = mend.replace(dynamodb, "_set_item", set_item, "4e78ad492132")
    # The same condition would be parsed again for each written item.
    check = mend.replace(dynamodb, "_condition_syntax_error", None, "5213f1ffac34")
    dynamodb._condition_syntax_error = functools.lru_cache(maxsize=1000)(check)
    stand_ins_remove_item = mend.replace(dynamodb, "_remove_item", remove_item, "5cce50c99688")
