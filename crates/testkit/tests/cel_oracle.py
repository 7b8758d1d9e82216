"""Evaluates expressions with cel-python, for the comparison in cel.rs.

Reads one JSON object a line: {"source": "...", "record": {"name": {"type": value}, ...}}.
Writes one line for each: true, false, null, error, or what else it came to.
"""

import json
import logging
import sys

import celpy
import celpy.evaluation
from celpy import celtypes

logging.disable(logging.CRITICAL)

SCALARS = {
    "bool": celtypes.BoolType,
    "int": lambda value: celtypes.IntType(int(value)),
    "double": celtypes.DoubleType,
    "string": celtypes.StringType,
    "timestamp": celtypes.TimestampType,
}


# Where cel-python departs from the specification, what the specification says.


def equal(left, right):
    """Null equals null alone; cel-python finds no overload for null and a value."""
    for side in (left, right):
        if isinstance(side, Exception):
            return side
    if left is None or right is None:
        return celtypes.BoolType(left is right)
    return celtypes.BoolType(left == right)


def unequal(left, right):
    same = equal(left, right)
    return same if isinstance(same, Exception) else celtypes.BoolType(not same)


def within(item, items):
    """As `equal` has it."""
    for side in (item, items):
        if isinstance(side, Exception):
            return side
    return celtypes.BoolType(any(equal(item, one) for one in items))


def strict(function):
    """No function takes null; cel-python makes texts and numbers of it."""

    def call(value):
        if value is None:
            return celpy.CELEvalError("no such overload")
        return value if isinstance(value, Exception) else function(value)

    return call


def contains(text, part):
    """cel-python forgets that a concatenated text is one."""
    for side in (text, part):
        if isinstance(side, Exception):
            return side
    if text is None or part is None:
        return celpy.CELEvalError("no such overload")
    return celtypes.BoolType(part in text)


def remainder(left, right):
    """The smallest integer by -1 overflows, as the quotient does; cel-python makes 0 of it."""
    for side in (left, right):
        if isinstance(side, Exception):
            return side
    if left is None or right is None:
        return celpy.CELEvalError("no such overload")
    if right == 0:
        return celpy.CELEvalError("divide by zero")
    if left == -(2**63) and right == -1:
        return celpy.CELEvalError("return error for overflow")
    return left % right


def whole(value):
    """A double at the ends of the integers' range has no integer; cel-python takes the lower end."""
    if isinstance(value, celtypes.DoubleType) and not -(2.0**63) < value < 2.0**63:
        return celpy.CELEvalError("return error for overflow")
    return celtypes.IntType(value)


def absorbing(visit):
    """An error inside `exists_one`, `filter` or `map` is a value that `&&` and `||` absorb; cel-python raises it past them."""

    def visited(self, tree):
        try:
            return visit(self, tree)
        except celpy.CELEvalError as error:
            return error

    return visited


celpy.evaluation.Evaluator.member_dot_arg = absorbing(celpy.evaluation.Evaluator.member_dot_arg)


FUNCTIONS = {
    "_==_": equal,
    "_!=_": unequal,
    "_in_": within,
    "_%_": remainder,
    "contains": contains,
    "double": strict(celtypes.DoubleType),
    "int": strict(whole),
    "size": strict(lambda value: celtypes.IntType(len(value))),
    "string": strict(celtypes.StringType),
}


def typed(value):
    if value is None:
        return None
    ((name, inner),) = value.items()
    if name == "list":
        return celtypes.ListType([item(one) for one in inner])
    return SCALARS[name](inner)


def item(value):
    if value is None:
        return None
    if isinstance(value, int):
        return celtypes.IntType(value)
    return celtypes.StringType(value)


def outcome(environment, case):
    record = celtypes.MapType(
        {celtypes.StringType(name): typed(value) for name, value in case["record"].items()}
    )
    try:
        program = environment.program(environment.compile(case["source"]), functions=FUNCTIONS)
        result = program.evaluate({"record": record})
    except celpy.CELParseError as error:
        return f"parse error: {error}"
    except Exception as error:  # cel-python raises Python's own errors too.
        return "error"
    if isinstance(result, (bool, celtypes.BoolType)):
        return "true" if result else "false"
    return "null" if result is None else f"other: {result!r}"


def main():
    environment = celpy.Environment()
    for line in sys.stdin:
        print(outcome(environment, json.loads(line)).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
