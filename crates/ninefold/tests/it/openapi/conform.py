"""Holds bodies against schemas of an OpenAPI document: `{"document": …, "samples": [{"name", "schema", "body"}, …]}` on standard input."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_schema_validator import oas31_format_checker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NAME = "urn:document"


def absolute(schema):
    """The schema, with its references to the document made independent of where they stand."""
    if isinstance(schema, dict):
        return {key: NAME + value if key == "$ref" else absolute(value) for key, value in schema.items()}
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


given = json.load(sys.stdin)
registry = Registry().with_resource(NAME, Resource(contents=given["document"], specification=DRAFT202012))
errors = []
for sample in given["samples"]:
    validator = Draft202012Validator(absolute(sample["schema"]), registry=registry, format_checker=oas31_format_checker)
    errors += [f"{sample['name']}: {error.message} in {sample['body']!r}" for error in validator.iter_errors(sample["body"])]
print("\n".join(errors) or f"{len(given['samples'])} bodies conform")
sys.exit(bool(errors))
