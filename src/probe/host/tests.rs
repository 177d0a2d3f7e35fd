//! Tables of what the evidence of a mail host says.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::*;
use crate::cert::Verdict;
use crate::failure::Failure;
use crate::finding::{self, Finding, Place, dns, tcp};
use crate::net::dns::{Rrset, Via};
use crate::net::smtp::Times;
use crate::smtp::talk::Facts;
use crate::sts::sender::{Dane, Session, Sight};

const V4: &str = "192.0.2.25";
const OTHER: &str = "192.0.2.26";
const V6: &str = "2001:db8::25";

fn answer<T>(lookup: Lookup<T>, security: Security) -> Answer<T> {
    let via = Via::default();
    let (aliases, ede, elapsed) = (Vec::new(), Vec::new(), Duration::ZERO);
    Answer { lookup, aliases, security, ede, via, sent: 1, elapsed, case_changed: false, trailing: false }
}

fn records<T>(records: Vec<T>) -> Lookup<T> {
    if records.is_empty() { Lookup::NoData } else { Lookup::Found(Rrset { records, ttl: 300 }) }
}

fn failed_address<T>() -> Lookup<T> {
    Lookup::Failed(Failure::new(dns::TIMEOUT))
}

/// A host with these addresses, none of which was talked to yet.
fn host(addresses: &[&str], security: Security) -> Seen {
    let all: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
    let v4 = all.iter().filter_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None }).collect::<Vec<Ipv4Addr>>();
    let v6 = all.iter().filter_map(|a| if let IpAddr::V6(a) = a { Some(*a) } else { None }).collect::<Vec<Ipv6Addr>>();
    let mut seen = Seen::begun(&HostName::parse("mx.example").unwrap());
    seen.addresses = Some(Addresses { v4: answer(records(v4), security), v6: answer(records(v6), security) });
    seen.sorted = Sorted { usable: all, forbidden: Vec::new() };
    seen
}

/// A conversation that came through, with this verdict on the certificate.
fn talked(address: &str, verdict: Option<Verdict>, failure: Option<Failure>) -> Talked {
    Talked {
        address: SocketAddr::new(address.parse().unwrap(), 25),
        facts: Facts::default(),
        tls: None,
        chain: Vec::new(),
        verdict,
        failure,
        times: Times::default(),
        wire_bytes: 0,
    }
}

fn good() -> Option<Verdict> {
    Some(Verdict { authenticated: true, name_ok: true, in_time: true, ..Verdict::default() })
}

fn bad(code: Code) -> Option<Verdict> {
    Some(Verdict { findings: vec![Finding::new(code)], ..Verdict::default() })
}

fn sight(seen: &Seen) -> Sight {
    let judged = judge(seen);
    let host = crate::sts::sender::MailHost {
        covered: true,
        reach: judged.reach,
        dane: judged.dane,
        sessions: judged.sessions(),
    };
    host.sight()
}

#[test]
fn each_address_counts_and_losing_sight_is_no_fault() {
    let refused = || Some(Failure::new(tcp::REFUSED));
    let silent = || Some(Failure::new(finding::smtp::BANNER_TIMEOUT));
    let plain = || Some(Failure::new(finding::smtp::NO_STARTTLS));
    let expired = finding::cert::EXPIRED;
    type Case = (&'static [&'static str], Vec<Talked>, Sight, &'static [&'static str]);
    let table: Vec<Case> = vec![
        (&[], vec![], Sight::Broken(finding::mx::NO_ADDRESS), &["mx.no_address"]),
        (&[V4], vec![talked(V4, good(), None)], Sight::Passed, &[]),
        (&[V4], vec![talked(V4, bad(expired), None)], Sight::Broken(expired), &["cert.expired"]),
        (&[V4], vec![talked(V4, None, plain())], Sight::Broken(finding::smtp::NO_STARTTLS), &["smtp.no_starttls"]),
        (&[V4], vec![talked(V4, None, silent())], Sight::Unseen(finding::smtp::BANNER_TIMEOUT), &[]),
        (&[V4], vec![talked(V4, None, refused())], Sight::Broken(tcp::REFUSED), &["tcp.refused"]),
        (
            &[V4, OTHER],
            vec![talked(V4, None, plain()), talked(OTHER, good(), None)],
            Sight::Passed,
            &["smtp.no_starttls"],
        ),
        (
            &[V4, OTHER],
            vec![talked(V4, None, plain()), talked(OTHER, None, silent())],
            Sight::Unseen(finding::smtp::BANNER_TIMEOUT),
            &["smtp.no_starttls"],
        ),
    ];
    for (number, (addresses, talked, worth, codes)) in table.into_iter().enumerate() {
        let mut seen = host(addresses, Security::Insecure);
        seen.talked = talked;
        assert_eq!(sight(&seen), worth, "row {number}");
        let judged = judge(&seen);
        let found: Vec<&str> = judged.finding_codes().into_iter().map(Code::as_str).collect();
        assert_eq!(found, codes, "row {number}");
        assert!(
            judged.findings().all(|finding| finding.place == Place::MailHost && finding.detail.get("host").is_some())
        );
        let unseen =
            seen.talked.iter().any(|talked| talked.failure.as_ref().is_some_and(|f| f.code.severity().is_none()));
        assert_eq!((judged.failures().count() > 0, judged.may_pass), (unseen, unseen), "row {number}");
    }
}

