"""Asks DuckDB the queries of this directory, and counts everything again without it: PyArrow and plain Python.

usage: check.py DATASET
"""

import json
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

import duckdb
import pyarrow.dataset as ds

HERE = Path(__file__).resolve().parent
TABLES = ["domains", "hosts", "findings", "policies", "certificates", "rejects"]
RANKS = [(100, "1 - 100"), (1_000, "101 - 1,000"), (10_000, "1,001 - 10,000"), (100_000, "10,001 - 100,000")]
AGES = [(86_400, "1: under a day"), (604_800, "2: under a week"), (2_592_000, "3: under 30 days"),
        (15_552_000, "4: under 180 days")]
# What DuckDB rounds, Python leaves as it is.
ROUNDED = 0.051
# Distinct codes of findings from which on a lab has every kind of trouble.
CODES_OF_A_RICH_LAB = 50

# Codes of MX records that name what is no host.
NO_HOST = ("mx.ip", "mx.localhost", "mx.name")

wrong = []


def check(what, found, expected):
    if found != expected:
        wrong.append(f"{what}: found {found!r}, expected {expected!r}"[:2_000])


class Scan:
    """One scan of a dataset, with its tables as lists of rows."""

    def __init__(self, dataset, scan_id):
        self.scan_id = scan_id
        folder = dataset / "_scans" / scan_id
        self.info = json.loads((folder / "scan.json").read_text())
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.options = self.info["options"]
        for table in TABLES:
            parts = [dataset / part["path"] for part in self.manifest["parts"] if part["table"] == table]
            rows = ds.dataset(parts, format="parquet").to_table().to_pylist() if parts else []
            setattr(self, table, rows)
        self.announced = [row for row in self.domains if row["announced"]]
        self.usable = [row for row in self.domains if row["effective_ok"]]


def scans(dataset):
    """The finished scans, the first one first."""
    found = [Scan(dataset, folder.parent.name) for folder in dataset.glob("_scans/*/manifest.json")]
    return sorted(found, key=lambda scan: scan.info["started_at"])


def groups(rows, key):
    """Rows by key."""
    found = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def count(rows, wanted):
    return sum(1 for row in rows if wanted(row))


def percent(part, whole):
    return 100 * part / whole if whole else None


def last(value):
    """A key that sorts a value, and what is missing after all of them."""
    return (value is None, value if value is not None else 0)


def bucket(steps, value, over, strictly=False):
    """The word of the first step that a value is not beyond."""
    for step, word in steps:
        if value < step or (value == step and not strictly):
            return word
    return over


def by_rank(rows):
    """Rows by bucket of rank, the best first."""
    def ranks(row):
        return "unranked" if row["rank"] is None else bucket(RANKS, row["rank"], "beyond")

    order = [word for _, word in RANKS] + ["beyond", "unranked"]
    return sorted(groups(rows, ranks).items(), key=lambda item: order.index(item[0]))


def adoption(rows):
    """domains, seen, announced, percent, usable."""
    seen = count(rows, lambda row: row["announced"] is not None)
    announced = count(rows, lambda row: row["announced"])
    return (len(rows), seen, announced, percent(announced, seen), count(rows, lambda row: row["effective_ok"]))


# One function for each query, of the same name: the rows that it must give.


def adoption_by_rank(scan):
    return [(ranks, *adoption(rows), count(rows, lambda row: row["strict_ok"])) for ranks, rows in by_rank(scan.domains)]


def adoption_by_suffix(scan):
    found = [(suffix, *adoption(rows)) for suffix, rows in groups(scan.domains, lambda row: row["public_suffix"]).items()]
    return sorted(found, key=lambda row: (-row[3], last(row[0])))


def mode_by_rank(scan):
    found = []
    for ranks, rows in by_rank(scan.usable):
        modes = Counter(row["policy_mode"] for row in rows)
        found.append((ranks, len(rows), modes["enforce"], modes["testing"], modes["none"],
                      percent(modes["enforce"], len(rows))))
    return found


def errors(scan):
    announced = {row["seq"] for row in scan.announced}
    broken = [row for row in scan.findings if row["severity"] in ("violation", "fatal") and row["seq"] in announced]
    found = []
    for key, rows in groups(broken, lambda row: tuple(row[name] for name in ("place", "stage", "code", "severity", "result_type"))).items():
        domains = len({row["seq"] for row in rows})
        found.append((*key, domains, percent(domains, len(announced))))
    return sorted(found, key=lambda row: (-row[5], row[2], row[0]))


