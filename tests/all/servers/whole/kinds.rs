//! The domains of the comparison: each once, to be served by real servers and by the lab, with what RULES.md says of it.

use std::fmt::Write as _;

/// One domain: `<label>.test`.
///
/// In its texts `$D` stands for the domain, `$M` for its label and `$A` for the address of the web server; records are
/// lines `OWNER TTL TYPE DATA`, the owner without its final dot.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) label: &'static str,
    /// The records of MTA-STS.
    record: &'static str,
    /// The records of the policy host.
    host: &'static str,
    /// How the domain takes mail.
    mail: &'static str,
    /// The records of TLSRPT.
    reports: &'static str,
    /// What the lab has to be told where a real resolver fails by itself.
    lab_faults: &'static str,
    pub(super) site: Option<Site>,
    pub(super) expected: Expected,
}

/// The web server at the policy host.
#[derive(Clone, Copy)]
pub(super) struct Site {
    pub(super) certificate: Certificate,
    pub(super) media_type: &'static str,
    pub(super) content: Content,
}

/// The certificate that it shows.
#[derive(Clone, Copy)]
pub(super) enum Certificate {
    Valid,
    Expired,
    WrongName,
    SelfSigned,
    WithoutIntermediate,
}

/// What stands at the place of the policy.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Policy(&'static str),
    Nothing,
    Redirect(&'static str),
}

/// What RULES.md says of the domain.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    /// Nothing where we could not see.
    pub(super) announced: Option<bool>,
    pub(super) outcome: &'static str,
    pub(super) code: Option<&'static str>,
    /// Sorted.
    pub(super) findings: &'static [&'static str],
    /// Sorted.
    pub(super) failures: &'static [&'static str],
    pub(super) mode: Option<&'static str>,
}

const ENFORCE: &str = "version: STSv1\nmode: enforce\nmx: mx1.$D\nmax_age: 604800\n";
const TESTING: &str = "version: STSv1\nmode: testing\nmx: mx1.$D\nmax_age: 604800\n";
const NONE: &str = "version: STSv1\nmode: none\nmax_age: 86400\n";
const ITSELF: &str = "version: STSv1\nmode: enforce\nmx: $D\nmax_age: 604800\n";
const WILDCARD: &str = "version: STSv1\nmode: enforce\nmx: *.$D\nmax_age: 604800\n";
const NO_MODE: &str = "version: STSv1\nmx: mx1.$D\nmax_age: 604800\n";

const GOOD: Kind = Kind {
    label: "good",
    record: "_mta-sts.$D 300 TXT \"v=STSv1; id=20240101T000000;\"",
    host: "mta-sts.$D 300 A $A",
    mail: "$D 300 MX 10 mx1.$D.\nmx1.$D 300 A $A",
    reports: "_smtp._tls.$D 300 TXT \"v=TLSRPTv1; rua=mailto:tlsrpt@$D\"",
    lab_faults: "",
    site: Some(serves(ENFORCE)),
    expected: Expected {
        announced: Some(true),
        outcome: "unknown",
        code: Some("delivery.not_asked"),
        findings: &[],
        failures: &[],
        mode: Some("enforce"),
    },
};

const fn serves(policy: &'static str) -> Site {
    Site { certificate: Certificate::Valid, media_type: "text/plain", content: Content::Policy(policy) }
}

const fn shows(certificate: Certificate) -> Option<Site> {
    Some(Site { certificate, ..serves(ENFORCE) })
}

/// The policy is good, and there is more to say.
const fn noted(findings: &'static [&'static str]) -> Expected {
    Expected { findings, ..GOOD.expected }
}

const fn not_announced(findings: &'static [&'static str]) -> Expected {
    Expected {
        announced: Some(false),
        outcome: "not_announced",
        code: Some("record.none"),
        findings,
        failures: &[],
        mode: None,
    }
}