#[test]
fn a_family_that_was_not_seen_might_have_passed() {
    let mut seen = host(&[V4], Security::Insecure);
    seen.talked = vec![talked(V4, bad(finding::cert::NAME), None)];
    if let Some(addresses) = &mut seen.addresses {
        addresses.v6 = answer(Lookup::Failed(Failure::new(dns::RCODE_2)), Security::Unknown);
    }
    assert_eq!(sight(&seen), Sight::Unseen(dns::RCODE_2));
    seen.talked = vec![talked(V4, good(), None)];
    assert_eq!(sight(&seen), Sight::Passed);
    seen.sorted = Sorted { usable: Vec::new(), forbidden: vec![("10.0.0.1".parse().unwrap(), "RFC 1918")] };
    seen.talked.clear();
    assert_eq!(sight(&seen), Sight::Unseen(dns::RCODE_2));
    if let Some(addresses) = &mut seen.addresses {
        addresses.v6 = answer(Lookup::NoData, Security::Insecure);
    }
    assert_eq!(sight(&seen), Sight::Broken(finding::reach::FORBIDDEN));
    if let Some(addresses) = &mut seen.addresses {
        addresses.v4 = answer(Lookup::Failed(Failure::new(finding::dane::BOGUS)), Security::Bogus);
    }
    assert_eq!(sight(&seen), Sight::Broken(finding::dane::BOGUS_HOST));
}

#[test]
fn where_this_machine_has_no_way_says_nothing_beside_another_address() {
    let routeless = || talked(V6, None, Some(Failure::new(tcp::UNREACHABLE).with("errno", 101)));
    let mut seen = host(&[V4, V6], Security::Insecure);
    seen.talked = vec![talked(V4, bad(finding::cert::NAME), None), routeless()];
    assert_eq!(sight(&seen), Sight::Broken(finding::cert::NAME));
    let judged = judge(&seen);
    assert!(judged.failures().next().is_none() && !judged.may_pass, "{judged:?}");
    let mut seen = host(&[V6], Security::Insecure);
    seen.talked = vec![routeless()];
    assert_eq!(sight(&seen), Sight::NotAsked(finding::sts::NO_ROUTE));
    // A router on the way that says so is another matter; it is not asked again (HOSTILE.md 73).
    seen.talked = vec![talked(V6, None, Some(Failure::new(tcp::UNREACHABLE).with("errno", 113)))];
    assert_eq!(sight(&seen), Sight::Unseen(tcp::UNREACHABLE));
    assert!(!seen.failed());
}

#[test]
fn a_version_of_ip_that_the_network_blocks_is_held_against_no_host() {
    use finding::sts::{PORT_BLOCKED, PORT_UNKNOWN};
    let closed = |address, code| talked(address, None, Some(Failure::new(code)));
    let name = || bad(finding::cert::NAME);
    let table: Vec<(Vec<Talked>, Sight)> = vec![
        (vec![talked(V4, good(), None), closed(V6, PORT_BLOCKED)], Sight::Passed),
        (vec![closed(V4, PORT_BLOCKED), talked(V6, good(), None)], Sight::Passed),
        (vec![closed(V6, PORT_BLOCKED)], Sight::NotAsked(PORT_BLOCKED)),
        (vec![closed(V6, PORT_UNKNOWN)], Sight::NotAsked(PORT_UNKNOWN)),
        (vec![talked(V4, name(), None), closed(V6, PORT_BLOCKED)], Sight::Broken(finding::cert::NAME)),
        // What is broken over IPv6 alone is not broken for those who come over IPv4.
        (vec![closed(V4, PORT_BLOCKED), talked(V6, name(), None)], Sight::NotAsked(PORT_BLOCKED)),
    ];
    for (talked, expected) in table {
        let mut seen = host(&[V4, V6], Security::Insecure);
        seen.talked = talked;
        assert_eq!(sight(&seen), expected, "{:?}", seen.talked);
        assert!(!seen.failed() && judge(&seen).failures().next().is_none());
    }
}

