use super::*;

/// Cells that are domains: the cell, the canonical name, whether the original is kept, whether it was mapped.
const ACCEPTED: &[(&str, &str, bool, bool)] = &[
    // HOSTILE.md 16: one row for a final dot, upper case, and the twins of IDN
    ("example.com", "example.com", false, false),
    ("EXAMPLE.com.", "example.com", false, false),
    ("bücher.example", "xn--bcher-kva.example", true, false),
    ("BÜCHER.example", "xn--bcher-kva.example", true, false),
    ("bu\u{308}cher.example", "xn--bcher-kva.example", true, false),
    ("XN--BCHER-KVA.example", "xn--bcher-kva.example", false, false),
    // HOSTILE.md 10: non-transitional
    ("straße.example", "xn--strae-oqa.example", true, false),
    ("βόλος.example", "xn--nxasmm1c.example", true, false),
    ("ශ්\u{200d}රී.example", "xn--10cl1a0b660p.example", true, false),
    // HOSTILE.md 11: mapped, and flagged
    ("example。com", "example.com", true, true),
    ("ⓔxample.com", "example.com", true, true),
    ("ｅｘａｍｐｌｅ．com", "example.com", true, true),
    ("\u{212a}elvin.example", "kelvin.example", true, true),
    // HOSTILE.md 12: no A-labels, but names
    ("xn--a.example", "xn--a.example", false, false),
    ("xn--.example", "xn--.example", false, false),
    ("xn--example-.example", "xn--example-.example", false, false),
    // HOSTILE.md 17, 18
    ("co.uk", "co.uk", false, false),
    ("foo_bar.com", "foo_bar.com", false, false),
    ("_dmarc.bücher.example", "_dmarc.xn--bcher-kva.example", true, false),
    // reserved for documentation and tests, and served by local resolvers
    ("a.example", "a.example", false, false),
    ("a.test", "a.test", false, false),
    ("notlocal.com", "notlocal.com", false, false),
    ("1.0x.example", "1.0x.example", false, false),
];

/// Cells that are none, with the code.
const REJECTED: &[(&str, Code)] = &[
    ("", list::BLANK),
    (".", list::SINGLE_LABEL),
    // HOSTILE.md 2, 3: never dropped
    ("exam\u{feff}ple.com", list::BAD_CHAR),
    ("exam\u{ad}ple.com", list::BAD_CHAR),
    ("exam\u{200b}ple.com", list::BAD_CHAR),
    ("example.com\u{85}", list::BAD_CHAR),
    ("example\rcom", list::BAD_CHAR),
    ("exam ple.com", list::BAD_CHAR),
    ("exam\u{a0}ple.com", list::BAD_CHAR),
    // HOSTILE.md 7
    ("a..b", list::LABEL),
    (".example.com", list::LABEL),
    ("example.com..", list::LABEL),
    ("-a.example", list::LABEL),
    ("a-.example", list::LABEL),
    ("ü..example", list::LABEL),
    // HOSTILE.md 10
    ("\u{301}a.example", list::IDNA),
    ("a\u{200d}b.example", list::IDNA),
    ("xn--a.ü.example", list::IDNA),
    ("a\u{fffd}.example", list::IDNA),
    // HOSTILE.md 11: a character that brings a forbidden one
    ("a℀b.example", list::BAD_CHAR),
    ("a％41.example", list::BAD_CHAR),
    // HOSTILE.md 13, 14
    ("https://example.com", list::NOT_A_NAME),
    ("example.com/path", list::NOT_A_NAME),
    ("example.com?q", list::NOT_A_NAME),
    ("example.com#f", list::NOT_A_NAME),
    ("ex%61mple.com", list::NOT_A_NAME),
    ("example.com:443", list::NOT_A_NAME),
    ("a@b.example", list::NOT_A_NAME),
    ("10.0.0.0/8", list::NOT_A_NAME),
    // HOSTILE.md 15
    ("192.0.2.1", list::IP_LITERAL),
    ("192.0.2.1.", list::IP_LITERAL),
    ("2001:db8::1", list::IP_LITERAL),
    ("[2001:db8::1]", list::IP_LITERAL),
    ("::ffff:192.0.2.1", list::IP_LITERAL),
    ("fe80::1%eth0", list::IP_LITERAL),
    ("0x7f000001", list::IP_LITERAL),
    ("0x7f.1", list::IP_LITERAL),
    ("2130706433", list::IP_LITERAL),
    ("127.1", list::IP_LITERAL),
    ("1.2.3.256", list::IP_LITERAL),
    ("example.123", list::IP_LITERAL),
    ("example.0x", list::IP_LITERAL),
    ("１２７．０．０．１", list::IP_LITERAL),
    // HOSTILE.md 17
    ("*.example.com", list::WILDCARD),
    ("*", list::WILDCARD),
    ("a.*.example", list::BAD_CHAR),
    ("com", list::SINGLE_LABEL),
    ("bücher", list::SINGLE_LABEL),
    // HOSTILE.md 19
    ("printer.local", list::SPECIAL_USE),
    ("local", list::SPECIAL_USE),
    ("a.onion", list::SPECIAL_USE),
    ("a.invalid", list::SPECIAL_USE),
    ("LOCALHOST", list::SPECIAL_USE),
    ("a.localhost.", list::SPECIAL_USE),
    ("nas.home.arpa", list::SPECIAL_USE),
    ("a.alt", list::SPECIAL_USE),
    ("a.internal", list::SPECIAL_USE),
    ("1.2.0.192.in-addr.arpa", list::SPECIAL_USE),
    ("8.b.d.0.1.0.0.2.ip6.arpa", list::SPECIAL_USE),
    // HOSTILE.md 20
    ("=cmd()", list::BAD_CHAR),
    ("=cmd|'/C calc'!A0", list::BAD_CHAR),
    ("+cmd|'/C calc'!A0", list::BAD_CHAR),
    ("a\\.b.example", list::BAD_CHAR),
    ("\"example.com\"", list::BAD_CHAR),
];

