"""Reads the dataset that tests/all/dataset.rs writes, as notebooks do: DuckDB and PyArrow over Hive globs.

usage: read_back.py DATASET
"""

import hashlib
import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

ROWS = 2500
ANNOUNCED_EVERY = 10
SCANS = ["20261123T201500Z-00ab12", "20261124T201500Z-00ab13"]


def check(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def manifests(dataset):
    """Every part is as long, as old and as it was when it was committed, and nothing else lies there."""
    known = set()
    for scan in SCANS:
        manifest = json.loads((dataset / "_scans" / scan / "manifest.json").read_text())
        check("scan_id", manifest["scan_id"], scan)
        for part in manifest["parts"]:
            data = (dataset / part["path"]).read_bytes()
            check(part["path"], (len(data), hashlib.sha256(data).hexdigest()), (part["bytes"], part["sha256"]))
            known.add(part["path"])
        totals = manifest["totals"]
        check("balance", totals["rows"] + totals["rejects"] + totals["duplicates"], totals["lines"])
    check("files", {str(p.relative_to(dataset)) for p in dataset.glob("*/scan=*/*")}, known)


def with_duckdb(dataset):
    db = duckdb.connect()
    domains = f"read_parquet('{dataset}/domains/scan=*/*.parquet', hive_partitioning = true)"

    def rows(query):
        return db.sql(query.format(domains=domains)).fetchall()

    check("parts", len(list(dataset.glob("domains/scan=*/*.parquet"))) > len(SCANS), True)
    types = {name: kind for name, kind, *_ in rows("describe select * from {domains}")}
    expected = {
        "scan_id": "VARCHAR",
        "seq": "BIGINT",
        "domain": "VARCHAR",
        "rank": "BIGINT",
        "observed_at": "TIMESTAMP WITH TIME ZONE",
        "outcome": "VARCHAR",
        "announced": "BOOLEAN",
        "record_txt": "BLOB[]",
        "record_id": "VARCHAR",
        "record_ttl": "BIGINT",
        "policy_body": "BLOB",
        "policy_mx": "VARCHAR[]",
        "mx_hosts": "STRUCT(host VARCHAR, preference BIGINT, covered BOOLEAN)[]",
        "scan": "VARCHAR",
    }
    check("types", types, expected)

    counts = rows("select scan, scan_id, count(*), count(distinct seq), min(seq), max(seq) from {domains} group by all order by all")
    check("counts", counts, [(scan, scan, ROWS, ROWS, 0, ROWS - 1) for scan in SCANS])
    one = f"from {{domains}} where scan = '{SCANS[0]}'"
    check("outcomes", rows(f"select outcome, count(*) {one} group by 1 order by 1"),
          [("not_announced", ROWS - ROWS // ANNOUNCED_EVERY), ("testing", ROWS // ANNOUNCED_EVERY)])
    # A probe that was not made is null in each of its columns; one that found an empty list says so.
    check("nulls", rows(f"""select count(*) {one} and not announced
        and record_txt is null and record_id is null and record_ttl is null
        and policy_body is null and policy_mx is null and mx_hosts is null"""), [(ROWS - ROWS // ANNOUNCED_EVERY,)])
    check("empty lists", rows(f"select count(*) {one} and len(policy_mx) = 0"), [(ROWS // 50,)])
    check("unranked", rows(f"select count(*) {one} and rank is null"), [(ROWS // 2,)])
    check("row", rows(f"""select domain, rank, epoch_us(observed_at), record_txt, record_id, record_ttl, policy_body,
        policy_mx, mx_hosts {one} and seq = 10"""), [(
            "d10.example", None, 1_795_464_900_000_010, [b"v=STSv1; id=10;", b"\xff\x00"], "10", 2**32 - 1,
            b"version: STSv1\nmode: testing\n", ["*.d10.example"],
            [{"host": "mx1.d10.example", "preference": 10, "covered": True},
             {"host": None, "preference": None, "covered": None}])])
    check("unnested", rows(f"""select count(*), count(h.host), sum(h.preference)
        from (select unnest(mx_hosts) as h {one})"""), [(500, 250, 2500)])

    empty = f"read_parquet('{dataset}/rejects/scan=*/*.parquet', hive_partitioning = true)"
    check("a table without rows", db.sql(f"select count(*) from {empty}").fetchall(), [(0,)])


def with_pyarrow(dataset):
    domains = ds.dataset(dataset / "domains", format="parquet", partitioning="hive")
    schema = domains.schema
    comments = {field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in schema}
    check("partition column", comments.pop("scan"), "")
    check("uncommented", [name for name, comment in comments.items() if not comment.endswith(".")], [])
    check("comment", comments["policy_mx"], "The mx patterns, in order; empty where there is none.")
    check("observed_at", schema.field("observed_at").type, pa.timestamp("us", tz="UTC"))
    check("seq", schema.field("seq").type, pa.int64())
    check("mx_hosts", pa.types.is_list(schema.field("mx_hosts").type), True)
    for field in schema:
        check(field.name, pa.types.is_dictionary(field.type) or pa.types.is_map(field.type), False)

    table = domains.to_table(filter=ds.field("scan") == SCANS[1]).sort_by("seq")
    check("rows", table.num_rows, ROWS)
    check("sequence", table["seq"].to_pylist(), list(range(ROWS)))
    check("null lists", table["mx_hosts"].null_count, ROWS - ROWS // ANNOUNCED_EVERY)
    row = table.slice(50, 1).to_pylist()[0]
    check("empty list", (row["policy_mx"], row["record_id"], row["announced"]), ([], "50", True))
    check("time", row["observed_at"].isoformat(), "2026-11-23T20:15:00.000050+00:00")

    rejects = ds.dataset(dataset / "rejects", format="parquet", partitioning="hive")
    check("a table without rows", (rejects.count_rows(), rejects.schema.names), (0, ["scan_id", "line", "bytes", "scan"]))


def main():
    dataset = Path(sys.argv[1])
    manifests(dataset)
    with_duckdb(dataset)
    with_pyarrow(dataset)
    print("read back")


main()
