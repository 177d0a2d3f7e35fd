//! What a look-up says of DNSSEC: whose AD bit is believed, and what is bogus rather than broken (RFC 4035, RFC 8914).

use std::sync::Arc;

use stscan::finding::dane;
use stscan::lab::{self, Lab, LabOptions, Population};
use stscan::name::HostName;
use stscan::net::dns::{Answer, Lookup, Resolver, Security, Txt};
use stscan::net::{NetConfig, Upstream};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::hostile::{
    self, Ask, Hostile, IN, Packet, RECORD, RRSIG, Script, Stream, Udp, cname, name, opt, option, rrsig, secure, soa,
    txt,
};
use super::{SLACK, TIME, cases, code, config, host};

/// What a validating resolver does with the root, and one that does not.
const SIGNED_ROOT: Udp = |ask| vec![Packet::Reply(secure(ask.answer(0, &[])))];
const PLAIN_ROOT: Udp = |ask| vec![Packet::Reply(ask.answer(0, &[]))];

/// The answers of a zone with and without AD. The question for the root is in no zone of the script: its case has no name.
fn script(root: Udp) -> Script {
    let udp = |udp: Udp| (udp, cases::found_tcp as hostile::Tcp);
    Script::from([
        ("", udp(root)),
        ("signed", udp(|ask| vec![Packet::Reply(secure(ask.found()))])),
        ("plain", udp(|ask| vec![Packet::Reply(ask.found())])),
        ("no-name", udp(|ask| vec![Packet::Reply(secure(ask.sections(3, &[], &[soa(hostile::ZONE)])))])),
        ("no-data", udp(|ask| vec![Packet::Reply(secure(ask.sections(0, &[], &[soa(hostile::ZONE)])))])),
        ("both", udp(|ask| link(ask, true, true))),
        ("first", udp(|ask| link(ask, true, false))),
        ("second", udp(|ask| link(ask, false, true))),
        ("failing", udp(|ask| vec![Packet::Reply(secure(ask.answer(2, &[])))])),
    ])
}

/// An alias in one message and the record at its end in the next, each with or without AD.
fn link(ask: &Ask, first: bool, second: bool) -> Vec<Packet> {
    let (bytes, signed) = match ask.name.starts_with("end.") {
        true => (ask.found(), second),
        false => (ask.answer(0, &[cname(&ask.name, &ask.below("end"))]), first),
    };
    vec![Packet::Reply(if signed { secure(bytes) } else { bytes })]
}

#[tokio::test]
async fn an_answer_is_secure_or_insecure_by_the_word_of_a_resolver_that_is_known_to_validate() {
    use Security::{Insecure, Secure, Unknown};
    // The root; whether a preflight is made; whether the user vouches; what an answer without AD then is.
    for (root, preflight, trust_ad, unsigned) in [
        (SIGNED_ROOT, true, false, Insecure),
        (SIGNED_ROOT, false, false, Unknown),
        (PLAIN_ROOT, true, false, Unknown),
        (PLAIN_ROOT, true, true, Insecure),
        (PLAIN_ROOT, false, true, Insecure),
    ] {
        let server = Hostile::start(script(root), false).await;
        let config = NetConfig { trust_ad, ..config(vec![Upstream::Udp(server.address)]) };
        let resolver = Resolver::new(&config).unwrap();
        if preflight {
            resolver.preflight().await.unwrap();
        }
        for (label, wanted) in [
            ("signed", Secure),
            ("plain", unsigned),
            ("no-name", Secure),
            ("no-data", Secure),
            ("both", Secure),
            ("first", unsigned),
            ("second", unsigned),
            ("failing", Unknown),
        ] {
            let answer = resolver.txt(&host(label)).await;
            assert_eq!(answer.security, wanted, "{label}, {preflight}, {trust_ad}: {answer:?}");
        }
        // A clone knows what the first one learnt, and so does the one that tells.
        assert_eq!(resolver.telling().txt(&host("plain")).await.security, unsigned);
        server.stop().await;
    }
}

