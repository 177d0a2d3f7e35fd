//! The mail hosts and the domains of the scan: what is set up, and what RULES.md and RFC 7672 say of it.

use std::fmt::Write as _;

use super::super::dnssec::{Signing, zone};

/// One address of a mail host, with a service of Postfix behind it.
pub(super) struct Server {
    /// The name that MX records give; two servers may share it.
    pub(super) host: &'static str,
    /// The name of the service, and of the files of its certificate.
    pub(super) service: &'static str,
    pub(super) shows: Shows,
    /// The parameters of Postfix that differ from those of all.
    pub(super) parameters: &'static [&'static str],
    /// How often the scan connects.
    pub(super) clients: usize,
    /// The commands that Postfix counts each time.
    pub(super) commands: &'static str,
    /// What the row of `hosts` says.
    pub(super) row: HostRow,
}

/// The certificate that a server shows.
#[derive(Clone, Copy)]
pub(super) enum Shows {
    Valid,
    Expired,
    WrongName,
    SelfSigned,
    WithoutIntermediate,
    /// Of an authority that is in no root store.
    Private,
    /// The same, for this name instead of the host's.
    PrivateFor(&'static str),
}

/// What is expected of a row of `hosts`.
#[derive(Clone, Copy)]
pub(super) struct HostRow {
    pub(super) status: &'static str,
    pub(super) code: &'static str,
    pub(super) starttls: &'static str,
    pub(super) tls: &'static str,
    pub(super) dane: &'static str,
    pub(super) security: &'static str,
    pub(super) attempts: i32,
    /// Sorted.
    pub(super) codes: &'static [&'static str],
}

/// A domain that announces a policy, and what a scan must say of it. In its texts `$D` stands for the domain.
pub(super) struct Kind {
    pub(super) domain: &'static str,
    record: &'static str,
    mode: &'static str,
    /// The patterns of the policy.
    covers: &'static str,
    /// Its MX records, or whatever stands in for them; `$A` is the address of the server `implicit`.
    mail: &'static [&'static str],
    pub(super) outcome: &'static str,
    pub(super) code: &'static str,
    pub(super) verdict: &'static str,
    /// Of the domain itself, sorted.
    pub(super) findings: &'static [&'static str],
    /// Of the mail hosts, sorted.
    pub(super) codes: &'static [&'static str],
    /// What could not be seen of the domain, and of its mail hosts.
    pub(super) failures: [&'static str; 2],
    pub(super) dane: &'static str,
    /// Each mail host: name, status, code, whether it is covered, DANE, addresses usable, broken and unseen.
    pub(super) hosts: &'static [&'static str],
    /// What a sender would report: policy type, result type, sessions.
    pub(super) reports: &'static [&'static str],
    /// The policies of its report that sessions were made under: type, policy domain (for DANE the name that the records stand
    /// below, RFC 8460 1.1), sessions that went well, and that did not.
    pub(super) sessions: &'static [&'static str],
}

/// What Postfix counts of a client that got TLS, that found none, whose TLS was refused, and that was itself refused.
const ALL: &str = "ehlo=2 starttls=1 quit=1 commands=4";
const CLEAR: &str = "ehlo=1 quit=1 commands=2";
const NO_HANDSHAKE: &str = "ehlo=1 starttls=0/1 commands=1/2";
const REFUSED: &str = "quit=1 commands=1";

const NOTHING: &str = "-";

const fn server(host: &'static str, service: &'static str) -> Server {
    Server {
        host,
        service,
        shows: Shows::Valid,
        parameters: &[],
        clients: 1,
        commands: ALL,
        row: HostRow {
            status: "usable",
            code: NOTHING,
            starttls: "accepted",
            tls: "1.3",
            dane: "none",
            security: "secure",
            attempts: 1,
            codes: &[],
        },
    }
}

/// A server whose certificate no sender without DANE accepts.
const fn shows(shows: Shows, host: &'static str, service: &'static str, codes: &'static [&'static str]) -> Server {
    let server = server(host, service);
    Server { shows, row: HostRow { status: "broken", code: codes[0], codes, ..server.row }, ..server }
}

