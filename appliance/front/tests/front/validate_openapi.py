"""Judges an OpenAPI document: python validate_openapi.py openapi.json"""
import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

with open(sys.argv[1]) as file:
    document = json.load(file)
faults = list(OpenAPIV31SpecValidator(document).iter_errors())
for fault in faults:
    print("/".join(map(str, fault.absolute_path)), fault.message)
sys.exit(1 if faults else 0)
