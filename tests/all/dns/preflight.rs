//! Resolvers that lie, or keep from us what is known to be there, are found out before anything is asked in earnest (row 58).

use stscan::failure::Failure;
use stscan::finding::dns;
use stscan::name::HostName;
use stscan::net::dns::{CanaryWords, Resolver, unusable};
use stscan::net::{NetConfig, Upstream};

use super::hostile::{A, Ask, Hostile, IN, NS, Packet, Script, Udp, record};
use super::{config, found_tcp, honest, host};

/// What is in no zone of the script: the root, and names that nobody has.
fn truthful(ask: &Ask) -> Vec<Packet> {
    let rcode = if ask.qtype == NS { 0 } else { 3 };
    vec![Packet::Reply(ask.answer(rcode, &[]))]
}

/// An address for every name, as of those who sell advertisements.
fn address_for_all(ask: &Ask) -> Vec<Packet> {
    let address = record(&ask.name, A, IN, 60, &[192, 0, 2, 1]);
    vec![Packet::Reply(ask.answer(0, if ask.qtype == A { std::slice::from_ref(&address) } else { &[] }))]
}

fn no_name(ask: &Ask) -> Vec<Packet> {
    vec![Packet::Reply(ask.answer(3, &[]))]
}

fn no_data(ask: &Ask) -> Vec<Packet> {
    vec![Packet::Reply(ask.answer(0, &[]))]
}

fn failing(ask: &Ask) -> Vec<Packet> {
    vec![Packet::Reply(ask.answer(2, &[]))]
}

async fn server(others: Udp, canaries: [Udp; 2]) -> Hostile {
    let cases = [("", others), ("one", canaries[0]), ("two", canaries[1])];
    Hostile::start(cases.into_iter().map(|(case, udp)| (case, (udp, found_tcp as _))).collect::<Script>(), false).await
}

async fn preflight(servers: &[&Hostile], canaries: &[&str]) -> Result<CanaryWords, Failure> {
    let upstreams = servers.iter().map(|server| Upstream::Udp(server.address)).collect();
    let canaries: Vec<HostName> = canaries.iter().map(|canary| host(canary)).collect();
    let config = NetConfig { dns_canaries: canaries.into(), ..config(upstreams) };
    Resolver::new(&config).unwrap().preflight().await
}

#[tokio::test]
async fn whoever_lies_is_found_out() {
    for (others, canaries, wanted) in [
        (truthful as Udp, [honest as Udp, honest], Ok(["found", "found"])),
        // One may have given up its record, or its zone may be broken.
        (truthful, [honest, no_name], Ok(["found", "nxdomain"])),
        (truthful, [no_data, honest], Ok(["nodata", "found"])),
        (truthful, [failing, honest], Ok(["dns.rcode_2", "found"])),
        (truthful, [no_name, no_name], Err((dns::RESOLVER_LIES, "_mta-sts.one.hostile.example", "nxdomain"))),
        (truthful, [no_data, no_name], Err((dns::RESOLVER_LIES, "_mta-sts.one.hostile.example", "nodata"))),
        // No proof of a lie, but none that it can be used.
        (truthful, [no_name, failing], Err((dns::RCODE_2, "_mta-sts.two.hostile.example", ""))),
        (truthful, [failing, failing], Err((dns::RCODE_2, "_mta-sts.one.hostile.example", ""))),
        (address_for_all, [honest, honest], Err((dns::RESOLVER_LIES, ".com", "found"))),
        // Whatever is in trouble with names that nobody has has no proof against it.
        (failing, [honest, honest], Ok(["found", "found"])),
    ] {
        let server = server(others, canaries).await;
        let outcome = preflight(&[&server], &["one", "two"]).await;
        match (&outcome, wanted) {
            (Ok(words), Ok(wanted)) => {
                let words: Vec<_> = words.iter().map(|(canary, word)| (canary.as_str(), *word)).collect();
                assert_eq!(words, [("one.hostile.example", wanted[0]), ("two.hostile.example", wanted[1])]);
            }
            (Err(failure), Err((code, name, said))) => {
                assert_eq!(failure.code, code, "{failure:?}");
                assert_eq!(failure.subject, format!("udp://{}", server.address));
                let field = |field| failure.detail.get(field).and_then(|value| value.as_str()).unwrap_or_default();
                assert!(code != dns::RESOLVER_LIES || field("name").ends_with(name), "{failure:?}");
                assert_eq!(field("said"), said, "{failure:?}");
            }
            _ => panic!("{outcome:?} instead of {wanted:?}"),
        }
        server.stop().await;
    }
}

/// Without canaries only the answer about a name that nobody has can tell.
#[tokio::test]
async fn without_canaries_none_is_asked_for() {
    let server = server(truthful, [no_name, no_name]).await;
    assert_eq!(preflight(&[&server], &[]).await, Ok(CanaryWords::new()));
    assert_eq!([server.datagrams("one"), server.datagrams("")], [0, 2]);
    server.stop().await;
    let liar = self::server(address_for_all, [honest, honest]).await;
    assert_eq!(preflight(&[&liar], &[]).await.unwrap_err().code, dns::RESOLVER_LIES);
    liar.stop().await;
}

/// A lie in one answer of several would be in the dataset all the same; a resolver that answers nothing is in nobody's way.
#[tokio::test]
async fn one_liar_among_several_is_one_too_many() {
    let (good, liar, broken) = (
        server(truthful, [honest, honest]).await,
        server(truthful, [no_name, no_name]).await,
        server(truthful, [failing, failing]).await,
    );
    for servers in [[&good, &liar], [&liar, &good], [&broken, &liar]] {
        let failure = preflight(&servers, &["one", "two"]).await.unwrap_err();
        assert_eq!((failure.code, failure.subject), (dns::RESOLVER_LIES, format!("udp://{}", liar.address)));
    }
    let words = preflight(&[&good, &broken], &["one", "two"]).await.unwrap();
    assert!(words.len() == 2 && words.values().all(|word| *word == "dns.rcode_2"), "{words:?}");
    for server in [good, liar, broken] {
        server.stop().await;
    }
}

#[tokio::test]
async fn what_stops_a_scan_names_the_resolver() {
    for (others, canaries, code) in [
        (truthful as Udp, [no_name as Udp, no_name], dns::RESOLVER_LIES),
        (address_for_all, [honest, honest], dns::RESOLVER_LIES),
        (truthful, [failing, failing], dns::RCODE_2),
    ] {
        let server = server(others, canaries).await;
        let failure = preflight(&[&server], &["one", "two"]).await.unwrap_err();
        let line = unusable(&[Upstream::Udp(server.address)], &failure);
        assert!(line.contains(&server.address.to_string()) && line.contains(code.as_str()), "{line}");
        assert!(!line.contains('\n'), "{line}");
        server.stop().await;
    }
}