/// A server without STARTTLS.
const fn clear(host: &'static str, service: &'static str, codes: &'static [&'static str]) -> Server {
    let server = server(host, service);
    let row = HostRow {
        status: "broken",
        code: "smtp.no_starttls",
        starttls: "not_offered",
        tls: NOTHING,
        codes,
        ..server.row
    };
    Server { parameters: &["smtpd_tls_security_level=none"], commands: CLEAR, row, ..server }
}

const fn dane(server: Server, dane: &'static str, codes: &'static [&'static str]) -> Server {
    Server { row: HostRow { dane, codes, ..server.row }, ..server }
}

/// Every server.
#[rustfmt::skip]
pub(super) const SERVERS: &[Server] = &[
    // The canary too.
    Server { clients: 2, ..server("good.in.safe.test", "good") },
    Server { parameters: &["smtpd_tls_protocols=<=TLSv1.2"], row: HostRow { tls: "1.2", ..server("", "").row }, ..server("tls12.in.safe.test", "tls12") },
    Server { parameters: &["smtpd_tls_protocols=<=TLSv1.1", "tls_medium_cipherlist=ALL:@SECLEVEL=0"], commands: NO_HANDSHAKE,
             row: HostRow { status: "broken", code: "tls.version", tls: NOTHING, codes: &["tls.version"], ..server("", "").row },
             ..server("tls11.in.safe.test", "tls11") },
    clear("clear.in.safe.test", "clear", &["smtp.no_starttls"]),
    // A lasting refusal may be about us, and is not tried twice. Whether its TLSA record fits nobody knows.
    Server { parameters: &["smtpd_client_restrictions=reject"], commands: REFUSED,
             row: HostRow { status: "unseen", code: "smtp.banner_5xx", starttls: "unknown", tls: NOTHING, dane: "applies", ..server("", "").row },
             ..server("refuses.in.safe.test", "refuses") },
    // One that may pass is.
    Server { parameters: &["smtpd_client_restrictions=defer"], clients: 2, commands: REFUSED,
             row: HostRow { status: "unseen", code: "smtp.banner_4xx", starttls: "unknown", tls: NOTHING, attempts: 2, ..server("", "").row },
             ..server("defers.in.safe.test", "defers") },
    shows(Shows::WrongName, "name.in.safe.test", "name", &["cert.name"]),
    shows(Shows::Expired, "expired.in.safe.test", "expired", &["cert.expired"]),
    shows(Shows::SelfSigned, "self.in.safe.test", "self", &["cert.self_signed"]),
    shows(Shows::WithoutIntermediate, "alone.in.safe.test", "alone", &["cert.missing_intermediate"]),
    server("backup.out.safe.test", "backup"),
    server("implicit.safe.test", "implicit"),
    dane(server("alias.in.safe.test", "alias"), "match", &["mx.cname"]),
    server("two.in.safe.test", "two-good"),
    clear("two.in.safe.test", "two-clear", &["smtp.no_starttls"]),
    // Nobody announces a policy for it, so nobody asks for it.
    Server { clients: 0, ..server("silent.in.safe.test", "silent") },

    // RFC 7672.
    dane(shows(Shows::SelfSigned, "ee.in.safe.test", "ee", &["cert.self_signed"]), "match", &["cert.self_signed", "dane.only"]),
    dane(server("stale.in.safe.test", "stale"), "mismatch", &["dane.mismatch"]),
    dane(server("roll.in.safe.test", "roll"), "match", &["dane.stale_record"]),
    dane(shows(Shows::Private, "ta.in.safe.test", "ta", &["cert.unknown_issuer"]), "match", &["cert.unknown_issuer", "dane.only"]),
    dane(shows(Shows::PrivateFor("mail.example.net"), "ta-name.in.safe.test", "ta-name", &["cert.name"]), "mismatch",
         &["cert.name", "cert.unknown_issuer", "dane.ta_name"]),
    dane(shows(Shows::PrivateFor("ta-domain.safe.test"), "ta-domain.in.safe.test", "ta-domain", &["cert.name"]), "mismatch",
         &["cert.name", "cert.unknown_issuer", "dane.ta_name"]),
    dane(server("pkix.in.safe.test", "pkix"), "unusable", &["dane.unusable", "dane.usage"]),
    // No certificate was seen, so nothing is known of whether it fits.
    dane(clear("stripped.in.safe.test", "stripped", &["smtp.no_starttls"]), "applies", &["smtp.no_starttls"]),
    // RFC 7672 2.2.2: the alias is secure, and what it stands for is not.
    dane(shows(Shows::SelfSigned, "half.in.safe.test", "half", &["cert.self_signed"]), "match", &["cert.self_signed", "dane.only", "mx.cname"]),
    Server { row: HostRow { security: "insecure", dane: "insecure", codes: &["dane.insecure"], ..server("", "").row },
             ..server("insecure.in.plain.test", "insecure") },
    // What failed was asked again; the conversation had not failed.
    Server { row: HostRow { security: "bogus", dane: "bogus", attempts: 2, codes: &["dnssec.bogus_host"], ..server("", "").row },
             ..server("bogus.in.safe.test", "bogus") },
    Server { row: HostRow { security: "unknown", dane: "unknown", attempts: 2, ..server("", "").row },
             ..server("blind.in.safe.test", "blind") },
];

/// The TLSA records: the host, usage, selector, matching type, and the certificate that they are of.
pub(super) const RECORDS: &[(&str, [u8; 3], &str)] = &[
    ("refuses.in.safe.test", [3, 1, 1], "refuses"),
    ("ee.in.safe.test", [3, 1, 1], "ee"),
    ("stale.in.safe.test", [3, 1, 1], "other"),
    ("roll.in.safe.test", [3, 1, 1], "other"),
    ("roll.in.safe.test", [3, 1, 1], "roll"),
    ("ta.in.safe.test", [2, 1, 1], "private"),
    ("ta-name.in.safe.test", [2, 1, 1], "private"),
    ("ta-domain.in.safe.test", [2, 1, 1], "private"),
    ("pkix.in.safe.test", [1, 1, 1], "pkix"),
    ("stripped.in.safe.test", [3, 1, 1], "stripped"),
    ("half.in.safe.test", [3, 1, 1], "half"),
    // What the alias stands for.
    ("real.in.safe.test", [3, 1, 1], "alias"),
    // Would refuse, if it counted.
    ("insecure.in.plain.test", [3, 1, 1], "other"),
    // What the records of the host are an alias of.
    ("bogus.lost.test", [3, 1, 1], "bogus"),
    ("addresses.lost.test", [3, 1, 1], "other"),
];

/// Beside the addresses: aliases, records whose signature has expired, records that nobody can ask for, and a host whose
/// address has an expired signature.
const MORE: &str = "alias.in.safe.test. CNAME real.in.safe.test.\n\
    half.in.safe.test. CNAME half.in.plain.test.\n\
    _25._tcp.bogus.in.safe.test. CNAME _25._tcp.bogus.lost.test.\n\
    _25._tcp.blind.in.safe.test. CNAME _25._tcp.blind.broken.test.\n\
    addresses.lost.test. A 127.0.0.1\n";

const GOOD: Kind = Kind {
    domain: "good.safe.test",
    record: "_mta-sts.$D. TXT \"v=STSv1; id=1;\"",
    mode: "enforce",
    covers: "*.in.safe.test",
    mail: &["$D. MX 10 good.in.safe.test."],
    outcome: "enforce_deliverable",
    code: NOTHING,
    verdict: "deliver",
    findings: &[],
    codes: &[],
    failures: ["", ""],
    dane: "none",
    hosts: &["good.in.safe.test usable - true none 1 0 0"],
    reports: &[],
    sessions: &["sts $D 1 0"],
};

/// The policy is enforced, and the only host must not be used.
const fn refused(domain: &'static str, code: &'static str) -> Kind {
    Kind { domain, outcome: "enforce_refused", code, verdict: "refuse", sessions: &["sts $D 0 1"], ..GOOD }
}

/// Every domain.
#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    GOOD,
    // A host that many share.
    Kind { domain: "shares.safe.test", ..GOOD },
    Kind { domain: "tls12.safe.test", mail: &["$D. MX 10 tls12.in.safe.test."], hosts: &["tls12.in.safe.test usable - true none 1 0 0"], ..GOOD },
    Kind { mail: &["$D. MX 10 tls11.in.safe.test."], codes: &["tls.version"], hosts: &["tls11.in.safe.test broken tls.version true none 0 1 0"],
           reports: &["sts validation-failure 1"], ..refused("tls11.safe.test", "tls.version") },
    Kind { mail: &["$D. MX 10 clear.in.safe.test."], codes: &["smtp.no_starttls"], hosts: &["clear.in.safe.test broken smtp.no_starttls true none 0 1 0"],
           reports: &["sts starttls-not-supported 1"], ..refused("clear.safe.test", "smtp.no_starttls") },
    Kind { mail: &["$D. MX 10 name.in.safe.test."], codes: &["cert.name"], hosts: &["name.in.safe.test broken cert.name true none 0 1 0"],
           reports: &["sts certificate-host-mismatch 1"], ..refused("name.safe.test", "cert.name") },
    Kind { mail: &["$D. MX 10 expired.in.safe.test."], codes: &["cert.expired"], hosts: &["expired.in.safe.test broken cert.expired true none 0 1 0"],
           reports: &["sts certificate-expired 1"], ..refused("expired.safe.test", "cert.expired") },
    Kind { mail: &["$D. MX 10 self.in.safe.test."], codes: &["cert.self_signed"], hosts: &["self.in.safe.test broken cert.self_signed true none 0 1 0"],
           reports: &["sts certificate-not-trusted 1"], ..refused("self.safe.test", "cert.self_signed") },
    Kind { mail: &["$D. MX 10 alone.in.safe.test."], codes: &["cert.missing_intermediate"],
           hosts: &["alone.in.safe.test broken cert.missing_intermediate true none 0 1 0"],
           reports: &["sts certificate-not-trusted 1"], ..refused("alone.safe.test", "cert.missing_intermediate") },
    // A refusal of us says nothing of how others are treated.
    Kind { domain: "refuses.safe.test", mail: &["$D. MX 10 refuses.in.safe.test."], outcome: "unknown", code: "smtp.banner_5xx", verdict: "unknown",
           failures: ["", "smtp.banner_5xx"], dane: "applies", hosts: &["refuses.in.safe.test unseen smtp.banner_5xx true applies 0 0 1"], sessions: &[], ..GOOD },
    Kind { domain: "defers.safe.test", mail: &["$D. MX 10 defers.in.safe.test."], outcome: "unknown", code: "smtp.banner_4xx", verdict: "unknown",
           failures: ["", "smtp.banner_4xx"], hosts: &["defers.in.safe.test unseen smtp.banner_4xx true none 0 0 1"], sessions: &[], ..GOOD },
    // RFC 8461 5: hosts are tried in order of preference.
    Kind { domain: "second.safe.test", mail: &["$D. MX 10 clear.in.safe.test.", "$D. MX 20 good.in.safe.test."], verdict: "report", codes: &["smtp.no_starttls"],
           hosts: &["clear.in.safe.test broken smtp.no_starttls true none 0 1 0", "good.in.safe.test usable - true none 1 0 0"],
           reports: &["sts starttls-not-supported 1"], sessions: &["sts $D 1 1"], ..GOOD },
    Kind { domain: "two.safe.test", mail: &["$D. MX 10 two.in.safe.test."], verdict: "report", codes: &["smtp.addresses_differ", "smtp.no_starttls"],
           hosts: &["two.in.safe.test usable - true none 1 1 0"], reports: &["sts starttls-not-supported 1"], sessions: &["sts $D 1 1"], ..GOOD },
    Kind { domain: "testing.safe.test", mode: "testing", ..GOOD_TESTING },
    // RFC 8461 5: none binds nobody.
    Kind { domain: "none.safe.test", mode: "none", outcome: "none", verdict: NOTHING, findings: &["policy.mx_under_none"],
           hosts: &["good.in.safe.test usable - - none 1 0 0"], ..GOOD },
    Kind { mode: "testing", mail: &["$D. MX 10 expired.in.safe.test."], outcome: "testing_failing", verdict: "report", codes: &["cert.expired"],
           hosts: &["expired.in.safe.test broken cert.expired true none 0 1 0"], reports: &["sts certificate-expired 1"],
           ..refused("testing-expired.safe.test", "cert.expired") },

    // The MX records (RFC 8461 4.1, RFC 5321 5.1, RFC 7505).
    Kind { domain: "backup.safe.test", mail: &["$D. MX 10 good.in.safe.test.", "$D. MX 20 backup.out.safe.test."], verdict: "report", findings: &["mx.uncovered"],
           hosts: &["good.in.safe.test usable - true none 1 0 0", "backup.out.safe.test usable - false none 1 0 0"],
           reports: &["sts validation-failure 1"], sessions: &["sts $D 1 1"], ..GOOD },
    Kind { mail: &["$D. MX 10 backup.out.safe.test."], findings: &["mx.none_covered", "mx.uncovered"],
           hosts: &["backup.out.safe.test usable - false none 1 0 0"],
           reports: &["sts validation-failure 1"], ..refused("uncovered.safe.test", "mx.none_covered") },
    Kind { mail: &["$D. MX 0 ."], findings: &["mx.null", "sts.null_mx_with_policy"], dane: NOTHING, hosts: &[], sessions: &[],
           verdict: NOTHING, ..refused("null.safe.test", "mx.null") },
    Kind { domain: "implicit.safe.test", covers: "implicit.safe.test", mail: &[], findings: &["mx.implicit"],
           hosts: &["implicit.safe.test usable - true none 1 0 0"], ..GOOD },
    Kind { domain: "alias.safe.test", mail: &["$D. MX 10 alias.in.safe.test."], codes: &["mx.cname"], dane: "match",
           hosts: &["alias.in.safe.test usable - true match 1 0 0"], sessions: &["tlsa real.in.safe.test 1 0"], ..GOOD },
    Kind { domain: "silent.safe.test", record: "", mail: &["$D. MX 10 silent.in.safe.test."], outcome: "not_announced", code: "record.none", verdict: NOTHING,
           dane: NOTHING, hosts: &[], sessions: &[], ..GOOD },

    // DANE takes precedence (RFC 8461 2).
    Kind { domain: "ee.safe.test", mail: &["$D. MX 10 ee.in.safe.test."], codes: &["cert.self_signed", "dane.only"], dane: "match",
           hosts: &["ee.in.safe.test usable - true match 1 0 0"], sessions: &["tlsa ee.in.safe.test 1 0"], ..GOOD },
    Kind { mail: &["$D. MX 10 stale.in.safe.test."], codes: &["dane.mismatch"], dane: "mismatch",
           hosts: &["stale.in.safe.test broken dane.mismatch true mismatch 0 1 0"], reports: &["tlsa tlsa-invalid 1"],
           sessions: &["tlsa stale.in.safe.test 0 1"], ..refused("stale.safe.test", "dane.mismatch") },
    Kind { domain: "roll.safe.test", mail: &["$D. MX 10 roll.in.safe.test."], codes: &["dane.stale_record"], dane: "match",
           hosts: &["roll.in.safe.test usable - true match 1 0 0"], sessions: &["tlsa roll.in.safe.test 1 0"], ..GOOD },
    Kind { domain: "ta.safe.test", mail: &["$D. MX 10 ta.in.safe.test."], codes: &["cert.unknown_issuer", "dane.only"], dane: "match",
           hosts: &["ta.in.safe.test usable - true match 1 0 0"], sessions: &["tlsa ta.in.safe.test 1 0"], ..GOOD },
    Kind { mail: &["$D. MX 10 ta-name.in.safe.test."], codes: &["cert.name", "cert.unknown_issuer", "dane.ta_name"], dane: "mismatch",
           hosts: &["ta-name.in.safe.test broken dane.ta_name true mismatch 0 1 0"], reports: &["tlsa certificate-host-mismatch 1"],
           sessions: &["tlsa ta-name.in.safe.test 0 1"], ..refused("ta-name.safe.test", "dane.ta_name") },
    // RFC 7672 3.2.2: the certificate may be for the mail domain, which it is for one of the two that share the host.
    Kind { domain: "ta-domain.safe.test", mail: &["$D. MX 10 ta-domain.in.safe.test."], codes: &["cert.name", "cert.unknown_issuer", "dane.only"], dane: "match",
           hosts: &["ta-domain.in.safe.test usable - true match 1 0 0"], sessions: &["tlsa ta-domain.in.safe.test 1 0"], ..GOOD },
    Kind { mail: &["$D. MX 10 ta-domain.in.safe.test."], codes: &["cert.name", "cert.unknown_issuer", "dane.ta_name"], dane: "mismatch",
           hosts: &["ta-domain.in.safe.test broken dane.ta_name true mismatch 0 1 0"], reports: &["tlsa certificate-host-mismatch 1"],
           sessions: &["tlsa ta-domain.in.safe.test 0 1"], ..refused("ta-other.safe.test", "dane.ta_name") },
    Kind { domain: "partial.safe.test", mail: &["$D. MX 10 roll.in.safe.test.", "$D. MX 20 good.in.safe.test."], codes: &["dane.stale_record"], dane: "partial",
           hosts: &["roll.in.safe.test usable - true match 1 0 0", "good.in.safe.test usable - true none 1 0 0"],
           sessions: &["sts $D 1 0", "tlsa roll.in.safe.test 1 0"], ..GOOD },
    // RFC 7672 2.2: without a record that can be used, TLS must be there all the same, and the policy decides.
    Kind { domain: "pkix.safe.test", mail: &["$D. MX 10 pkix.in.safe.test."], verdict: "report", codes: &["dane.unusable", "dane.usage"], dane: "unusable",
           hosts: &["pkix.in.safe.test usable - true unusable 1 0 0"], reports: &["tlsa tlsa-invalid 1"], sessions: &["sts $D 1 0", "tlsa pkix.in.safe.test 0 1"], ..GOOD },
    Kind { domain: "half.safe.test", mail: &["$D. MX 10 half.in.safe.test."], codes: &["cert.self_signed", "dane.only", "mx.cname"], dane: "match",
           hosts: &["half.in.safe.test usable - true match 1 0 0"], sessions: &["tlsa half.in.safe.test 1 0"], ..GOOD },
    // Who strips STARTTLS is found out (RFC 7672 2.2).
    Kind { mail: &["$D. MX 10 stripped.in.safe.test."], codes: &["smtp.no_starttls"], dane: "applies",
           hosts: &["stripped.in.safe.test broken smtp.no_starttls true applies 0 1 0"], reports: &["tlsa starttls-not-supported 1"],
           sessions: &["tlsa stripped.in.safe.test 0 1"], ..refused("stripped.safe.test", "smtp.no_starttls") },

    // DNSSEC (RFC 7672 2.1, 2.2.1).
    Kind { domain: "insecure.safe.test", covers: "*.in.plain.test", mail: &["$D. MX 10 insecure.in.plain.test."], codes: &["dane.insecure"], dane: "insecure",
           hosts: &["insecure.in.plain.test usable - true insecure 1 0 0"], ..GOOD },
    Kind { mail: &["$D. MX 10 ee.in.safe.test."], codes: &["cert.self_signed", "dane.mx_insecure"], dane: "insecure",
           hosts: &["ee.in.safe.test broken cert.self_signed true insecure 0 1 0"], reports: &["sts certificate-not-trusted 1"],
           ..refused("ee.plain.test", "cert.self_signed") },
    // The same host is refused by who comes over secure MX records.
    Kind { domain: "stale.plain.test", mail: &["$D. MX 10 stale.in.safe.test."], codes: &["dane.mx_insecure"], dane: "insecure",
           hosts: &["stale.in.safe.test usable - true insecure 1 0 0"], ..GOOD },
    Kind { mail: &["$D. MX 10 bogus.in.safe.test."], codes: &["dnssec.bogus_host"], dane: "bogus",
           hosts: &["bogus.in.safe.test broken dnssec.bogus_host true bogus 0 1 0"], reports: &["tlsa dnssec-invalid 1"],
           sessions: &["tlsa bogus.in.safe.test 0 1"], ..refused("bogus.safe.test", "dnssec.bogus_host") },
    Kind { covers: "*.lost.test", mail: &["$D. MX 10 addresses.lost.test."], codes: &["dnssec.bogus_host"], dane: "not_asked",
           hosts: &["addresses.lost.test broken dnssec.bogus_host true not_asked 0 0 0"], reports: &["tlsa dnssec-invalid 1"],
           sessions: &["tlsa addresses.lost.test 0 1"], ..refused("bogus-address.safe.test", "dnssec.bogus_host") },
    // A failure is never absence: a sender that validates would wait (RFC 7672 2.1.2), so nothing is said.
    Kind { domain: "blind.safe.test", mail: &["$D. MX 10 blind.in.safe.test."], outcome: "unknown", code: "dns.rcode_2", verdict: "unknown",
           failures: ["", "dns.rcode_2"], dane: "unknown", hosts: &["blind.in.safe.test unseen dns.rcode_2 true unknown 0 0 1"], sessions: &[], ..GOOD },
    Kind { domain: "all.lost.test", outcome: "unknown", code: "dnssec.bogus", verdict: NOTHING, failures: ["dnssec.bogus", ""], dane: NOTHING, hosts: &[],
           sessions: &[], ..GOOD },
];

