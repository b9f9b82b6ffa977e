"""Whether a step's condition holds: the little of CEL (https://cel.dev) that TFX writes, and no more.

Python's grammar is close enough once the operators are Python's; what is inside quotes is never touched.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from typing import Any

from pipeline.errors import JobError

_TOKEN = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|&&|\|\||!=|!|\w+|.""", re.DOTALL)
_PYTHON = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False", "null": "None"}
_COMPARE: dict[type, Any] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def holds(condition: str, inputs: Mapping[str, Any]) -> bool:
    """Evaluate a condition.

    Args:
        inputs: what the step gets, as in an ExecutorInput: {"artifacts": {key: {"artifacts": […]}}, …}.

    Raises:
        JobError: it is no such expression, or asks for what is not there.
    """
    try:
        python = "".join(_PYTHON.get(token, token) for token in _TOKEN.findall(condition))
        return bool(_value(ast.parse(python.strip(), mode="eval").body, {"inputs": inputs}))
    except (SyntaxError, LookupError, TypeError, NotImplementedError) as exc:
        raise JobError(
            f"the condition {condition} cannot be evaluated: {type(exc).__name__}: {exc}",
            "compare properties that the step before always writes",
        ) from exc


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names[node.id]
        case ast.Attribute():
            return _value(node.value, names)[node.attr]
        case ast.Subscript():
            return _value(node.value, names)[_value(node.slice, names)]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, names)
        case ast.BinOp(op=ast.Add()):
            return _value(node.left, names) + _value(node.right, names)
        case ast.BoolOp():
            parts = (bool(_value(part, names)) for part in node.values)
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        case ast.Compare(ops=[operation], comparators=[right]) if type(operation) in _COMPARE:
            return _COMPARE[type(operation)](_value(node.left, names), _value(right, names))
    raise NotImplementedError(ast.unparse(node))