def record_without_policy(scan):
    rows = [row for row in scan.domains if row["record_effective_ok"] and row["policy_status"] == "unusable"]
    found = []
    for key, group in groups(rows, lambda row: (row["policy_stage"], row["policy_code"], row["policy_http_status"])).items():
        first = min(group, key=lambda row: row["rank"])
        delegated = count(group, lambda row: row["policy_delegated_to"] is not None)
        found.append((*key, len(group), delegated, first["domain"]))
    return sorted(found, key=lambda row: (-row[3], row[1], last(row[2])))


def max_age(scan):
    found = []
    for word, rows in sorted(groups(scan.usable, lambda row: bucket(AGES, row["policy_max_age"], "5: more", True)).items()):
        ages = [row["policy_max_age"] for row in rows]
        enforce = count(rows, lambda row: row["policy_mode"] == "enforce")
        found.append((word, len(rows), percent(len(rows), len(scan.usable)), min(ages), max(ages), enforce))
    return found


def certificate_troubles(scan):
    rows = [row for row in scan.domains if (row["policy_tls_status"] or "").startswith("cert.")]
    found = []
    for cause, group in groups(rows, lambda row: row["policy_tls_status"]).items():
        found.append((cause, len(group), count(group, lambda row: row["policy_delegated_to"] is not None),
                      len({row["policy_cert_sha256"] for row in group} - {None}),
                      count(group, lambda row: row["policy_observed_mode"] == "enforce")))
    return sorted(found, key=lambda row: (-row[1], row[0]))


def uncovered_mx(scan):
    found = []
    for row in scan.usable:
        missed = [host["host"] for host in row["mx_hosts"] or [] if host["covered"] is False]
        if row["policy_mode"] == "enforce" and missed:
            found.append((row["rank"], row["domain"], row["outcome"], len(missed), len(row["mx_hosts"]), missed,
                          row["policy_mx"]))
    return sorted(found, key=lambda row: row[:2])


def tlsrpt(scan):
    found = []
    for mode, rows in sorted(groups(scan.announced, lambda row: row["policy_mode"] or "no policy").items()):
        status = Counter(row["tlsrpt_status"] for row in rows)
        found.append((mode, len(rows), *(status[word] for word in ("usable", "unusable", "absent", "failed", None)),
                      sum(len(row["tlsrpt_rua"] or []) for row in rows)))
    return found


def not_seen(scan):
    pairs = [(code, row) for row in scan.domains for code in row["failure_codes"]]
    found = []
    for code, group in groups(pairs, lambda pair: pair[0]).items():
        rows = [row for _, row in group]
        found.append((code, len(rows), count(rows, lambda row: row["announced"]),
                      count(rows, lambda row: row["announced"] is None),
                      count(rows, lambda row: row["outcome"] == "unknown"), max(row["attempts"] for row in rows)))
    return sorted(found, key=lambda row: (-row[1], row[0]))


def worst_ranked(scan):
    fatal = groups((row for row in scan.findings if row["severity"] == "fatal"), lambda row: row["seq"])
    rows = sorted((row for row in scan.announced if row["seq"] in fatal), key=lambda row: (row["rank"], row["domain"]))
    return [(row["rank"], row["domain"], row["outcome"], sorted({f["code"] for f in fatal[row["seq"]]}),
             sorted({f["rfc"] for f in fatal[row["seq"]]}), len(fatal[row["seq"]])) for row in rows[:50]]


def shared_policies(scan):
    users = groups(scan.domains, lambda row: row["policy_body_sha256"])
    found = [(row["body_sha256"], row["mode"], row["max_age"], row["mx"], len(row["body"]),
              len(users[row["body_sha256"]]), count(users[row["body_sha256"]], lambda user: user["effective_ok"]))
             for row in scan.policies if row["body_sha256"] in users]
    return sorted(found, key=lambda row: (-row[5], row[0]))[:50]


def certificates_by_issuer(scan):
    known = {row["cert_sha256"]: row for row in scan.certificates}
    pairs = [(row, known[row["policy_cert_sha256"]]) for row in scan.domains if row["policy_cert_sha256"] in known]
    found = []
    for key, group in groups(pairs, lambda pair: tuple(pair[1][name] for name in ("issuer", "key_type", "key_bits"))).items():
        days = [(cert["not_after"].date() - cert["not_before"].date()).days for _, cert in group
                if cert["not_before"] is not None]
        found.append((*key, len({cert["cert_sha256"] for _, cert in group}), len(group),
                      count(group, lambda pair: pair[0]["policy_authenticated"] is False),
                      count(group, lambda pair: pair[1]["not_after"] is not None
                            and pair[1]["not_after"] < pair[0]["observed_at"]),
                      min(days, default=None)))
    return sorted(found, key=lambda row: (-row[4], *map(last, row[:3])))