const fn unusable(code: &'static str, findings: &'static [&'static str]) -> Expected {
    Expected { announced: Some(true), outcome: "unusable", code: Some(code), findings, failures: &[], mode: None }
}

/// The record is broken over a policy that is good.
const fn broken_record(code: &'static str, findings: &'static [&'static str]) -> Expected {
    Expected { mode: Some("enforce"), ..unusable(code, findings) }
}

const fn binding(
    outcome: &'static str,
    code: &'static str,
    findings: &'static [&'static str],
    mode: &'static str,
) -> Expected {
    Expected { announced: Some(true), outcome, code: Some(code), findings, failures: &[], mode: Some(mode) }
}

/// Every kind; the first is the good one.
#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    GOOD,
    Kind { label: "testing", site: Some(serves(TESTING)), expected: binding("testing", "delivery.not_asked", &[], "testing"), ..GOOD },
    Kind { label: "mode-none", site: Some(serves(NONE)), expected: Expected { outcome: "none", code: None, mode: Some("none"), ..GOOD.expected }, ..GOOD },
    Kind { label: "mx-wildcard", site: Some(serves(WILDCARD)), ..GOOD },

    // Nothing is announced (RFC 8461 3.1).
    Kind { label: "nxdomain", record: "", host: "", mail: "", reports: "", site: None, expected: not_announced(&[]), ..GOOD },
    Kind { label: "mail-only", record: "", host: "", site: None, expected: not_announced(&[]), ..GOOD },
    Kind { label: "nodata", record: "_mta-sts.$D 300 A $A", expected: not_announced(&[]), ..GOOD },
    Kind { label: "empty-non-terminal", record: "old._mta-sts.$D 300 A $A", expected: not_announced(&[]), ..GOOD },
    Kind { label: "wildcard-spf", record: "*.$D 300 TXT \"v=spf1 -all\"", expected: not_announced(&["record.spf"]), ..GOOD },
    Kind { label: "dangling", record: "_mta-sts.$D 300 CNAME gone.$M.mailhost.example.", expected: not_announced(&["record.dangling"]), ..GOOD },

    // The record (RFC 8461 3.1).
    Kind { label: "id-dashes", record: "_mta-sts.$D 300 TXT \"v=STSv1; id=2024-01-01;\"",
           expected: broken_record("record.id_syntax", &["record.id_syntax", "sts.policy_with_broken_record"]), ..GOOD },
    Kind { label: "two-records", record: "_mta-sts.$D 300 TXT \"v=STSv1; id=1;\"\n_mta-sts.$D 300 TXT \"v=STSv1; id=2;\"",
           expected: broken_record("record.multiple", &["record.multiple", "sts.policy_with_broken_record"]), ..GOOD },
    Kind { label: "spf-beside", record: "_mta-sts.$D 300 TXT \"v=STSv1; id=1;\"\n_mta-sts.$D 300 TXT \"v=spf1 -all\"",
           expected: noted(&["record.spf"]), ..GOOD },
    Kind { label: "two-strings", record: "_mta-sts.$D 300 TXT \"v=STSv1; i\" \"d=1;\"", ..GOOD },
    Kind { label: "wildcard-record", record: "*.$D 300 TXT \"v=STSv1; id=1;\"", expected: noted(&["record.wildcard"]), ..GOOD },
    Kind { label: "record-alias", record: "_mta-sts.$D 300 CNAME _mta-sts.$M.mailhost.example.\n_mta-sts.$M.mailhost.example 300 TXT \"v=STSv1; id=1;\"",
           expected: noted(&["record.delegated"]), ..GOOD },
    Kind { label: "lame", record: "_mta-sts.$D 300 CNAME _mta-sts.$M.lame.example.", lab_faults: "fault dns _mta-sts.$D TXT rcode 2",
           expected: Expected { announced: None, outcome: "unknown", code: Some("dns.rcode_2"), findings: &[], failures: &["dns.rcode_2"], mode: None },
           host: "", site: None, ..GOOD },

    // The policy host (RFC 8461 3.3, 8.2).
    Kind { label: "host-missing", host: "", site: None, expected: unusable("policy.host_none", &["policy.host_none", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "host-alias", host: "mta-sts.$D 300 CNAME mta-sts.$M.mailhost.example.\nmta-sts.$M.mailhost.example 300 A $A",
           expected: noted(&["policy.host_delegated"]), ..GOOD },
    Kind { label: "host-dangling", host: "mta-sts.$D 300 CNAME gone.$M.mailhost.example.", site: None,
           expected: unusable("policy.host_dangling", &["policy.host_dangling", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "host-private", host: "mta-sts.$D 300 A 10.0.0.1", site: None,
           expected: unusable("reach.forbidden", &["reach.forbidden", "sts.record_without_policy"]), ..GOOD },
    // Nothing listens there, in either world.
    Kind { label: "host-refuses", host: "mta-sts.$D 300 A 127.99.99.99", site: None,
           expected: unusable("tcp.refused", &["sts.record_without_policy", "tcp.refused"]), ..GOOD },
    Kind { label: "host-unknown", site: None, expected: unusable("tls.alert", &["sts.record_without_policy", "tls.alert"]), ..GOOD },
    Kind { label: "cert-expired", site: shows(Certificate::Expired),
           expected: unusable("cert.expired", &["cert.expired", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "cert-name", site: shows(Certificate::WrongName),
           expected: unusable("cert.name", &["cert.name", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "cert-self-signed", site: shows(Certificate::SelfSigned),
           expected: unusable("cert.self_signed", &["cert.self_signed", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "cert-alone", site: shows(Certificate::WithoutIntermediate),
           expected: unusable("cert.missing_intermediate", &["cert.missing_intermediate", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "not-found", site: Some(Site { content: Content::Nothing, media_type: "text/html", ..serves(ENFORCE) }),
           expected: unusable("http.status", &["http.status", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "redirect", site: Some(Site { content: Content::Redirect("https://www.$D/mta-sts.txt"), media_type: "text/html", ..serves(ENFORCE) }),
           expected: unusable("http.redirect", &["http.redirect", "sts.record_without_policy"]), ..GOOD },
    Kind { label: "html", site: Some(Site { media_type: "text/html", ..serves(ENFORCE) }), expected: noted(&["http.content_type"]), ..GOOD },

    // The policy (RFC 8461 3.2).
    Kind { label: "no-mode", site: Some(serves(NO_MODE)),
           expected: unusable("policy.mode_missing", &["policy.mode_missing", "sts.record_without_policy"]), ..GOOD },

    // Mail (RFC 8461 4.1, RFC 5321 5.1, RFC 7505).
    Kind { label: "mx-one-uncovered", mail: "$D 300 MX 10 mx1.$D.\n$D 300 MX 20 mx2.$D.", expected: noted(&["mx.uncovered"]), ..GOOD },
    Kind { label: "mx-uncovered", mail: "$D 300 MX 10 in.$M.mailhost.example.",
           expected: binding("enforce_refused", "mx.none_covered", &["mx.none_covered", "mx.uncovered"], "enforce"), ..GOOD },
    Kind { label: "mx-uncovered-testing", mail: "$D 300 MX 10 in.$M.mailhost.example.", site: Some(serves(TESTING)),
           expected: binding("testing_failing", "mx.none_covered", &["mx.none_covered", "mx.uncovered"], "testing"), ..GOOD },
    Kind { label: "mx-implicit", mail: "$D 300 A $A", site: Some(serves(ITSELF)), expected: noted(&["mx.implicit"]), ..GOOD },
    Kind { label: "mx-null", mail: "$D 300 MX 0 .",
           expected: binding("enforce_refused", "mx.null", &["mx.null", "sts.null_mx_with_policy"], "enforce"), ..GOOD },

    // Reports (RFC 8460 3).
    Kind { label: "reports-missing", reports: "", expected: noted(&["sts.tlsrpt_missing"]), ..GOOD },
    Kind { label: "reports-broken", reports: "_smtp._tls.$D 300 TXT \"v=TLSRPTv1; rua=tlsrpt@$D\"",
           expected: noted(&["tlsrpt.rua_scheme", "tlsrpt.rua_unusable"]), ..GOOD },
];

impl Kind {
    pub(super) fn domain(&self) -> String {
        format!("{}.test", self.label)
    }

    /// A text with everything but `$A` put in.
    pub(super) fn expand(&self, text: &str) -> String {
        text.replace("$D", &self.domain()).replace("$M", self.label)
    }

    fn records(&self) -> impl Iterator<Item = &'static str> {
        [self.record, self.host, self.mail, self.reports].into_iter().flat_map(str::lines)
    }

    /// Its records below one zone, as a zone file has them (RFC 1035 5.1).
    fn in_zone(&self, zone: &str) -> String {
        let mut text = String::new();
        for record in self.records() {
            let record = self.expand(record).replace("$A", "127.0.0.1");
            let (owner, rest) = record.split_once(' ').unwrap();
            if owner.ends_with(&format!(".{zone}")) {
                writeln!(text, "{owner}. {rest}").unwrap();
            }
        }
        text
    }

    /// The world of the lab.
    fn world(&self) -> String {
        let expected = &self.expected;
        // Its name is its own among the built-in worlds too; the domain is the one of the zone.
        let mut text = format!("world real-{0}\nabout A domain of the comparison.\ndomain {0}.test\ndns\n", self.label);
        for line in self.records().chain(self.lab_faults.lines()) {
            writeln!(text, "  {line}").unwrap();
        }
        if let Some(site) = &self.site {
            text.push_str(&site.in_world());
        }
        let (code, mode) = (expected.code.unwrap_or(""), expected.mode.map(|mode| format!("  mode {mode}\n")));
        writeln!(
            text,
            "truth\n  announced {}\n  outcome {} {code}",
            expected.announced.unwrap_or(false),
            expected.outcome
        )
        .unwrap();
        writeln!(text, "  codes {}\n  failures {}", expected.findings.join(" "), expected.failures.join(" ")).unwrap();
        text + &mode.unwrap_or_default()
    }
}

impl Site {
    fn in_world(&self) -> String {
        let certificate = match self.certificate {
            Certificate::Valid => "valid",
            Certificate::Expired => "expired",
            Certificate::WrongName => "wrong-name",
            Certificate::SelfSigned => "self-signed",
            Certificate::WithoutIntermediate => "missing-intermediate",
        };
        let (head, body) = match self.content {
            Content::Policy(policy) => (String::new(), policy),
            Content::Nothing => ("  status 404 Not Found\n".to_owned(), "nothing here"),
            Content::Redirect(to) => {
                (format!("  status 301 Moved Permanently\n  header Location: {to}\n"), "over there")
            }
        };
        let body: String = body.lines().map(|line| format!("    | {line}\n")).collect();
        format!(
            "https mta-sts.$D\n  cert {certificate}\n{head}  header Content-Type: {}\n  body\n{body}",
            self.media_type
        )
    }
}

/// All domains, one a line.
pub(super) fn list() -> String {
    KINDS.iter().map(|kind| kind.domain() + "\n").collect()
}

/// The zones that hold all records: name and content.
pub(super) fn zones() -> Vec<(&'static str, String)> {
    let zone = |name: &'static str| {
        let head =
            format!("$ORIGIN {name}.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n");
        (name, KINDS.iter().fold(head, |text, kind| text + &kind.in_zone(name)))
    };
    vec![zone("test"), zone("mailhost.example")]
}

/// The file of worlds for the lab.
pub(super) fn worlds() -> String {
    KINDS.iter().map(Kind::world).collect()
}