const GOOD_TESTING: Kind = Kind { outcome: "testing", ..GOOD };

impl Kind {
    /// Whether its mail hosts are asked for: a policy is announced, and the domain could be seen.
    pub(super) fn is_asked(&self) -> bool {
        !["record.none", "dnssec.bogus"].contains(&self.code)
    }

    pub(super) fn expand(&self, text: &str) -> String {
        text.replace("$D", self.domain)
    }

    pub(super) fn policy(&self) -> String {
        format!("version: STSv1\nmode: {}\nmx: {}\nmax_age: {MAX_AGE}\n", self.mode, self.covers)
    }

    fn records(&self) -> String {
        let rest = "mta-sts.$D. A 127.0.0.1\n_smtp._tls.$D. TXT \"v=TLSRPTv1; rua=mailto:tlsrpt@$D\"";
        let lines = [self.record, rest].into_iter().chain(self.mail.iter().copied());
        lines.fold(String::new(), |text, line| text + &self.expand(line) + "\n")
    }
}

/// Seconds for which senders remember each policy.
pub(super) const MAX_AGE: i64 = 604_800;

/// The zones, before they are signed: all records of the domains and hosts, with these addresses and TLSA records.
pub(super) fn zones(
    address: impl Fn(usize) -> String,
    record: impl Fn([u8; 3], &str) -> String,
) -> Vec<(&'static str, String, Signing)> {
    let mut all: String = KINDS.iter().map(Kind::records).collect();
    all.push_str(MORE);
    for (place, server) in SERVERS.iter().enumerate() {
        let owner = match server.service {
            "alias" => "real.in.safe.test",
            "half" => "half.in.plain.test",
            _ => server.host,
        };
        writeln!(all, "{owner}. A {}", address(place)).unwrap();
    }
    for (host, parameters, certificate) in RECORDS {
        writeln!(all, "_25._tcp.{host}. TLSA {}", record(*parameters, certificate)).unwrap();
    }
    [
        ("safe.test", Signing::Secure),
        ("plain.test", Signing::Insecure),
        ("lost.test", Signing::Expired),
        ("broken.test", Signing::Broken),
    ]
    .into_iter()
    .map(|(name, signing)| {
        let is_in = |line: &&str| line.split(' ').next().is_some_and(|owner| owner.ends_with(&format!(".{name}.")));
        zone(name, signing, &all.lines().filter(is_in).fold(String::new(), |text, line| text + line + "\n"))
    })
    .collect()
}
