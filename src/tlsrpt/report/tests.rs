//! Reports: what is counted, under which policy, and the format.

use jiff::Timestamp;
use serde_json::json;

use super::format::FILE_NAME_MAX;
use super::*;

const BODY: &[u8] = b"\xef\xbb\xbfversion: STSv1\r\nmode: enforce\nmx: *.example.com \n\nmax_age: 86400";

fn policy(is_none: bool) -> Policy {
    Policy::Applied { body: BODY.to_vec(), mx: vec!["*.example.com".to_owned()], is_none }
}

fn host(name: &str, usable: u64, broken: u64) -> Host {
    let (name, broken_all) = (name.to_owned(), usable == 0);
    Host {
        name,
        covered: Some(true),
        broken: broken_all,
        addresses_usable: usable,
        addresses_broken: broken,
        ..Host::default()
    }
}

fn uncovered(name: &str, usable: u64) -> Host {
    Host { covered: Some(false), broken: true, ..host(name, usable, 0) }
}

fn by_dane(name: &str, usable: u64, broken: u64) -> Host {
    Host { dane: Dane::Decides, tlsa: ["3 1 1 ab".to_owned()].into(), ..host(name, usable, broken) }
}

fn counted(policy_type: PolicyType, result_type: &str, count: u64) -> Counted {
    Counted { policy_type, result_type: result_type.to_owned(), count }
}

/// `result host/address code`, with `-` for what is not there.
fn cause(text: &str) -> Cause {
    let [result_type, at, code] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let (host, address) = at.split_once('/').unwrap_or((at, "-"));
    let known = |text: &str| (text != "-").then(|| text.to_owned());
    Cause { result_type: result_type.to_owned(), code: code.to_owned(), host: known(host), address: known(address) }
}

/// `type domain successful/failed: result host/address code count, …`
fn shown(applied: &[Applied]) -> Vec<String> {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let detail =
        |d: &Detail| format!("{} {}/{} {} {}", d.result_type, or(&d.host), or(&d.address), or(&d.reason), d.count);
    let one = |a: &Applied| {
        let details: Vec<String> = a.details.iter().map(detail).collect();
        format!("{} {} {}/{}: {}", a.policy_type.word(), a.domain, a.successful, a.failed, details.join(", "))
    };
    applied.iter().map(one).collect()
}

