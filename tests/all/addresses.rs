//! The address guard (HOSTILE.md 61-71): every edge of every block, and no packet to what is not public.
//!
//! The proof runs in a network namespace of its own, where loopback owns addresses of every kind and nftables counts the
//! packets: an oracle that knows nothing of the guard.

use std::net::IpAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use stscan::name::HostName;
use stscan::net::https::{Client, Fetch};
use stscan::net::reach::Reach;

use crate::fetch::{HOST, failure};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn what_is_not_public_is_refused_and_named() {
    let guard = Reach::default();
    for (text, block) in [
        ("0.0.0.0", "0.0.0.0/8"),
        ("0.255.255.255", "0.0.0.0/8"),
        ("10.0.0.0", "10.0.0.0/8"),
        ("10.255.255.255", "10.0.0.0/8"),
        ("100.64.0.0", "100.64.0.0/10"),
        ("100.127.255.255", "100.64.0.0/10"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("127.255.255.255", "127.0.0.0/8"),
        ("169.254.169.254", "169.254.0.0/16"),
        ("172.16.0.0", "172.16.0.0/12"),
        ("172.31.255.255", "172.16.0.0/12"),
        ("192.0.0.0", "192.0.0.0/24"),
        ("192.0.0.8", "192.0.0.0/24"),
        ("192.0.0.11", "192.0.0.0/24"),
        ("192.0.0.170", "192.0.0.0/24"),
        ("192.0.0.171", "192.0.0.0/24"),
        ("192.0.2.1", "192.0.2.0/24"),
        ("192.88.99.1", "192.88.99.0/24"),
        ("192.168.0.0", "192.168.0.0/16"),
        ("192.168.255.255", "192.168.0.0/16"),
        ("198.18.0.0", "198.18.0.0/15"),
        ("198.19.255.255", "198.18.0.0/15"),
        ("198.51.100.7", "198.51.100.0/24"),
        ("203.0.113.7", "203.0.113.0/24"),
        ("224.0.0.0", "224.0.0.0/4"),
        ("239.255.255.255", "224.0.0.0/4"),
        ("240.0.0.0", "240.0.0.0/4"),
        ("255.255.255.254", "240.0.0.0/4"),
        ("255.255.255.255", "255.255.255.255/32"),
        ("::", "::/128"),
        ("::1", "::1/128"),
        ("::a00:5", "::/96"),
        ("64:ff9b:1::", "64:ff9b:1::/48"),
        ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::/48"),
        ("100::", "100::/64"),
        ("100::ffff:ffff:ffff:ffff", "100::/64"),
        ("100:0:0:1::", "100:0:0:1::/64"),
        ("2001:1::", "2001::/23"),
        ("2001:1::4", "2001::/23"),
        ("2001:2::", "2001:2::/48"),
        ("2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:2::/48"),
        ("2001:2:1::", "2001::/23"),
        ("2001:4:111:ffff:ffff:ffff:ffff:ffff", "2001::/23"),
        ("2001:4:113::", "2001::/23"),
        ("2001:10::", "2001:10::/28"),
        ("2001:40::", "2001::/23"),
        ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::/23"),
        ("2001:db8::", "2001:db8::/32"),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::/32"),
        ("3fff::", "3fff::/20"),
        ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::/20"),
        ("5f00::", "5f00::/16"),
        ("fc00::", "fc00::/7"),
        ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::/7"),
        ("fe80::", "fe80::/10"),
        ("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::/10"),
        ("fec0::", "fec0::/10"),
        ("feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::/10"),
        ("ff00::", "ff00::/8"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::/8"),
        // IPv4 inside IPv6: mapped, NAT64, 6to4, and the server and the client of Teredo.
        ("::ffff:10.0.0.5", "10.0.0.0/8"),
        ("::ffff:169.254.169.254", "169.254.0.0/16"),
        ("64:ff9b::a00:5", "10.0.0.0/8"),
        ("64:ff9b::7f00:1", "127.0.0.0/8"),
        ("2002:a00:5::", "10.0.0.0/8"),
        ("2002:c0a8:101::1", "192.168.0.0/16"),
        ("2001:0:a00:5::", "10.0.0.0/8"),
        ("2001:0:808:808:0:0:f5ff:fffa", "10.0.0.0/8"),
    ] {
        assert_eq!(guard.judge(address(text)), Err(block), "{text}");
    }
}

#[test]
fn what_is_public_is_let_through() {
    let guard = Reach::default();
    for text in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.0.9",
        "192.0.0.10",
        "192.0.1.0",
        "192.0.3.0",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "192.175.48.1",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2001:1::1",
        "2001:1::2",
        "2001:1::3",
        "2001:3::",
        "2001:3:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:4:112::",
        "2001:4:112:ffff:ffff:ffff:ffff:ffff",
        "2001:20::",
        "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:30::",
        "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2001:0:808:808:0:0:f7f7:f7f7",
        "2002:808:808::",
        "2606:4700::1111",
        "2620:4f:8000::1",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ] {
        assert_eq!(guard.judge(address(text)), Ok(()), "{text}");
    }
}

#[test]
fn only_what_lies_in_an_allowed_network_is_excepted() {
    let guard = Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00:1::/32".parse().unwrap()]);
    for (text, allowed) in [
        ("127.0.0.1", true),
        ("127.255.255.255", true),
        // The kernel connects to 127.0.0.1 itself.
        ("::ffff:127.0.0.1", true),
        ("126.255.255.255", true),
        ("::1", false),
        ("10.0.0.1", false),
        // A translator elsewhere decides where these end.
        ("64:ff9b::7f00:1", false),
        ("2002:7f00:1::", false),
        ("fd00:1::1", true),
        ("fd00:2::1", false),
    ] {
        assert_eq!(guard.judge(address(text)).is_ok(), allowed, "{text}");
    }
    let sorted = guard.sort(&["10.0.0.1", "127.0.0.1", "fe80::1", "8.8.8.8"].map(address));
    assert_eq!(sorted.usable, ["127.0.0.1", "8.8.8.8"].map(address));
    assert_eq!(sorted.forbidden, [(address("10.0.0.1"), "10.0.0.0/8"), (address("fe80::1"), "fe80::/10")]);
}

/// A client with the guard as given.
fn client(guard: Reach) -> Client {
    let config = crate::fetch::config(443, Vec::new());
    Client::new(&stscan::net::NetConfig { reach: Arc::new(guard), ..config })
}

async fn fetch(client: &Client, addresses: &[&str]) -> Fetch {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| address(text)).collect();
    client.fetch(&HostName::parse(HOST).unwrap(), &addresses).await
}