#[test]
fn only_what_may_pass_is_asked_again() {
    let refused = |code: u64| Failure::new(finding::smtp::STARTTLS_REFUSED).with("reply_code", code);
    for (failure, passing) in [
        (refused(454), true),
        (refused(501), false),
        // Hung up.
        (Failure::new(finding::smtp::STARTTLS_REFUSED), true),
        (Failure::new(finding::smtp::BANNER_4XX), true),
        (Failure::new(finding::smtp::BANNER_5XX), false),
        (Failure::new(finding::smtp::EHLO_5XX), false),
        (Failure::new(finding::tls::TIMEOUT), true),
        (Failure::new(finding::tls::VERSION), false),
        (Failure::new(finding::smtp::NO_STARTTLS), false),
    ] {
        let code = failure.code;
        assert_eq!(may_pass(&talked(V4, None, Some(failure))), passing, "{code}");
    }
}

#[test]
fn what_was_asked_is_told_apart_from_what_was_not() {
    let seen = Seen::not_asked(&HostName::parse("mx.example").unwrap(), finding::sts::PORT_BLOCKED);
    assert_eq!(sight(&seen), Sight::NotAsked(finding::sts::PORT_BLOCKED));
    assert!(judge(&seen).finding_codes().is_empty() && !seen.failed());
    let many: Vec<String> = (0..20).map(|n| format!("192.0.2.{n}")).collect();
    let mut seen = host(&many.iter().map(String::as_str).collect::<Vec<_>>(), Security::Insecure);
    seen.talked = vec![talked("192.0.2.0", bad(finding::cert::NAME), None)];
    assert_eq!(sight(&seen), Sight::NotAsked(finding::sts::HOSTS_BEYOND));
}

#[test]
fn dane_counts_where_everything_is_secure() {
    use Security::{Insecure, Secure, Unknown};
    let tlsa = |data: &[u8]| Tlsa { usage: 3, selector: 1, matching: 1, data: data.to_vec(), length: data.len() };
    let failed = |code: Code| Lookup::Failed(Failure::new(code));
    let record = || records(vec![tlsa(&[7; 32])]);
    type Case = (Security, Lookup<Tlsa>, Security, Dane);
    let table: Vec<Case> = vec![
        (Secure, Lookup::NoData, Secure, Dane::None),
        (Secure, Lookup::NxDomain, Insecure, Dane::None),
        (Secure, record(), Secure, Dane::Applies),
        (Secure, record(), Insecure, Dane::Insecure),
        (Insecure, record(), Secure, Dane::Insecure),
        (Unknown, record(), Unknown, Dane::Untold),
        (Unknown, failed(dns::RCODE_2), Unknown, Dane::NotAsked),
        (Secure, records(vec![tlsa(&[7; 20])]), Secure, Dane::Unusable),
        (Secure, failed(finding::dane::BOGUS), Security::Bogus, Dane::Bogus),
        (Secure, failed(dns::TIMEOUT), Unknown, Dane::Unseen(dns::TIMEOUT)),
        (Insecure, failed(dns::RCODE_2), Unknown, Dane::Insecure),
    ];
    for (number, (addresses, lookup, security, dane)) in table.into_iter().enumerate() {
        let mut seen = host(&[V4], addresses);
        seen.talked = vec![talked(V4, good(), None)];
        seen.tlsa = Some((seen.host.clone(), answer(lookup, security)));
        assert_eq!(judge(&seen).dane, dane, "row {number}");
    }
    // A look-up of addresses that failed takes nothing from those that were seen.
    let mut seen = host(&[V4], Secure);
    if let Some(addresses) = &mut seen.addresses {
        addresses.v6 = answer(failed_address(), Unknown);
    }
    seen.talked = vec![talked(V4, good(), None)];
    seen.tlsa = Some((seen.host.clone(), answer(record(), Secure)));
    assert_eq!(judge(&seen).dane, Dane::Applies);
    // A secure alias of something that is not secure (RFC 7672 2.2.2).
    let mut seen = host(&[V4], Insecure);
    seen.talked = vec![talked(V4, good(), None)];
    seen.tlsa = Some((seen.host.clone(), answer(record(), Secure)));
    for (security, dane) in [(Insecure, Dane::Insecure), (Secure, Dane::Applies)] {
        seen.alias = Some(answer(records(vec!["elsewhere.example".to_owned()]), security));
        assert_eq!(judge(&seen).dane, dane);
    }
    // Without a certificate nothing was held against the records.
    let mut seen = host(&[V4], Secure);
    seen.tlsa = Some((seen.host.clone(), answer(record(), Secure)));
    seen.talked = vec![talked(V4, None, Some(Failure::new(finding::smtp::NO_STARTTLS)))];
    let Session { tls, dane, .. } = judge(&seen).attempts[0].session;
    assert!(tls.broken().is_some() && dane.broken().is_none());
}
