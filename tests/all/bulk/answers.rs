//! What each answer comes to.

use stscan::finding::dns;
use stscan::net::dns::bulk::Absent;
use stscan::net::dns::{Security, Via};

use super::*;
use crate::dns::hostile::{cname, name, opt, option, record as rr, secure};

/// An answer to a name of the form `case.example`, by its case.
fn scripted(case: &str, ask: &Ask) -> Vec<Vec<u8>> {
    let good = || ask.answer(0, &[txt(&ask.name, &[b"v=STSv1; id=1;"])]);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut other = good();
        change(&mut other);
        other
    };
    let absent = || ask.sections(3, &[], &[soa("example")]);
    let ede = |rcode: u16| {
        let opt = opt(0, 0, &option(15, &[0, 22]));
        vec![ask.message(0x8180 | rcode, [1, 0, 0, 1], &[&ask.section, &opt])]
    };
    match case {
        "found" => vec![good()],
        "twice" => vec![absent(), absent(), good()],
        "alias-nodata" => vec![ask.sections(0, &[cname(&ask.name, "t.other")], &[soa("other")])],
        "alias-found" => vec![ask.answer(0, &[cname(&ask.name, "t.other"), txt("t.other", &[b"v=STSv1; id=1;"])])],
        "alias-out" => vec![ask.answer(0, &[cname(&ask.name, "t.other")])],
        "alias-loop" => vec![ask.answer(0, &[cname(&ask.name, &ask.name)])],
        "truncated" => vec![ask.message(0x8380, [1, 0, 0, 0], &[&ask.section])],
        "case" => vec![changed(&|bytes| bytes[14] ^= 0x20)],
        "formerr" => vec![ask.message(0x8181, [0; 4], &[])],
        "notimp" => vec![ask.answer(4, &[])],
        "badvers" => vec![ask.answer(16, &[])],
        "unrelated" => vec![ask.answer(0, &[txt("other.example", &[b"v=STSv1; id=1;"])])],
        "conflict" => vec![ask.answer(3, &[txt(&ask.name, &[b"v=STSv1; id=1;"])])],
        "referral" => vec![ask.sections(0, &[], &[rr("example", NS, 1, 60, &[0])])],
        "empty-data" => vec![ask.answer(0, &[rr(&ask.name, TXT, 1, 60, &[])])],
        "ede" => ede(0),
        "trailing" => vec![[absent(), vec![0]].concat()],
        "cookie" => {
            let opt = opt(0, 0, &option(10, &[7; 8]));
            vec![ask.message(0x8183, [1, 0, 0, 1], &[&ask.section, &opt])]
        }
        "secure" => vec![secure(absent())],
        // What is no answer, and the answer behind it.
        "id" => vec![changed(&|bytes| bytes[1] ^= 1), absent()],
        "question" => vec![changed(&|bytes| bytes[20] = b'~'), absent()],
        "empty" => vec![Vec::new(), vec![1], good()[..11].to_vec(), absent()],
        "echo" => vec![changed(&|bytes| bytes[2] &= 0x7f), absent()],
        "garbled" => vec![good()[..good().len() - 1].to_vec(), absent()],
        // What never ends well.
        "malformed" => vec![good()[..good().len() - 1].to_vec()],
        "silent" => Vec::new(),
        "servfail" => vec![ask.answer(2, &[])],
        "servfail-once" if ask.before == 0 => vec![ask.answer(2, &[])],
        "lost-once" if ask.before == 0 => Vec::new(),
        "lost-and-refused" if ask.before != 1 => Vec::new(),
        "lost-and-refused" => vec![ask.answer(5, &[])],
        "lost-pass" if ask.before < 3 => Vec::new(),
        "servfail-once" | "lost-once" | "lost-pass" => vec![absent()],
        other => panic!("{other} is no case"),
    }
}

fn script(ask: &Ask) -> Vec<Vec<u8>> {
    match ask.name.strip_suffix(".example").and_then(|name| name.strip_prefix("_mta-sts.")) {
        Some(case) => scripted(case, ask),
        None => vec![honest(ask)],
    }
}

