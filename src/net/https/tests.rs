#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use super::*;

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn the_families_take_turns_and_none_is_tried_twice() {
    let rows: [(&[&str], &[&str]); 5] = [
        (&[], &[]),
        (&["192.0.2.1", "192.0.2.2"], &["192.0.2.1", "192.0.2.2"]),
        (&["192.0.2.1", "192.0.2.2", "2001:db8::1"], &["192.0.2.1", "2001:db8::1", "192.0.2.2"]),
        (&["2001:db8::1", "192.0.2.1", "192.0.2.1"], &["192.0.2.1", "2001:db8::1"]),
        (
            &["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2", "2001:db8::3"],
            &["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"],
        ),
    ];
    for (given, expected) in rows {
        assert_eq!(order(&addresses(given)), addresses(expected), "{given:?}");
    }
}

#[test]
fn a_loss_of_sight_outweighs_a_fault() {
    let (v4, v6) = ("192.0.2.1:443", "[2001:db8::1]:443");
    let rows = [
        (vec![], None),
        (vec![(v4, tcp::REFUSED)], Some(tcp::REFUSED)),
        (vec![(v4, tcp::REFUSED), (v6, tcp::TIMEOUT)], Some(tcp::TIMEOUT)),
        (vec![(v4, tcp::TIMEOUT), (v6, tcp::REFUSED)], Some(tcp::TIMEOUT)),
        // No route of ours for IPv6 says nothing of a host that refuses over IPv4.
        (vec![(v4, tcp::REFUSED), (v6, tcp::UNREACHABLE)], Some(tcp::REFUSED)),
        (vec![(v6, tcp::UNREACHABLE)], Some(tcp::UNREACHABLE)),
        (vec![(v4, tcp::UNREACHABLE), (v4, tcp::REFUSED)], Some(tcp::UNREACHABLE)),
    ];
    for (attempts, expected) in rows {
        let attempts: Vec<_> =
            attempts.into_iter().map(|(address, code)| (address.parse().unwrap(), Failure::new(code))).collect();
        assert_eq!(weigh(&attempts).map(|failure| failure.code), expected, "{attempts:?}");
    }
}

#[test]
fn a_name_that_reads_as_an_address_is_none() {
    for (name, expected) in [
        ("127.0.0.1", true),
        ("127.1", true),
        ("2130706433", true),
        ("0x7f000001", true),
        ("0x7f.1.0x1", true),
        ("1.2.3.4.example", false),
        ("mta-sts.0x", true),
        ("mta-sts.xn--p1ai", false),
        ("mta-sts.0xyz", false),
    ] {
        assert_eq!(is_address(&HostName::parse(name).unwrap()), expected, "{name}");
    }
}

#[test]
fn every_host_name_makes_a_request() {
    let config = NetConfig {
        upstreams: Vec::new(),
        roots: Arc::new([]),
        reach: Arc::default(),
        https_port: 443,
        smtp_port: 25,
        helo: "client.example".to_owned(),
        user_agent: "stscan\r\nX: y \u{fc}\u{7f}".to_owned(),
        timeouts: Timeouts::default(),
        per_host: 1,
        rate: None,
        dns_canaries: [].into(),
        trust_ad: false,
    };
    let client = Client::new(&config);
    // What cannot stand in a header is gone, and nothing is smuggled.
    assert_eq!(client.user_agent, "stscanX: y ");
    let long = format!("mta-sts.{}", ["x".repeat(60), "y".repeat(60), "z".repeat(60)].join("."));
    for host in ["mta-sts.example.com", "mta-sts._odd_.example.com", "_a", "xn--a.example", &long] {
        let host = HostName::parse(host).unwrap();
        let (old, new) = (client.request(&host, false), client.request(&host, true));
        assert_eq!((old.uri().to_string(), old.headers()[HOST].to_str().unwrap()), (PATH.to_owned(), host.as_str()));
        assert_eq!(new.uri().to_string(), format!("https://{host}{PATH}"));
        assert!(!new.headers().contains_key(HOST));
    }
}
