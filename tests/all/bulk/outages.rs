//! Resolvers that are silent, dead, lying, or broken for a while: none of it shows up in what is told (HOSTILE.md 54 to 58).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stscan::finding::dns;

use super::*;

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|i| format!("n{i}.{}.example", ["found", "none"][usize::from(i % 10 > 0)]))
}

/// What an undisturbed run over these names comes to.
fn undisturbed(count: usize) -> BTreeMap<String, usize> {
    counts(&[("NXDOMAIN", count * 9 / 10), ("found", count / 10)])
}

fn canaries(config: NetConfig) -> NetConfig {
    let canaries = ["one.found.example", "two.found.example"].map(|name| HostName::parse(name).unwrap());
    NetConfig { dns_canaries: canaries.into(), ..config }
}

/// A server that answers the honest way, at most so many questions a millisecond, so that a test is in its midst for a while.
fn slow(ask: &Ask) -> Vec<Vec<u8>> {
    std::thread::sleep(Duration::from_micros(300));
    vec![honest(ask)]
}

/// Row 56: what was in flight, and what was not vouched for, is asked again, and nothing shows.
#[test]
fn a_resolver_that_dies_and_comes_back_leaves_no_trace() {
    const NAMES: usize = 4_000;
    let mut server = Server::start(Box::new(slow));
    let config = canaries(config(&[&server]));
    let (mut died, mut kept) = (None::<Instant>, None);
    let mut feed = Feed::new(names(NAMES));
    // Dies after a quarter, and comes back 2 s later.
    feed.order = Box::new(|told, _| {
        match died {
            None if told >= NAMES / 4 => {
                died = Some(Instant::now());
                kept = Some(server.die());
            }
            Some(since) if since.elapsed() > Duration::from_secs(2) => {
                if let Some(answering) = kept.take() {
                    server.come_back(answering);
                }
            }
            _ => {}
        }
        Order::Go
    });
    assert_eq!(run(&config, Asking::default(), 200, &mut feed), Ended::Done);
    assert_eq!(census(&feed), undisturbed(NAMES));
    drop(feed);
    assert!(died.is_some() && kept.is_none(), "it died and came back");
}

/// The same where it does not die but falls silent, then fails all it is asked, and then denies everything.
#[test]
fn a_resolver_that_falters_leaves_no_trace() {
    const NAMES: usize = 4_000;
    for phase in ["silent", "failing", "refusing", "denying"] {
        let faltering = Arc::new(AtomicBool::new(false));
        let falters = Arc::clone(&faltering);
        let server = Server::start(Box::new(move |ask| {
            let falters = falters.load(Ordering::Relaxed) && ask.qtype != NS;
            match phase {
                _ if !falters => slow(ask),
                "silent" => Vec::new(),
                "failing" => vec![ask.answer(2, &[])],
                "refusing" => vec![ask.answer(5, &[])],
                _ => vec![ask.sections(3, &[], &[soa("example")])],
            }
        }));
        let config = canaries(config(&[&server]));
        let mut since = None::<Instant>;
        let mut feed = Feed::new(names(NAMES));
        feed.order = Box::new(|told, _| {
            if told >= NAMES / 4 {
                let begun = since.get_or_insert_with(Instant::now);
                faltering.store(begun.elapsed() < Duration::from_secs(3), Ordering::Relaxed);
            }
            Order::Go
        });
        assert_eq!(run(&config, Asking::default(), 200, &mut feed), Ended::Done, "{phase}");
        let mut census = census(&feed);
        // A few failures are told before they are many enough to be the resolver's: those are asked again the slow way.
        let slow = census.remove("slow").unwrap_or(0);
        assert!(slow == 0 || matches!(phase, "failing" | "refusing"), "{phase}: {slow}");
        let told: usize = census.values().sum::<usize>() + slow;
        assert_eq!(told, NAMES, "{phase}");
        let wanted = undisturbed(NAMES);
        assert!(census.iter().all(|(word, count)| *count <= wanted[word]), "{phase}: {census:?}");
        assert!(slow < NAMES / 2, "{phase}: {slow}");
        drop(feed);
        assert!(since.is_some(), "{phase} in the midst of it");
    }
}