/// Each case: what it comes to, and in how many datagrams, of how many passes.
const CASES: &[(&str, &str, usize, u8)] = &[
    ("found", "found", 1, 1),
    ("twice", "NXDOMAIN", 1, 1),
    ("alias-nodata", "nodata", 1, 1),
    ("alias-found", "found", 1, 1),
    ("alias-out", "slow", 1, 1),
    ("alias-loop", "dns.cname_loop", 1, 1),
    ("truncated", "slow", 1, 1),
    ("case", "slow", 1, 1),
    ("formerr", "slow", 1, 1),
    ("notimp", "slow", 1, 1),
    ("badvers", "slow", 1, 1),
    ("unrelated", "dns.unrelated_answer", 1, 1),
    ("conflict", "dns.rcode_conflict", 1, 1),
    ("referral", "dns.referral", 1, 1),
    ("empty-data", "dns.malformed", 4, 2),
    ("ede", "nodata", 1, 1),
    ("trailing", "nxdomain", 1, 1),
    ("cookie", "NXDOMAIN", 1, 1),
    ("secure", "NXDOMAIN", 1, 1),
    ("id", "NXDOMAIN", 1, 1),
    ("question", "NXDOMAIN", 1, 1),
    ("empty", "NXDOMAIN", 1, 1),
    ("echo", "NXDOMAIN", 1, 1),
    ("garbled", "NXDOMAIN", 1, 1),
    ("malformed", "dns.malformed", 4, 2),
    ("silent", "dns.timeout", 6, 2),
    ("servfail", "slow", 2, 1),
    ("servfail-once", "NXDOMAIN", 2, 1),
    ("lost-once", "NXDOMAIN", 2, 1),
    ("lost-and-refused", "slow", 3, 1),
    ("lost-pass", "NXDOMAIN", 4, 2),
];