/// Each resolver is judged by its own root.
#[tokio::test]
async fn one_resolver_that_validates_vouches_for_no_other() {
    let (validating, other) =
        (Hostile::start(script(SIGNED_ROOT), false).await, Hostile::start(script(PLAIN_ROOT), false).await);
    let upstreams = [validating.address, other.address].map(Upstream::Udp);
    let resolver = Resolver::new(&config(upstreams.to_vec())).unwrap();
    resolver.preflight().await.unwrap();
    let mut seen = [0, 0];
    for _ in 0..4 {
        match resolver.txt(&host("plain")).await.security {
            Security::Insecure => seen[0] += 1,
            Security::Unknown => seen[1] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [2, 2]);
    validating.stop().await;
    other.stop().await;
}

/// The lab's resolver shows that it validates, so its worlds are secure or insecure.
#[tokio::test]
async fn the_lab_is_believed() {
    let population = Population::new(lab::worlds().unwrap(), 0, 1);
    let lab = Lab::start(population, LabOptions::default()).await.unwrap();
    let resolver = Resolver::new(&config(vec![Upstream::Udp(lab.resolver)])).unwrap();
    resolver.preflight().await.unwrap();
    let answer = resolver.txt(&HostName::parse("_mta-sts.nobody-has-this-name.test").unwrap()).await;
    assert_eq!((code(&answer), answer.security), ("nxdomain", Security::Insecure));
    resolver.close().await;
}

/// The lab shows a signature of what fails validation to those who ask for both, and to nobody else.
#[tokio::test]
async fn the_lab_signs_what_is_bogus() {
    const MX: u16 = 15;
    const AAAA: u16 = 28;
    const BOTH: [bool; 2] = [true; 2];
    let population = Population::new(lab::worlds().unwrap(), 0, 1);
    let lab = Lab::start(population, LabOptions::default()).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(lab.resolver).await.unwrap();
    // The name, the type, whether CD and DO are set; then RCODE, answers and authorities, and whether there is a signature.
    for (owner, rtype, [checking_disabled, dnssec], seen) in [
        ("dnssec-bogus-mx-plain.test", MX, BOTH, (0, [2, 0], true)),
        ("dnssec-bogus-mx-plain.test", MX, [true, false], (0, [1, 0], false)),
        ("dnssec-bogus-mx-plain.test", MX, [false, true], (2, [0, 0], false)),
        ("dnssec-bogus-mx-plain.test", MX, [false, false], (2, [0, 0], false)),
        ("mx1.dnssec-bogus-address.test", AAAA, BOTH, (0, [0, 1], true)),
        ("mx1.dnssec-bogus-address.test", AAAA, [true, false], (0, [0, 0], false)),
        ("dns-flaky.test", MX, BOTH, (0, [1, 0], false)),
    ] {
        let flags = if checking_disabled { 0x10 } else { 0 };
        let mut query = vec![0, 1, 1, flags, 0, 1, 0, 0, 0, 0, 0, 1];
        query.extend([name(owner), rtype.to_be_bytes().to_vec(), IN.to_be_bytes().to_vec()].concat());
        query.extend(opt(0, 0, &[]));
        if dnssec {
            let flags = query.len() - 4;
            query[flags] |= 0x80;
        }
        socket.send(&query).await.unwrap();
        let mut answer = [0; 2048];
        let length = tokio::time::timeout(TIME, socket.recv(&mut answer)).await.unwrap().unwrap();
        // The type and the class of a record whose owner is that of the question.
        let [high, low] = RRSIG.to_be_bytes();
        let is_signed = answer[..length].windows(6).any(|bytes| bytes == [0xc0, 0x0c, high, low, 0, 1]);
        assert_eq!((answer[3] & 0x0f, [answer[7], answer[9]], is_signed), seen, "{owner} {checking_disabled} {dnssec}");
    }
}

#[tokio::test]
async fn the_alias_itself_is_judged_apart_from_what_it_leads_to() {
    let server = Hostile::start(script(SIGNED_ROOT), false).await;
    let resolver = Resolver::new(&config(vec![Upstream::Udp(server.address)])).unwrap();
    resolver.preflight().await.unwrap();
    for (label, alias, all) in [
        ("first", Security::Secure, Security::Insecure),
        ("second", Security::Insecure, Security::Insecure),
        ("both", Security::Secure, Security::Secure),
    ] {
        let answer = resolver.alias(&host(label)).await;
        let Lookup::Found(set) = &answer.lookup else { panic!("{answer:?}") };
        assert_eq!(
            (set.records.as_slice(), answer.aliases.len()),
            (&[host(&format!("end.{label}")).to_string()][..], 0)
        );
        assert_eq!((answer.security, resolver.txt(&host(label)).await.security), (alias, all), "{label}");
    }
    assert_eq!(code(&resolver.alias(&host("no-data")).await), "nodata");
    server.stop().await;
}

/// A failure that a validating resolver might give: what it says with and without CD.
struct Failing {
    label: &'static str,
    udp: Udp,
    tcp: hostile::Tcp,
    /// The code and datagrams of a resolver that does not tell, and of one that does.
    plain: (&'static str, usize),
    telling: (&'static str, usize),
}

fn failing(label: &'static str, udp: Udp, plain: (&'static str, usize), telling: (&'static str, usize)) -> Failing {
    Failing { label, udp, tcp: cases::found_tcp, plain, telling }
}

/// SERVFAIL with these extended errors, unless asked not to check.
fn unless_unchecked(ask: &Ask, errors: &[u8], unchecked: impl Fn(&Ask) -> Vec<u8>) -> Vec<Packet> {
    assert_eq!(ask.dnssec, ask.unchecked && ask.edns, "signatures are asked for where nothing is to be checked");
    if ask.unchecked {
        return vec![Packet::Reply(unchecked(ask))];
    }
    let options: Vec<u8> = errors.iter().flat_map(|code| option(15, &[0, *code])).collect();
    let opt = if ask.edns { opt(0, 0, &options) } else { Vec::new() };
    vec![Packet::Reply(ask.message(0x8182, [1, 0, 0, u16::from(ask.edns)], &[&ask.section, &opt]))]
}

/// What a signed zone says, to those who ask for signatures with them: the record, or that there is none.
fn signed(ask: &Ask) -> Vec<u8> {
    ask.answer(0, &[vec![txt(&ask.name, &[RECORD])], signatures(ask)].concat())
}

fn signed_denial(ask: &Ask, rcode: u16) -> Vec<u8> {
    ask.sections(rcode, &[], &[vec![soa(hostile::ZONE)], signatures(ask)].concat())
}

fn signatures(ask: &Ask) -> Vec<Vec<u8>> {
    if ask.dnssec { vec![rrsig(&ask.name)] } else { Vec::new() }
}

/// SERVFAIL twice and a signed answer without validation; then this.
fn at_last(ask: &Ask, last: impl Fn(&Ask) -> Vec<Packet>) -> Vec<Packet> {
    if ask.before < 3 { unless_unchecked(ask, &[], signed) } else { last(ask) }
}

fn failures() -> Vec<Failing> {
    [explained(), told_by_cd(), not_told(), seen_at_last()].into_iter().flatten().collect()
}

const BOGUS: &str = "dnssec.bogus";
const BROKEN: &str = "dns.rcode_2";

/// The resolver says itself that the answer is bogus.
fn explained() -> Vec<Failing> {
    vec![
        failing("ede-bogus", |ask| unless_unchecked(ask, &[6], Ask::found), (BOGUS, 2), (BOGUS, 2)),
        failing("ede-expired", |ask| unless_unchecked(ask, &[7], |ask| ask.answer(2, &[])), (BOGUS, 2), (BOGUS, 2)),
        failing(
            "ede-once",
            |ask| unless_unchecked(ask, if ask.before == 0 { &[10] } else { &[] }, Ask::found),
            (BOGUS, 2),
            (BOGUS, 2),
        ),
        failing(
            "ede-at-last",
            |ask| unless_unchecked(ask, if ask.before < 3 { &[] } else { &[7] }, signed),
            (BROKEN, 2),
            (BOGUS, 4),
        ),
    ]
}

/// There is a signed answer as long as it is not validated, and then none again.
fn told_by_cd() -> Vec<Failing> {
    vec![
        failing("cd-found", |ask| unless_unchecked(ask, &[], signed), (BROKEN, 2), (BOGUS, 4)),
        failing("cd-no-name", |ask| unless_unchecked(ask, &[], |ask| signed_denial(ask, 3)), (BROKEN, 2), (BOGUS, 4)),
        failing("cd-no-data", |ask| unless_unchecked(ask, &[], |ask| signed_denial(ask, 0)), (BROKEN, 2), (BOGUS, 4)),
        failing("cd-indeterminate", |ask| unless_unchecked(ask, &[5], signed), (BROKEN, 2), (BOGUS, 4)),
        failing("cd-unreachable", |ask| unless_unchecked(ask, &[9, 22], signed), (BROKEN, 2), (BOGUS, 4)),
        Failing {
            tcp: |ask| Stream::Message(if ask.unchecked { signed(ask) } else { ask.answer(2, &[]) }),
            ..failing(
                "cd-over-tcp",
                |ask| unless_unchecked(ask, &[], |ask| ask.message(0x8380, [1, 0, 0, 0], &[&ask.section])),
                (BROKEN, 2),
                (BOGUS, 4),
            )
        },
        failing(
            "cd-behind-an-alias",
            |ask| match ask.name.starts_with("end.") {
                true => unless_unchecked(ask, &[], signed),
                false => vec![Packet::Reply(ask.answer(0, &[cname(&ask.name, &ask.below("end"))]))],
            },
            (BROKEN, 3),
            (BOGUS, 5),
        ),
    ]
}

/// What no resolver has, or what may have failed for another reason.
fn not_told() -> Vec<Failing> {
    vec![
        failing("broken", |ask| unless_unchecked(ask, &[], |ask| ask.answer(2, &[])), (BROKEN, 2), (BROKEN, 3)),
        failing("unreachable", |ask| unless_unchecked(ask, &[22], |ask| ask.answer(2, &[])), (BROKEN, 2), (BROKEN, 3)),
        failing("cd-refused", |ask| unless_unchecked(ask, &[], |ask| ask.answer(5, &[])), (BROKEN, 2), (BROKEN, 3)),
        failing(
            "cd-malformed",
            |ask| unless_unchecked(ask, &[], |ask| ask.found()[..40].to_vec()),
            (BROKEN, 2),
            (BROKEN, 3),
        ),
        failing(
            "cd-silent",
            |ask| if ask.unchecked { Vec::new() } else { unless_unchecked(ask, &[], Ask::found) },
            (BROKEN, 2),
            (BROKEN, 3),
        ),
        // What is not signed cannot fail validation, whatever else the answer holds.
        failing("unsigned", |ask| unless_unchecked(ask, &[], Ask::found), (BROKEN, 2), (BROKEN, 3)),
        failing("unsigned-empty", |ask| unless_unchecked(ask, &[], |ask| ask.answer(0, &[])), (BROKEN, 2), (BROKEN, 3)),
        failing(
            "unsigned-no-name",
            |ask| unless_unchecked(ask, &[], |ask| ask.sections(3, &[], &[soa(hostile::ZONE)])),
            (BROKEN, 2),
            (BROKEN, 3),
        ),
        failing(
            "signed-aside",
            |ask| {
                unless_unchecked(ask, &[], |ask| {
                    let records = [txt(&ask.name, &[RECORD]), rrsig(&ask.name), opt(0, 0, &[])];
                    ask.message(0x8180, [1, 1, 0, 2], &[&ask.section, &records.concat()])
                })
            },
            (BROKEN, 2),
            (BROKEN, 3),
        ),
        failing(
            "signed-failure",
            |ask| unless_unchecked(ask, &[], |ask| ask.answer(2, &signatures(ask))),
            (BROKEN, 2),
            (BROKEN, 3),
        ),
        // A resolver that knows no EDNS knows no DNSSEC (RFC 4035 4.1).
        failing(
            "without-edns",
            |ask| match ask.edns {
                true => vec![Packet::Reply(ask.answer(1, &[]))],
                false => unless_unchecked(ask, &[], signed),
            },
            (BROKEN, 3),
            (BROKEN, 3),
        ),
        // Another failure is none of validation, whatever CD would bring.
        failing(
            "refused",
            |ask| vec![Packet::Reply(if ask.unchecked { signed(ask) } else { ask.answer(5, &[]) })],
            ("dns.rcode_5", 2),
            ("dns.rcode_5", 2),
        ),
        failing(
            "refused-at-last",
            |ask| at_last(ask, |ask| vec![Packet::Reply(ask.answer(5, &[]))]),
            (BROKEN, 2),
            (BROKEN, 4),
        ),
        failing("silent-at-last", |ask| at_last(ask, |_| Vec::new()), (BROKEN, 2), (BROKEN, 4)),
    ]
}

/// What validates in the end was never bogus.
fn seen_at_last() -> Vec<Failing> {
    vec![
        // What was found without CD needs none.
        failing(
            "recovers",
            |ask| vec![Packet::Reply(if ask.before == 0 { ask.answer(2, &[]) } else { ask.found() })],
            ("found", 2),
            ("found", 2),
        ),
        failing("found-at-last", |ask| at_last(ask, |ask| vec![Packet::Reply(ask.found())]), (BROKEN, 2), ("found", 4)),
        failing(
            "no-name-at-last",
            |ask| at_last(ask, |ask| vec![Packet::Reply(signed_denial(ask, 3))]),
            (BROKEN, 2),
            ("nxdomain", 4),
        ),
        failing(
            "no-data-at-last",
            |ask| at_last(ask, |ask| vec![Packet::Reply(signed_denial(ask, 0))]),
            (BROKEN, 2),
            ("nodata", 4),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bogus_is_told_from_broken() {
    let mut running = JoinSet::new();
    for telling in [false, true] {
        let cases = failures();
        let script: Script = cases.iter().map(|case| (case.label, (case.udp, case.tcp))).collect();
        let server = Arc::new(Hostile::start(script, true).await);
        let resolver = Resolver::new(&config(vec![Upstream::Udp(server.address)])).unwrap();
        let resolver = if telling { resolver.telling() } else { resolver };
        for case in cases {
            let (resolver, server) = (resolver.clone(), Arc::clone(&server));
            running.spawn(async move {
                let answer = resolver.txt(&host(case.label)).await;
                let (wanted, datagrams) = if telling { case.telling } else { case.plain };
                assert_eq!(
                    (code(&answer), server.datagrams(case.label)),
                    (wanted, datagrams),
                    "{}: {answer:?}",
                    case.label
                );
                assert!(answer.elapsed <= TIME + SLACK, "{}: {answer:?}", case.label);
                // Each question is counted; the one that was cut off went over TCP as well.
                let streams = usize::from(telling && case.label == "cd-over-tcp");
                assert_eq!(usize::from(answer.sent), datagrams + streams, "{}: {answer:?}", case.label);
                if wanted == dane::BOGUS.as_str() {
                    assert_bogus(case.label, &answer);
                } else {
                    assert_eq!(answer.security, Security::Unknown, "{}", case.label);
                }
            });
        }
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap();
    }
}

/// A bogus answer says how that is known, and what the resolver said before.
fn assert_bogus(label: &str, answer: &Answer<Txt>) {
    let Lookup::Failed(failure) = &answer.lookup else { panic!("{answer:?}") };
    let field = |name| failure.detail.get(name).cloned();
    assert_eq!((answer.security, field("rcode")), (Security::Bogus, Some(2.into())), "{label}");
    let by_ede = label.starts_with("ede-");
    assert_eq!(field("told_by"), Some(if by_ede { "ede" } else { "cd" }.into()), "{label}");
    assert_eq!(
        field("ede").is_some_and(|ede| ede != serde_json::json!([])),
        by_ede || !answer.ede.is_empty(),
        "{label}"
    );
    assert_eq!(field("attempts"), Some(answer.sent.into()), "{label}");
}

/// With two resolvers, the one that failed is asked again, and one that has the answer ends the matter.
#[tokio::test]
async fn another_resolver_that_answers_is_believed_before_anything_is_called_bogus() {
    let failing: Udp = |ask| unless_unchecked(ask, &[6], Ask::found);
    let script = |udp: Udp| Script::from([("case", (udp, cases::found_tcp as hostile::Tcp))]);
    let (bogus, honest) =
        (Hostile::start(script(failing), false).await, Hostile::start(script(super::honest), false).await);
    let upstreams = [bogus.address, honest.address].map(Upstream::Udp);
    let resolver = Resolver::new(&config(upstreams.to_vec())).unwrap().telling();
    for _ in 0..2 {
        assert_eq!(code(&resolver.txt(&host("case")).await), "found");
    }
    bogus.stop().await;
    honest.stop().await;
}
