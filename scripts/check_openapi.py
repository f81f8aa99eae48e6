#!/usr/bin/env python3
"""Checks that an OpenAPI description is valid, by a validator that is not ours.

usage: check_openapi.py FILE      (pip install openapi-spec-validator)
"""

import json
import pathlib
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

description = json.loads(pathlib.Path(sys.argv[1]).read_text())
errors = list(OpenAPIV31SpecValidator(description).iter_errors())
for error in errors:
    print(f"{sys.argv[1]}: {'/'.join(map(str, error.absolute_path))}: {error.message}", file=sys.stderr)
print(f"{sys.argv[1]}: {len(errors)} errors, {len(description['paths'])} paths")
sys.exit(bool(errors))