#[test]
fn every_answer_has_its_verdict() {
    let server = Server::start(Box::new(script));
    let mut feed = Feed::new(CASES.iter().map(|(case, ..)| format!("{case}.example")));
    assert_eq!(run(&config(&[&server]), Asking::default(), 100, &mut feed), Ended::Done);
    let mut wrong = Vec::new();
    for (case, wanted, datagrams, passes) in CASES {
        let told = &feed.told[&format!("{case}.example")];
        assert_eq!(told.len(), 1, "{case} was told so often");
        let attempts = match &told[0] {
            Told::Plain(plain) => {
                assert_eq!(usize::from(plain.sent), *datagrams, "{case}");
                plain.attempts
            }
            Told::Seen(seen) => seen.attempts,
        };
        let seen = (record(&told[0]), server.datagrams(&format!("_mta-sts.{case}.example"), TXT), attempts);
        if seen != ((*wanted).to_owned(), *datagrams, *passes) {
            wrong.push(format!("{case}: {seen:?}, not {wanted} {datagrams} {passes}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let seen = |case: &str| match &feed.told[&format!("{case}.example")][0] {
        Told::Seen(seen) => seen.record.clone(),
        Told::Plain(plain) => panic!("{plain:?}"),
    };
    let heard = seen("silent");
    let Lookup::Failed(failure) = &answer(&heard, "silent").lookup else { panic!("{heard:?}") };
    assert_eq!((failure.code, failure.subject.as_str()), (dns::TIMEOUT, "_mta-sts.silent.example"));
    assert_eq!(failure.detail.get("attempts"), Some(&6.into()));
    assert_eq!(failure.detail.get("upstream"), Some(&format!("udp://{}", server.address).into()));
    assert!(failure.detail.get("elapsed_ms").is_some());
    let heard = seen("alias-nodata");
    assert_eq!(
        (&answer(&heard, "alias").aliases[..], answer(&heard, "alias").via),
        (&["t.other".to_owned()][..], Via::Udp)
    );
    assert_eq!(answer(&seen("ede"), "ede").ede, [22]);
    assert!(answer(&seen("trailing"), "trailing").trailing);
}

#[test]
fn plain_negatives_and_records_are_told_once_each() {
    let server = Server::start(Box::new(|ask| vec![honest(ask)]));
    let names = (0..600).map(|i| format!("{}{i}.{}.example", "x".repeat(i % 40), ["found", "nodata", "none"][i % 3]));
    let mut feed = Feed::new(names);
    assert_eq!(run(&config(&[&server]), Asking::default(), 100, &mut feed), Ended::Done);
    assert_eq!(census(&feed), counts(&[("NODATA", 200), ("NXDOMAIN", 200), ("found", 200)]));
    assert!(feed.most.in_flight <= 100, "{:?}", feed.most);
    assert_eq!(feed.most.up, 1);
}

/// AD is believed of a resolver on this machine; without it an answer is insecure where the resolver is known to validate.
#[test]
fn what_a_resolver_says_of_dnssec_is_kept() {
    for (validates, unsigned) in [(true, Security::Insecure), (false, Security::Unknown)] {
        let server = Server::start(Box::new(move |ask| {
            let says = (ask.qtype == NS && validates) || ask.name.contains("signed");
            let answer = honest(ask);
            vec![if says { secure(answer) } else { answer }]
        }));
        let names = ["signed.none.example", "other.none.example", "signed.found.example", "other.found.example"];
        let mut feed = Feed::new(names.map(str::to_owned));
        assert_eq!(run(&config(&[&server]), Asking::default(), 10, &mut feed), Ended::Done);
        for (name, wanted) in names.into_iter().zip([Security::Secure, unsigned, Security::Secure, unsigned]) {
            let security = match &feed.told[name][0] {
                Told::Plain(plain) => plain.security,
                Told::Seen(seen) => answer(&seen.record, name).security,
            };
            assert_eq!(security, wanted, "{name}, {validates}");
        }
    }
}

#[test]
fn other_questions_are_asked_of_every_domain() {
    const MX: u16 = 15;
    let server = Server::start(Box::new(|ask| {
        let mx = |preference: u8, host: &str| rr(&ask.name, MX, 1, 60, &[&[0, preference], &name(host)[..]].concat());
        vec![match (ask.qtype, ask.name.as_str()) {
            (MX, "both.nodata.example") => ask.answer(0, &[mx(20, "b.example"), mx(10, "a.example")]),
            (TXT, "_smtp._tls.both.nodata.example") => {
                ask.answer(0, &[txt(&ask.name, &[b"v=TLSRPTv1; rua=mailto:a@b"])])
            }
            (MX, "odd.nodata.example") => ask.message(0x8380, [1, 0, 0, 0], &[&ask.section]),
            _ => honest(ask),
        }]
    }));
    let long = format!("{}.found.example", ["x".repeat(60), "y".repeat(60), "z".repeat(60), "a".repeat(46)].join("."));
    let names = ["both.nodata.example", "odd.nodata.example", "x.none.example", "x.found.example", &long];
    let also = |mx, tlsrpt| Asking { mx, tlsrpt };
    for (asking, wanted) in [
        (
            also(true, true),
            [
                ["nodata", "found", "found"],
                ["nodata", "slow", "nodata"],
                ["nxdomain"; 3],
                ["found", "nodata", "found"],
                ["found", "nodata", "not asked"],
            ],
        ),
        (
            also(true, false),
            [
                ["nodata", "found", "not asked"],
                ["nodata", "slow", "not asked"],
                ["nxdomain", "nxdomain", "not asked"],
                ["found", "nodata", "not asked"],
                ["found", "nodata", "not asked"],
            ],
        ),
    ] {
        let mut feed = Feed::new(names.map(str::to_owned));
        assert_eq!(run(&config(&[&server]), asking, 10, &mut feed), Ended::Done);
        for (name, wanted) in names.into_iter().zip(wanted) {
            let [Told::Seen(seen)] = &feed.told[name][..] else { panic!("{name}: {:?}", feed.told[name]) };
            assert_eq!([word(&seen.record), word(&seen.mx), word(&seen.tlsrpt)], wanted, "{name}");
        }
        let [Told::Seen(seen)] = &feed.told["both.nodata.example"][..] else { panic!("told in short") };
        let Lookup::Found(set) = &answer(&seen.mx, "both").lookup else { panic!("{seen:?}") };
        assert_eq!(set.records.iter().map(|mx| mx.host.as_str()).collect::<Vec<_>>(), ["a.example", "b.example"]);
    }
    // Where no name can be asked for, there is nothing to wait for.
    let longest = ["x".repeat(60), "y".repeat(60), "z".repeat(60), "a".repeat(60), "b".repeat(6)].join(".");
    let mut feed = Feed::new([longest.clone()]);
    assert_eq!(run(&config(&[&server]), Asking::default(), 10, &mut feed), Ended::Done);
    assert_eq!(record(&feed.told[&longest][0]), "not asked");
    assert_eq!(server.count(|name| name.contains(&longest)), (0, 0));
}

/// Every subject is told once, and what is absent is absent, whatever is lost on the way or comes twice.
#[test]
fn nothing_is_lost_or_doubled_under_loss() {
    const NAMES: usize = 20_000;
    let mut dice = 1_u64;
    let server = Server::start(Box::new(move |ask| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match dice >> 32 & 0xff {
            // 5 % are lost, and as many come twice.
            0..13 => Vec::new(),
            13..26 => vec![honest(ask); 2],
            _ => vec![honest(ask)],
        }
    }));
    let mut feed =
        Feed::new((0..NAMES).map(|i| format!("n{i}.{}.example", ["found", "none"][usize::from(i % 10 > 0)])));
    assert_eq!(run(&config(&[&server]), Asking::default(), 2_000, &mut feed), Ended::Done);
    assert_eq!(census(&feed), counts(&[("NXDOMAIN", NAMES * 9 / 10), ("found", NAMES / 10)]));
    let (all, most) = server.count(|name| name.starts_with("_mta-sts."));
    assert!(most <= 6, "{most} datagrams for one name");
    assert!(all <= NAMES * 11 / 10, "{all} datagrams");
    for told in feed.told.values().flatten() {
        let Told::Plain(plain) = told else { continue };
        assert_eq!(plain.absent, Absent::NxDomain);
        assert!((1..=6).contains(&plain.sent) && (1..=2).contains(&plain.attempts), "{plain:?}");
    }
}
