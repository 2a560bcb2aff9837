"""Judges answers by the schemas of an OpenAPI 3.1 document: python validate_answers.py openapi.json samples.json

A field that no schema speaks of is a fault, so that the document cannot fall behind the answers."""
import json
import sys

from jsonschema import Draft202012Validator

with open(sys.argv[1]) as file:
    document = json.load(file)
with open(sys.argv[2]) as file:
    samples = json.load(file)
bad = 0
for sample in samples:
    root = {"$ref": "#/components/schemas/" + sample["schema"], "components": document["components"],
            "unevaluatedProperties": False}
    for fault in Draft202012Validator(root).iter_errors(sample["value"]):
        bad += 1
        print(sample["schema"], "/".join(map(str, fault.absolute_path)), fault.message[:300])
print(len(samples), "answers judged")
sys.exit(1 if bad else 0)