def mail_hosts(scan):
    users = defaultdict(set)
    for row in scan.announced:
        for host in row["mx_hosts"] or []:
            users[host["host"]].add(row["seq"])
    found = []
    for (code, status), rows in groups(scan.hosts, lambda row: (row["code"] or "usable", row["status"])).items():
        names = {row["host"] for row in rows}
        found.append((code, status, len({(row["host"], row["address"]) for row in rows}), len(names),
                      len(set().union(*(users[name] for name in names)))))
    return sorted(found, key=lambda row: (-row[2], row[0]))


def delivery(scan):
    rows = [row for row in scan.usable if row["policy_mode"] != "none"]
    found = []
    for (mode, verdict), group in groups(
            rows, lambda row: (row["policy_mode"], row["delivery_verdict"] or "nothing to deliver")).items():
        until = [row["delivery_refused_until"] for row in group if row["delivery_refused_until"] is not None]
        found.append((mode, verdict, len(group), count(group, lambda row: row["delivery_dane"] == "match"),
                      *(sum(row[f"delivery_{what}"] or 0 for row in group) for what in ("usable", "refused", "unseen")),
                      max(until).date() if until else None))
    return sorted(found, key=lambda row: row[:2])


QUERIES = [delivery, mail_hosts, adoption_by_rank, adoption_by_suffix, mode_by_rank, errors, record_without_policy, max_age,
           certificate_troubles, uncovered_mx, tlsrpt, not_seen, worst_ranked, shared_policies, certificates_by_issuer]


def like(found, expected):
    """Whether two rows are one, but for rounding."""
    if len(found) != len(expected):
        return False
    for left, right in zip(found, expected):
        if isinstance(left, float) and right is not None:
            if abs(left - right) > ROUNDED:
                return False
        elif left != right:
            return False
    return True


def ask(scan):
    """Every query, over views on one scan, against its own count."""
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    db.execute((HERE / "views.sql").read_text())
    db.execute(f"set variable scan = '{scan.scan_id}'")
    files = {path.stem for path in HERE.glob("*.sql")} - {"views"}
    check("queries without an expectation, or the other way round", files ^ {query.__name__ for query in QUERIES}, set())
    for query in QUERIES:
        text = (HERE / f"{query.__name__}.sql").read_text()
        check(f"{query.__name__}: statements", len(duckdb.extract_statements(text)), 1)
        found, expected = db.execute(text).fetchall(), query(scan)
        print(f"{query.__name__}: {len(found)} rows")
        check(f"{query.__name__}: rows", len(found), len(expected))
        for number, (left, right) in enumerate(zip(found, expected)):
            if not like(left, right):
                check(f"{query.__name__}: row {number}", left, right)
                break
    # Of a lab with every kind of trouble each query finds something; of the plainest one, these do.
    plain = [adoption_by_rank, adoption_by_suffix, mode_by_rank, max_age, tlsrpt, shared_policies, certificates_by_issuer]
    rich = len({row["code"] for row in scan.findings}) >= CODES_OF_A_RICH_LAB
    for query in QUERIES if rich else plain:
        check(f"{query.__name__} finds something", bool(query(scan)), True)