#[tokio::test]
async fn a_name_that_is_an_address_reaches_nothing() {
    let client = client(Reach::new(vec!["0.0.0.0/0".parse().unwrap()]));
    for name in ["127.0.0.1", "169.254.169.254", "2130706433", "0x7f000001", "127.1"] {
        let fetch = client.fetch(&HostName::parse(name).unwrap(), &[address("127.0.0.1")]).await;
        assert_eq!(failure(&fetch), Some("reach.literal"), "{name}");
        assert_eq!((fetch.connected, fetch.attempts.len()), (None, 0), "{name}");
    }
}

#[tokio::test]
async fn the_connector_refuses_by_itself() {
    let limit = Duration::from_secs(1);
    for text in ["127.0.0.1:443", "[::1]:443", "[::ffff:127.0.0.1]:443", "169.254.169.254:80"] {
        let refused = Reach::default().connect(text.parse().unwrap(), limit).await.unwrap_err();
        assert_eq!(refused.code.as_str(), "reach.forbidden", "{text}");
        assert_eq!(refused.subject, text);
    }
}

#[tokio::test]
async fn a_host_without_an_address_is_said_to_have_none() {
    assert_eq!(failure(&fetch(&client(Reach::default()), &[]).await), Some("policy.host_none"));
}

/// Addresses that are not public, one of each kind that a machine can have.
const PRIVATE: [&str; 14] = [
    "10.0.0.5",
    "100.64.0.5",
    "127.0.0.5",
    "169.254.169.254",
    "172.16.0.5",
    "192.0.2.5",
    "192.168.0.5",
    "198.18.0.5",
    "fc00::5",
    "2001:db8::5",
    "fec0::5",
    "64:ff9b::a00:5",
    "2002:a00:5::5",
    "::1",
];
/// A public address that loopback owns in the namespace.
const PUBLIC: &str = "8.8.4.4";
/// Says that we are inside the namespace.
const INSIDE: &str = "STSCAN_TEST_NAMESPACE";

