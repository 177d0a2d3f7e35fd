"""Holds TLS reports to RFC 8460: the format by a schema, and each by parsedmarc, which must understand all that we say.

usage: tlsrpt.py DIRECTORY|FILE.jsonl
"""

import gzip
import json
import re
import sys
from pathlib import Path

import jsonschema
import parsedmarc

SCHEMA = json.loads((Path(__file__).resolve().parent / "tlsrpt.schema.json").read_text())
# RFC 8460 5.1, with a lawful domain on both sides.
NAME = re.compile(r"[a-z0-9.-]+!([a-z0-9_.-]+)!(\d+)!(\d+)!([A-Za-z0-9]+)\.json(\.gz)?")


def reports(place):
    """Each report as it would travel."""
    if place.is_file():
        for line in place.read_bytes().splitlines():
            yield line
        return
    for path in sorted(place.iterdir()):
        name = NAME.fullmatch(path.name)
        assert name, f"{path.name} is no name of RFC 8460 5.1"
        assert int(name[2]) < int(name[3]), path.name
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if name[5] else raw
        # Of DANE the policy domain is the mail host (RFC 8460 1.1), of all else the domain that the report is about.
        policies = [one["policy"] for one in json.loads(raw)["policies"]]
        domains = {policy["policy-domain"] for policy in policies if policy["policy-type"] != "tlsa"}
        assert domains <= {name[1]}, f"{path.name} is about {domains}"
        yield raw


def check(raw, validator):
    report = json.loads(raw)
    for error in validator.iter_errors(report):
        raise AssertionError(f"{error.json_path}: {error.message}\n{raw[:2000]!r}")
    parsed = parsedmarc.parse_smtp_tls_report_json(raw)
    assert parsed["report_id"] == report["report-id"]
    assert len(parsed["policies"]) == len(report["policies"])
    for ours, theirs in zip(report["policies"], parsed["policies"]):
        failed = ours["summary"]["total-failure-session-count"]
        assert theirs["failed_session_count"] == failed
        assert theirs.get("policy_strings") == ours["policy"].get("policy-string")
        details = ours.get("failure-details", [])
        assert len(theirs.get("failure_details", [])) == len(details)
        # A failed session has one result or more, and one of each type at most.
        by_type = {}
        for detail in details:
            kind = detail["result-type"]
            by_type[kind] = by_type.get(kind, 0) + detail["failed-session-count"]
        assert max(by_type.values(), default=0) <= failed <= sum(by_type.values()), raw[:2000]
    parsedmarc.parsed_smtp_tls_reports_to_csv(parsed)


def main():
    validator = jsonschema.Draft202012Validator(
        SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    count, ids = 0, set()
    for raw in reports(Path(sys.argv[1])):
        check(raw, validator)
        ids.add(json.loads(raw)["report-id"])
        count += 1
    assert len(ids) == count, "each report has an id of its own"
    print(f"{count} reports, all valid")


main()