def hold(scan):
    """What holds in every scan, whatever it met."""
    def what(text):
        return f"{scan.scan_id}: {text}"

    totals, domains = scan.manifest["totals"], scan.domains
    check(what("each line is a row, a reject or a duplicate"), len(domains) + len(scan.rejects) + totals["duplicates"],
          totals["lines"])
    check(what("totals"), (len(domains), len(scan.rejects), sum(row["duplicates"] for row in domains)),
          (totals["rows"], totals["rejects"], totals["duplicates"]))
    check(what("lines of the lists"), sum(source["rows"] for source in scan.info["lists"]), totals["lines"])
    check(what("outcomes"), dict(Counter(row["outcome"] for row in domains)), totals["outcomes"])
    for table in TABLES:
        parts = sum(part["rows"] for part in scan.manifest["parts"] if part["table"] == table)
        check(what(f"rows of {table}"), len(getattr(scan, table)), parts)
        check(what(f"scan_id of {table}"), {row["scan_id"] for row in getattr(scan, table)} - {scan.scan_id}, set())
    check(what("seq"), sorted(row["seq"] for row in domains), list(range(len(domains))))
    check(what("domains are distinct"), len({row["domain"] for row in domains}), len(domains))
    check(what("lines are distinct"), len({row["line"] for row in domains}), len(domains))

    # The counts of the manifest are those of the rows.
    counts = Counter()
    for row in domains:
        counts["announced"] += row["announced"] is True
        counts["strict_ok"] += row["strict_ok"] is True
        counts["effective_ok"] += row["effective_ok"] is True
        counts["failed"] += bool(row["failure_codes"] or row["delivery_failures"])
        if row["effective_ok"]:
            counts[f"mode:{row['policy_mode']}"] += 1
        counts.update(f"finding:{code}" for code in row["finding_codes"])
        counts.update(f"failure:{code}" for code in row["failure_codes"])
        counts.update(f"host_finding:{code}" for code in row["delivery_codes"] or [])
        counts.update(f"host_failure:{code}" for code in row["delivery_failures"] or [])
        counts[f"verdict:{row['delivery_verdict']}"] += row["delivery_verdict"] is not None
    counts.update(f"host:{row['status']}" for row in scan.hosts)
    check(what("counts"), {name: number for name, number in totals["counts"].items() if number}, {
        name: number for name, number in counts.items() if number})

    # Keys lead somewhere, and evidence is kept once.
    for table, key, column in [("certificates", "cert_sha256", "policy_cert_sha256"),
                               ("policies", "body_sha256", "policy_body_sha256")]:
        kept = [row[key] for row in getattr(scan, table)]
        check(what(f"{key} is distinct"), [key for key, times in Counter(kept).items() if times > 1], [])
        lost = [(row["domain"], row[column]) for row in domains if row[column] is not None and row[column] not in set(kept)]
        check(what(f"{column} without a row in {table}"), lost[:5], [])
    places = Counter((row["host"], row["address"]) for row in scan.hosts)
    check(what("a host and address stands once"), [place for place, times in places.items() if times > 1], [])
    bodies = {row["policy_body_sha256"] for row in domains}
    check(what("bodies that no domain has"), [row["body_sha256"] for row in scan.policies if row["body_sha256"] not in bodies], [])
    known = {row["seq"]: (row["domain"], row["rank"]) for row in domains}
    check(what("findings of no domain"),
          [row for row in scan.findings if known.get(row["seq"]) != (row["domain"], row["rank"])][:5], [])

    codes = groups((row for row in scan.findings if row["place"] == "domain"), lambda row: row["seq"])
    hosts = groups((row for row in scan.findings if row["place"] == "mail_host"), lambda row: row["seq"])
    asked = {row["host"] for row in scan.hosts}
    for row in domains:
        distinct = sorted({finding["code"] for finding in codes[row["seq"]]})
        check(what(f"finding_codes of {row['domain']}"), row["finding_codes"], distinct)
        at_hosts = sorted({finding["code"] for finding in hosts[row["seq"]]})
        check(what(f"delivery_codes of {row['domain']}"), row["delivery_codes"] or [], at_hosts)
        names = [host["host"] for host in row["delivery_hosts"] or []]
        check(what(f"delivery_hosts of {row['domain']} are distinct"), len(names), len(set(names)))
        failed = sum(host["addresses_broken"] for host in row["delivery_hosts"] or [])
        told = max((report["count"] for report in row["delivery_reports"] or []), default=0)
        check(what(f"no result type of {row['domain']} in more sessions than there are"), told <= failed + len(names) + 1, True)
        for host in row["delivery_hosts"] or []:
            if host["status"] in ("usable", "broken") and host["code"] not in NO_HOST:
                check(what(f"a host of {row['domain']} without a row"), host["host"] in asked, True)
        check(what(f"failure_codes of {row['domain']}"), row["failure_codes"], sorted(set(row["failure_codes"])))
        covered = [host["covered"] for host in row["mx_hosts"] or [] if host["covered"] is not None]
        check(what(f"mx_uncovered of {row['domain']}"), row["mx_uncovered"], covered.count(False) if covered else None)
        # A verdict is null exactly where nothing is announced, or where we could not see.
        if not row["announced"]:
            check(what(f"verdicts of {row['domain']}"), (row["strict_ok"], row["effective_ok"]), (None, None))
        if row["strict_ok"]:
            check(what(f"strict but not effective: {row['domain']}"), row["effective_ok"], True)
        if row["effective_ok"]:
            check(what(f"a usable policy has a mode: {row['domain']}"), row["policy_mode"] in ("enforce", "testing", "none"), True)


def main():
    dataset = Path(sys.argv[1]).resolve()
    found = scans(dataset)
    check("scans", len(found) >= 1 and not found[0].options["deep"], True)
    for scan in found:
        hold(scan)
    # The queries name the tables as a user does who stands in the dataset.
    os.chdir(dataset)
    ask(found[0])
    if wrong:
        sys.exit("\n".join(wrong[:20]) + f"\n{len(wrong)} checks failed")
    print(f"{len(found)} scans, {len(QUERIES)} queries: all as counted")


main()