#[test]
fn cells_that_are_domains() {
    for &(cell, name, original, mapped) in ACCEPTED {
        let named = Domain::read(cell);
        let expected = Named {
            domain: Domain::from_host(HostName::parse(name).unwrap()),
            original: original.then(|| cell.to_owned()),
            mapped,
        };
        assert_eq!(named, Ok(expected), "{cell:?}");
    }
}

#[test]
fn cells_that_are_none() {
    for &(cell, code) in REJECTED {
        assert_eq!(Domain::read(cell), Err(code), "{cell:?}");
    }
}

#[test]
fn a_domain_reads_as_itself() {
    for &(_, name, _, _) in ACCEPTED {
        let again = Domain::read(name).unwrap();
        assert_eq!((again.domain.as_str(), again.mapped, again.original), (name, false, None));
    }
}

#[test]
fn limits_have_two_sides() {
    let label = |n: usize| format!("{}.example", "a".repeat(n));
    assert!(Domain::read(&label(63)).is_ok());
    assert_eq!(Domain::read(&label(64)), Err(list::LABEL));
    let name = |n: usize| format!("{}{}.example", "a.".repeat((n - 9) / 2), "b".repeat(1 + (n - 9) % 2));
    let longest = name(253);
    assert_eq!(longest.len(), 253);
    // HOSTILE.md 9: accepted, although no record can stand below it
    assert_eq!(Domain::read(&longest).unwrap().domain.record_name(), None);
    assert!(Domain::read(&name(244)).unwrap().domain.record_name().is_some());
    assert_eq!(Domain::read(&name(254)), Err(list::NAME_TOO_LONG));
    assert_eq!(Domain::read(&"ü".repeat(CELL_MAX + 1)), Err(list::NAME_TOO_LONG));
    assert_eq!(Domain::read(&format!("{}.example", "ü".repeat(63))), Err(list::LABEL));
}

#[test]
fn the_policy_host_of_a_bad_a_label_is_no_url_host() {
    for (name, ok) in [
        ("example.com", true),
        ("bücher.example", true),
        ("foo_bar.example", true),
        ("xn--a.example", false),
        ("xn--.example", false),
        ("xn--example-.example", false),
    ] {
        assert_eq!(Domain::read(name).unwrap().domain.url_host_ok(), ok, "{name}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn any_text_is_a_domain_or_a_code(cell in "\\PC{0,40}") {
        if let Ok(named) = Domain::read(&cell) {
            let again = Domain::read(named.domain.as_str()).unwrap();
            assert_eq!(again.domain, named.domain);
        }
    }
}

#[test]
fn special_ends_take_a_closer_look() {
    for (domain, _) in SPECIAL_USE {
        assert_eq!(plain(format!("a.{domain}").as_bytes(), &mut [0; NAME_MAX]), None, "{domain}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 4096, failure_persistence: None, ..Default::default() })]
    #[test]
    fn the_short_way_is_the_long_way(cell in "([a-cX0.-]{0,9}|[!-~]{0,4}|\\PC|[a-z]{61,64}){0,2}(\\.(com|COM|x|0x1f|1|local|LocalHost|arpa|ip6\\.arpa|internal|xn--a-))?[. ]?") {
        match (plain(cell.as_bytes(), &mut [0; NAME_MAX]), read_closely(&cell)) {
            (Some(name), long) => {
                let domain = Domain::from_host(HostName::parse_closely(std::str::from_utf8(name).unwrap()).unwrap());
                assert_eq!(long, Ok(Named { domain, original: None, mapped: false }));
            }
            // The only names that need the long way: of other alphabets, with A-labels that are none, and with odd ends.
            (None, Ok(named)) => {
                let labels: Vec<&str> = named.domain.as_str().split('.').collect();
                let last = labels[labels.len() - 1];
                let is_odd = last == "arpa" || last.starts_with(|first: char| first.is_ascii_digit());
                assert!(is_odd || labels.iter().any(|label| label.ends_with('-')) || !cell.is_ascii(), "{cell}");
            }
            (None, Err(_)) => {}
        }
    }
}