/// What is missing for the proof, if something is.
fn missing() -> Option<&'static str> {
    let works = |program: &str, argument: &str| {
        Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success())
    };
    let namespace = Command::new("unshare").args(["-n", "true"]).output();
    if !namespace.is_ok_and(|output| output.status.success()) {
        return Some("no right to make a network namespace");
    }
    [("ip", "-V"), ("nft", "--version")]
        .into_iter()
        .find(|(program, argument)| !works(program, argument))
        .map(|(program, _)| program)
}

#[test]
fn no_packet_goes_to_what_is_not_public() {
    if let Some(missing) = missing() {
        assert!(std::env::var_os("STSCAN_REQUIRE_SERVERS").is_none(), "required, but missing: {missing}");
        stscan::cli::output::complain(&format!("skipped: {missing}"));
        return;
    }
    let child = Command::new("unshare")
        .arg("-n")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "addresses::inside_a_namespace", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Packets that went to addresses that are not public, by the kernel's count.
fn private_packets() -> u64 {
    let listed = run("nft", "list counter inet oracle private");
    let count = listed.split_whitespace().skip_while(|word| *word != "packets").nth(1);
    count.unwrap().parse().unwrap()
}

/// The inner half of [`no_packet_goes_to_what_is_not_public`]; outside of its namespace there is nothing to see.
#[tokio::test]
async fn inside_a_namespace() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    run("ip", "link set lo up");
    run("ip", &format!("address add {PUBLIC}/32 dev lo"));
    for own in PRIVATE.iter().filter(|text| !["127.0.0.5", "::1"].contains(text)) {
        let length = if own.contains(':') { 128 } else { 32 };
        let flag = if own.contains(':') { "nodad" } else { "" };
        run("ip", &format!("address add {own}/{length} dev lo {flag}"));
    }
    run("nft", "add table inet oracle");
    run("nft", "add counter inet oracle private");
    run("nft", "add chain inet oracle out { type filter hook output priority 0 ; }");
    run("nft", &format!("add rule inet oracle out ip daddr != {PUBLIC} counter name private"));
    run("nft", "add rule inet oracle out meta nfproto ipv6 counter name private");

    let strict = client(Reach::default());
    for text in PRIVATE.iter().copied().chain(["::ffff:10.0.0.5", "::ffff:127.0.0.1", "0.0.0.0", "::"]) {
        let fetch = fetch(&strict, &[text]).await;
        assert_eq!(failure(&fetch), Some("reach.forbidden"), "{text}");
        assert_eq!((fetch.connected, fetch.attempts.len(), fetch.forbidden.len()), (None, 0, 1), "{text}");
    }
    assert_eq!(private_packets(), 0);

    // Public beside private: the public one alone is talked to, wherever it stands.
    for addresses in [["10.0.0.5", PUBLIC, "fc00::5"], [PUBLIC, "10.0.0.5", "::1"]] {
        let fetch = fetch(&strict, &addresses).await;
        assert_eq!(failure(&fetch), Some("tcp.refused"), "nobody listens there");
        let tried: Vec<String> = fetch.attempts.iter().map(|(address, _)| address.ip().to_string()).collect();
        assert_eq!((tried, fetch.forbidden.len()), (vec![PUBLIC.to_owned()], 2));
    }
    // Nobody there, and the answer of the kernel to it comes from the public address to itself.
    assert_eq!(private_packets(), 0);

    // What the network says of a host: silence, and each kind of rejection (HOSTILE.md 72, 73).
    run("nft", "add chain inet oracle in { type filter hook input priority 0 ; }");
    for (verdict, expected) in [
        ("drop", "tcp.timeout"),
        ("reject with tcp reset", "tcp.refused"),
        ("reject with icmp type host-unreachable", "tcp.unreachable"),
        ("reject with icmp type net-unreachable", "tcp.unreachable"),
        ("reject with icmp type admin-prohibited", "tcp.unreachable"),
    ] {
        run("nft", &format!("add rule inet oracle in ip daddr {PUBLIC} tcp dport 443 {verdict}"));
        let fetch = fetch(&strict, &[PUBLIC]).await;
        assert_eq!(failure(&fetch), Some(expected), "{verdict}");
        run("nft", "flush chain inet oracle in");
    }

    // The oracle does see: with every network allowed, the same fetches leave packets.
    let lax = client(Reach::new(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]));
    for text in PRIVATE {
        let before = private_packets();
        assert_eq!(failure(&fetch(&lax, &[text]).await), Some("tcp.refused"), "{text}");
        assert!(private_packets() > before, "{text}");
    }
}