/// Row 54: silence of one resolver is made up for by another, and costs nobody a second pass.
#[test]
fn one_resolver_of_two_may_be_silent() {
    const NAMES: usize = 2_000;
    let server = Server::start(Box::new(|ask| vec![honest(ask)]));
    let silent = Server::start(Box::new(|_| Vec::new()));
    for both in [[&silent, &server], [&server, &silent]] {
        let mut feed = Feed::new(names(NAMES));
        assert_eq!(run(&canaries(config(&both)), Asking::default(), 200, &mut feed), Ended::Done);
        assert_eq!(census(&feed), undisturbed(NAMES));
        for told in feed.told.values().flatten() {
            if let Told::Plain(plain) = told {
                assert_eq!(plain.attempts, 1);
            }
        }
    }
    let (asked, _) = silent.count(|name| name.starts_with("_mta-sts.n"));
    assert!(asked < NAMES, "{asked} datagrams to a resolver that answers nothing");
}

#[test]
fn another_resolver_is_asked_where_one_fails() {
    let failing =
        Server::start(Box::new(|ask| vec![if ask.name.contains("n0.") { ask.answer(2, &[]) } else { honest(ask) }]));
    let server = Server::start(Box::new(|ask| vec![honest(ask)]));
    for both in [[&failing, &server], [&server, &failing]] {
        let mut feed = Feed::new(names(2));
        assert_eq!(run(&config(&both), Asking::default(), 10, &mut feed), Ended::Done);
        assert_eq!(record(&feed.told["n0.found.example"][0]), "found");
    }
    assert_eq!(failing.datagrams("_mta-sts.n0.found.example", TXT), 1);
}

/// Row 58: what a resolver denies that denies the canaries too is never told.
#[test]
fn a_liar_is_not_believed() {
    let liar = Server::start(Box::new(|ask| vec![if ask.qtype == NS { honest(ask) } else { ask.answer(3, &[]) }]));
    let mut feed = Feed::new(names(100));
    let begun = Instant::now();
    let ended = run(&canaries(config(&[&liar])), Asking::default(), 50, &mut feed);
    let Ended::Unusable(failure) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.subject, format!("udp://{}", liar.address));
    assert_eq!(census(&feed), counts(&[]));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}

#[test]
fn where_nothing_listens_there_is_no_hope() {
    let mut dead = Server::start(Box::new(|_| Vec::new()));
    drop(dead.die());
    let mut feed = Feed::new(names(100));
    let ended = run(&config(&[&dead]), Asking::default(), 50, &mut feed);
    let Ended::Unusable(failure) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.code, dns::RESOLVER_DOWN);
    assert_eq!(census(&feed), counts(&[]));
}

#[test]
fn what_is_in_flight_is_finished_or_dropped() {
    for order in [Order::Drain, Order::Drop] {
        let server = Server::start(Box::new(slow));
        let mut feed = Feed::new(names(4_000));
        feed.order = Box::new(move |told, _| if told >= 100 { order } else { Order::Go });
        let ended = run(&config(&[&server]), Asking::default(), 100, &mut feed);
        let told: usize = census(&feed).values().sum();
        let taken = 4_000 - feed.left.len();
        assert!(taken < 4_000, "{order:?} came too late");
        match order {
            Order::Drain => assert_eq!((ended, told), (Ended::Done, taken)),
            _ => assert_eq!((ended, told < taken), (Ended::Dropped, true)),
        }
    }
}

/// While the owner is full nothing new is taken, and what is in flight comes to its end.
#[test]
fn nothing_new_is_taken_on_hold() {
    let server = Server::start(Box::new(slow));
    let mut held = None::<(Instant, usize)>;
    let mut feed = Feed::new(names(1_000));
    feed.order = Box::new(|told, vitals| match held {
        None if told >= 200 => {
            held = Some((Instant::now(), 0));
            Order::Hold
        }
        Some((since, _)) if since.elapsed() < Duration::from_secs(2) => {
            held = Some((since, vitals.in_flight));
            Order::Hold
        }
        _ => Order::Go,
    });
    assert_eq!(run(&config(&[&server]), Asking::default(), 100, &mut feed), Ended::Done);
    assert_eq!(census(&feed), undisturbed(1_000));
    drop(feed);
    assert_eq!(held.map(|(_, in_flight)| in_flight), Some(0));
}
