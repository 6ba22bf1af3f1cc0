"""JSON Schema for schemas and arguments that nobody here wrote.

A tool's input schema comes from its server, the arguments from whoever wrote the note; together they
must not hang or reach out. So nothing remote is ever fetched; patterns are matched by RE2, in linear
time (one that RE2 does not know is left for the server to check); references are followed a bounded
number of times; lists are compared for duplicates by their canonical form.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import jsonschema
import orjson
import re2
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema_specifications import REGISTRY
from referencing.exceptions import Unresolvable

from signoff.canonical import NotCanonical, canonical
from signoff.model import Json, JsonObject

Keyword: TypeAlias = "Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]"

LARGEST = 1024 * 1024
"""Bytes of a schema."""
MOST_REFERENCES = 20_000
"""References followed in one validation."""

_DRAFTS: Mapping[str, Any] = {
    "http://json-schema.org/draft-03/schema": jsonschema.Draft3Validator,
    "http://json-schema.org/draft-04/schema": jsonschema.Draft4Validator,
    "http://json-schema.org/draft-06/schema": jsonschema.Draft6Validator,
    "http://json-schema.org/draft-07/schema": jsonschema.Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema.Draft201909Validator,
    "https://json-schema.org/draft/2020-12/schema": jsonschema.Draft202012Validator,
}
_followed = threading.local()


class BrokenSchema(Exception):
    """The schema cannot be used; the text says why. Translated by `schema`, which knows the tool."""


def violations(schema: JsonObject, value: Json) -> list[ValidationError]:
    """All that a value violates, in the order of the schema.

    Raises:
        BrokenSchema: the schema is not one, or refers to what is not in it.
    """
    _followed.count = 0
    try:
        return list(_compiled(orjson.dumps(schema)).iter_errors(value))
    except Unresolvable as error:
        raise BrokenSchema(f"it refers to `{str(error.ref)[:100]}`, which is not in it") from error
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise BrokenSchema("it is nested too deep or holds numbers that JSON cannot carry") from error
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError) as error:
        raise BrokenSchema(f"it cannot be applied ({type(error).__name__})") from error


@lru_cache(maxsize=1024)
def _compiled(written: bytes) -> Any:
    """The validator of a schema; kept, because checking the schema itself takes milliseconds."""
    if len(written) > LARGEST:
        raise BrokenSchema(f"it is larger than {LARGEST} bytes")
    schema = orjson.loads(written)
    named = schema.get("$schema")
    draft = _DRAFTS.get(named.rstrip("#") if isinstance(named, str) else "", jsonschema.Draft202012Validator)
    try:
        draft.check_schema(schema)
    except SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        raise BrokenSchema(f"at {where}: {error.message[:200]}") from error
    keywords = _bounded(draft.VALIDATORS)
    if b'"patternProperties"' in written:  # the library's own would match its patterns without a bound
        keywords["unevaluatedProperties"] = _unchecked
    extended: Any = jsonschema.validators.extend(draft, keywords)  # type: ignore[no-untyped-call]
    return extended(schema, registry=REGISTRY)


def _bounded(keywords: Mapping[str, Keyword]) -> dict[str, Keyword]:
    """The keywords whose work the library does not bound, bounded."""
    bounded: dict[str, Keyword] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    for name in ("$ref", "$dynamicRef", "$recursiveRef"):
        if name in keywords:
            bounded[name] = _counted(keywords[name])
    return bounded


def _counted(follow: Keyword) -> Keyword:
    """A reference that is followed a bounded number of times in one validation."""

    def counted(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _followed.count += 1
        if _followed.count > MOST_REFERENCES:
            raise BrokenSchema(f"it refers to itself more than {MOST_REFERENCES} times")
        yield from follow(validator, reference, instance, schema) or ()

    return counted


def _pattern(_: Any, pattern: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"does not match {pattern}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if matches(pattern, name):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, allowed: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    extras = extra_properties(instance, schema)
    if isinstance(allowed, dict):
        for name in extras:
            yield from validator.descend(instance[name], allowed, path=name)
    elif not allowed and extras:
        yield ValidationError(f"unexpected: {', '.join(extras)}")


def extra_properties(instance: Mapping[str, Json], schema: Mapping[str, Any]) -> list[str]:
    """The names that neither `properties` nor `patternProperties` of this schema know."""
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    return [
        name
        for name in instance
        if name not in known and not any(matches(pattern, name) for pattern in patterns)
    ]


def _unique_items(_: Any, unique: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
    if not unique or not isinstance(instance, list):
        return
    try:
        distinct = {canonical(item) for item in instance}
    except NotCanonical:  # found and named where the plan is frozen
        return
    if len(distinct) != len(instance):
        yield ValidationError("has an item twice")


def _unchecked(_: Any, __: Any, ___: Any, ____: Any) -> Iterator[ValidationError]:
    yield from ()


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text; True for a pattern that cannot be matched in linear time."""
    compiled = _linear(pattern)
    return compiled is None or compiled.search(text) is not None


@lru_cache(maxsize=1024)
def _linear(pattern: str) -> Any:
    """A compiled pattern, or None where RE2 does not know its form."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None
