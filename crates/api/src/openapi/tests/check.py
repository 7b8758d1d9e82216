"""Validates an OpenAPI document, and its own examples against its schemas. The document comes on standard input."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NAME = "urn:document"


def absolute(schema):
    """The schema, with its references to the document made independent of where they stand."""
    if isinstance(schema, dict):
        return {key: NAME + value if key == "$ref" else absolute(value) for key, value in schema.items()}
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


def media(thing, path=""):
    """Every media type with a schema, and where it stands."""
    if isinstance(thing, dict):
        if "schema" in thing and ("example" in thing or "examples" in thing):
            yield path, thing
        for key, value in thing.items():
            yield from media(value, f"{path}/{key}")
    elif isinstance(thing, list):
        for index, value in enumerate(thing):
            yield from media(value, f"{path}/{index}")


document = json.load(sys.stdin)
errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in OpenAPIV31SpecValidator(document).iter_errors()]
registry = Registry().with_resource(NAME, Resource(contents=document, specification=DRAFT202012))
checked = 0
for path, found in media(document):
    validator = Draft202012Validator(absolute(found["schema"]), registry=registry)
    examples = [found["example"]] if "example" in found else [example["value"] for example in found["examples"].values()]
    for example in examples:
        checked += 1
        errors += [f"{path}: example {example!r}: {error.message}" for error in validator.iter_errors(example)]
print("\n".join(errors) or f"valid, {checked} examples")
sys.exit(bool(errors))