/// What, the policy, the hosts, the counts, the causes, and what is reported.
type Case = (&'static str, Policy, Vec<Host>, Vec<Counted>, &'static [&'static str], &'static [&'static str]);

#[test]
fn sessions_count_once_and_stand_under_the_policy_that_decides() {
    use PolicyType::{NoPolicyFound, Sts, Tlsa};
    let cases: Vec<Case> = vec![
        ("all is well", policy(false), vec![host("a", 2, 0), host("b", 1, 0)], vec![], &[], &["sts e.test 3/0: "]),
        (
            "one address of two",
            policy(false),
            vec![host("a", 1, 1)],
            vec![counted(Sts, "certificate-expired", 1)],
            &["certificate-expired a/192.0.2.1 cert.expired"],
            &["sts e.test 1/1: certificate-expired a/192.0.2.1 cert.expired 1"],
        ),
        (
            "one session with two results counts once (RFC 8460 4)",
            policy(false),
            vec![host("a", 0, 1)],
            vec![counted(Sts, "certificate-expired", 1), counted(Sts, "certificate-host-mismatch", 1)],
            &["certificate-expired a/192.0.2.1 cert.expired", "certificate-host-mismatch a/192.0.2.1 cert.name"],
            &[
                "sts e.test 0/1: certificate-expired a/192.0.2.1 cert.expired 1, certificate-host-mismatch a/192.0.2.1 cert.name 1",
            ],
        ),
        (
            "two codes of one result at one address are one session, by the first",
            policy(false),
            vec![host("a", 0, 1)],
            vec![counted(Sts, "certificate-not-trusted", 1)],
            &["certificate-not-trusted a/192.0.2.1 cert.self_signed", "certificate-not-trusted a/192.0.2.1 cert.weak"],
            &["sts e.test 0/1: certificate-not-trusted a/192.0.2.1 cert.self_signed 1"],
        ),
        (
            "no connection is no result, so no failed session (RFC 8460 4.3.4)",
            policy(false),
            vec![host("a", 1, 0), host("b", 0, 2)],
            vec![],
            &[],
            &["sts e.test 1/0: "],
        ),
        (
            "a host that is not covered is not used, and the verdict on all hosts is no session",
            policy(false),
            vec![host("a", 1, 0), uncovered("b", 1)],
            vec![counted(Sts, "validation-failure", 1)],
            &["validation-failure -/- mx.none_covered", "validation-failure b/- mx.uncovered"],
            &["sts e.test 1/1: validation-failure b/- mx.uncovered 1"],
        ),
        (
            "a host that is not covered is one session, at however many addresses",
            policy(false),
            vec![uncovered("b", 2), host("a", 0, 1)],
            vec![
                counted(Sts, "certificate-expired", 1),
                counted(Sts, "certificate-host-mismatch", 1),
                counted(Sts, "validation-failure", 1),
            ],
            &["validation-failure b/- mx.uncovered"],
            &[
                "sts e.test 0/2: certificate-expired -/- - 1, certificate-host-mismatch -/- - 1, validation-failure b/- mx.uncovered 1",
            ],
        ),
        (
            "what no cause explains is counted all the same",
            policy(false),
            vec![host("a", 0, 3)],
            vec![counted(Sts, "starttls-not-supported", 3)],
            &["starttls-not-supported a/192.0.2.1 smtp.no_starttls"],
            &["sts e.test 0/3: starttls-not-supported a/192.0.2.1 smtp.no_starttls 1, starttls-not-supported -/- - 2"],
        ),
        (
            "under mode none the patterns bind nobody (RFC 8461 5)",
            policy(true),
            vec![Host { broken: false, ..uncovered("b", 1) }],
            vec![],
            &[],
            &["sts e.test 1/0: "],
        ),
        (
            "a policy that cannot be used is no policy, for the first reason (RFC 8460 4.4)",
            Policy::Unusable { code: "cert.expired".to_owned() },
            vec![host("a", 2, 0)],
            vec![],
            &[
                "sts-policy-fetch-error -/- http.status",
                "sts-webpki-invalid a/192.0.2.1 cert.expired",
                "sts-webpki-invalid -/- cert.expired",
            ],
            &["no-policy-found e.test 2/1: sts-webpki-invalid -/- cert.expired 1"],
        ),
        (
            "a policy that cannot be used for a reason that no report knows",
            Policy::Unusable { code: "some.code".to_owned() },
            vec![host("a", 2, 0)],
            vec![],
            &[],
            &["no-policy-found e.test 2/0: "],
        ),
        (
            "behind a record that cannot be read nobody looks for a policy",
            Policy::NotFound,
            vec![host("a", 1, 0)],
            vec![],
            &["sts-policy-invalid -/- policy.mode_value"],
            &["no-policy-found e.test 1/0: "],
        ),
        ("what was not seen is not said", Policy::NotSeen, vec![host("a", 1, 0)], vec![], &[], &[]),
        (
            "what is counted is reported, wherever it stands",
            Policy::NotSeen,
            vec![host("a", 1, 0)],
            vec![counted(NoPolicyFound, "sts-policy-fetch-error", 1)],
            &[],
            &["no-policy-found e.test 0/1: sts-policy-fetch-error -/- - 1"],
        ),
        (
            "DANE decides at its hosts, and each is a policy domain (RFC 8461 2, RFC 8460 1.1)",
            policy(false),
            vec![by_dane("a", 0, 1), by_dane("b", 1, 0), host("c", 0, 1)],
            vec![counted(Sts, "certificate-expired", 1), counted(Tlsa, "tlsa-invalid", 1)],
            &[
                "certificate-expired a/192.0.2.1 cert.expired",
                "certificate-expired c/192.0.2.3 cert.expired",
                "tlsa-invalid a/192.0.2.1 dane.mismatch",
            ],
            &[
                "sts e.test 0/1: certificate-expired c/192.0.2.3 cert.expired 1",
                "tlsa a 0/1: tlsa-invalid a/192.0.2.1 dane.mismatch 1",
                "tlsa b 1/0: ",
            ],
        ),
        (
            "where DANE decides at every host, MTA-STS is not applied",
            policy(false),
            vec![by_dane("a", 1, 0)],
            vec![],
            &[],
            &["tlsa a 1/0: "],
        ),
        (
            "a bogus answer makes a host useless, whatever its addresses are worth (RFC 7672 2.1.2)",
            policy(false),
            vec![Host { broken: true, ..by_dane("a", 2, 0) }],
            vec![counted(Tlsa, "dnssec-invalid", 1)],
            &["dnssec-invalid a/- dnssec.bogus_host"],
            &["tlsa a 0/1: dnssec-invalid a/- dnssec.bogus_host 1"],
        ),
        (
            "records that cannot be used are reported, and MTA-STS decides (RFC 7672 2.2)",
            policy(false),
            vec![Host { dane: Dane::Unusable, ..by_dane("a", 1, 0) }],
            vec![counted(Tlsa, "tlsa-invalid", 1)],
            &["tlsa-invalid a/192.0.2.1 dane.unusable"],
            &["sts e.test 1/0: ", "tlsa a 0/1: tlsa-invalid a/192.0.2.1 dane.unusable 1"],
        ),
        (
            "a result of DANE that is about no host",
            policy(false),
            vec![],
            vec![counted(Tlsa, "dnssec-invalid", 2)],
            &["dnssec-invalid -/- dnssec.bogus"],
            &["sts e.test 0/0: ", "tlsa e.test 0/2: dnssec-invalid -/- dnssec.bogus 2"],
        ),
        (
            "a host whose addresses are bogus, so that there is nothing to ask of it",
            policy(false),
            vec![Host { broken: true, ..host("a", 0, 0) }],
            vec![counted(Tlsa, "dnssec-invalid", 1)],
            &["dnssec-invalid a/- dnssec.bogus_host"],
            &["sts e.test 0/0: ", "tlsa a 0/1: dnssec-invalid a/- dnssec.bogus_host 1"],
        ),
    ];
    for (what, policy, hosts, results, causes, expected) in cases {
        let causes = causes.iter().map(|text| cause(text)).collect();
        let seen = Seen { domain: "e.test".to_owned(), policy, hosts, results, causes };
        assert_eq!(shown(&applied(&seen)), expected, "{what}");
    }
}

#[test]
fn details_are_bounded_and_lose_no_session() {
    let many = 5_000_u64;
    let causes = (0..many).map(|n| cause(&format!("certificate-expired a/192.0.2.{n} cert.expired"))).collect();
    let results = vec![counted(PolicyType::Sts, "certificate-expired", many)];
    let seen = Seen { policy: policy(false), results, causes, hosts: vec![host("a", 0, many)], ..Seen::default() };
    let all = applied(&seen);
    assert_eq!((all[0].details.len(), all[0].failed), (DETAILS_MAX + 1, many));
    assert_eq!(all[0].details.iter().map(|detail| detail.count).sum::<u64>(), many);
}

#[test]
fn the_format_is_that_of_the_rfc_and_says_nothing_empty() {
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let seen = Seen {
        domain: "example.com".to_owned(),
        policy: policy(false),
        hosts: vec![host("mx.example.com", 1, 1), by_dane("dane.example.net", 1, 0)],
        results: vec![counted(PolicyType::Sts, "starttls-not-supported", 1)],
        causes: vec![cause("starttls-not-supported mx.example.com/2001:db8::1 smtp.no_starttls")],
    };
    let report = Report {
        organization: "Example \"Org\"",
        contact: "sts@example.org",
        id: "one",
        range: Range::days(time("2026-02-28T23:59:59.5Z"), time("2026-03-01T00:00:00Z")),
        policies: applied(&seen),
    };
    let expected = json!({
        "organization-name": "Example \"Org\"",
        "date-range": {"start-datetime": "2026-02-28T00:00:00Z", "end-datetime": "2026-03-01T23:59:59Z"},
        "contact-info": "sts@example.org",
        "report-id": "one",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": ["version: STSv1", "mode: enforce", "mx: *.example.com", "max_age: 86400"],
                    "policy-domain": "example.com",
                    "mx-host": ["*.example.com"],
                },
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 1},
                "failure-details": [{
                    "result-type": "starttls-not-supported",
                    "receiving-mx-hostname": "mx.example.com",
                    "receiving-ip": "2001:db8::1",
                    "failure-reason-code": "smtp.no_starttls",
                    "failed-session-count": 1,
                }],
            },
            {
                "policy": {
                    "policy-type": "tlsa",
                    "policy-string": ["3 1 1 ab"],
                    "policy-domain": "dane.example.net",
                },
                "summary": {"total-successful-session-count": 1, "total-failure-session-count": 0},
            },
        ],
    });
    assert_eq!(report.to_json(), expected);
}

#[test]
fn file_names_are_those_of_the_rfc_and_fit() {
    let time: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
    let range = Range::days(time, time);
    let name = file_name("example.org", "example.com", range, "one", "json");
    assert_eq!(name, "example.org!example.com!1795392000!1795478399!one.json");
    let label = "a".repeat(61);
    let long = format!("{label}.{label}.{label}.{label}.test");
    let name = file_name("example.org", &long, range, "one2", "json.gz");
    assert!(name.len() <= FILE_NAME_MAX && name.ends_with(".test!1795392000!1795478399!one2.json.gz"), "{name}");
}
