//! What a resolver can answer, row by row of HOSTILE.md 27 to 54, and what a look-up makes of it.

use std::ops::RangeInclusive;

use super::hostile::{
    A, Ask, CH, DNAME, HINFO, IN, NS, Packet, RECORD, Stream, TXT, Tcp, Udp, ZONE, cname, name, opt, option, record,
    soa, txt,
};

/// What a look-up is to come to.
pub(super) enum Want {
    /// These texts, in this order.
    Found(Vec<Vec<u8>>),
    NoData,
    NxDomain,
    Code(&'static str),
}

/// One case: the label that is asked for, what the server does, and what becomes of it.
pub(super) struct Case {
    pub(super) label: &'static str,
    pub(super) udp: Udp,
    pub(super) tcp: Tcp,
    pub(super) want: Want,
    /// Datagrams that the server saw.
    pub(super) datagrams: RangeInclusive<usize>,
    /// What else the answer says.
    pub(super) aliases: usize,
    pub(super) over_tcp: bool,
}

fn case(label: &'static str, udp: Udp, want: Want, datagrams: usize) -> Case {
    Case { label, udp, tcp: found_tcp, want, datagrams: datagrams..=datagrams, aliases: 0, over_tcp: false }
}

impl Case {
    fn tcp(self, tcp: Tcp) -> Self {
        Self { tcp, over_tcp: true, ..self }
    }

    fn aliases(self, aliases: usize) -> Self {
        Self { aliases, ..self }
    }
}

fn record_found() -> Want {
    Want::Found(vec![RECORD.to_vec()])
}

pub(super) fn found_tcp(ask: &Ask) -> Stream {
    Stream::Message(ask.found())
}

fn one(bytes: Vec<u8>) -> Vec<Packet> {
    vec![Packet::Reply(bytes)]
}

/// An answer without content that says: ask over TCP.
fn cut_off(ask: &Ask) -> Vec<Packet> {
    one(ask.message(0x8380, [1, 0, 0, 0], &[&ask.section]))
}

/// A chain of `length` aliases, one in each message: n1 to n2 to … to the record.
fn chain(ask: &Ask, length: usize) -> Vec<Packet> {
    let at = ask.name.split('.').next().and_then(|label| label.strip_prefix('n')).and_then(|n| n.parse().ok());
    let at: usize = at.unwrap_or(0);
    one(if at == length {
        ask.found()
    } else {
        ask.answer(0, &[cname(&ask.name, &ask.below(&format!("n{}", at + 1)))])
    })
}

/// A chain of `length` aliases in one message, with the record at its end.
fn chain_at_once(ask: &Ask, length: usize) -> Vec<u8> {
    let mut owner = ask.name.clone();
    let mut answers = Vec::new();
    for i in 0..length {
        let target = ask.below(&format!("m{i}"));
        answers.push(cname(&owner, &target));
        owner = target;
    }
    answers.push(txt(&owner, &[RECORD]));
    ask.answer(0, &answers)
}

fn with_opt(ask: &Ask, opts: &[Vec<u8>]) -> Vec<Packet> {
    let answer = txt(&ask.name, &[RECORD]);
    let count = u16::try_from(opts.len()).unwrap();
    one(ask.message(0x8180, [1, 1, 0, count], &[&ask.section, &answer, &opts.concat()]))
}

/// The text of the case with many strings, in strings of this size.
fn chunked(ask: &Ask, text: &[u8], size: usize) -> Vec<u8> {
    ask.answer(0, &[txt(&ask.name, &text.chunks(size).collect::<Vec<_>>())])
}

pub(super) const LONG: [u8; 600] = [b'x'; 600];

/// Every case that one server and one resolver can run side by side.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(forged());
    cases.extend(malformed());
    cases.extend(contents());
    cases.extend(chains());
    cases.extend(refusals());
    cases
}

/// Rows 28 to 34 and 38: answers that are none, and answers that need TCP.
fn forged() -> Vec<Case> {
    vec![
        case("honest", |ask| one(ask.found()), record_found(), 1),
        case("r28-other-port", |ask| vec![Packet::OtherPort(ask.found())], Want::Code("dns.timeout"), 3),
        case("r28-other-address", |ask| vec![Packet::OtherAddress(ask.found())], Want::Code("dns.timeout"), 3),
        case(
            "r29-other-question",
            |ask| {
                let section = [&name("other.example")[..], &[0, 16, 0, 1]].concat();
                one(ask.message(0x8180, [1, 1, 0, 0], &[&section, &txt("other.example", &[RECORD])]))
            },
            Want::Code("dns.timeout"),
            3,
        ),
        case(
            "r29-no-question",
            |ask| one(ask.message(0x8180, [0, 1, 0, 0], &[&txt(&ask.name, &[RECORD])])),
            Want::Code("dns.malformed"),
            2,
        ),
        case(
            "r29-two-questions",
            |ask| one(ask.message(0x8180, [2, 1, 0, 0], &[&ask.section, &ask.section, &txt(&ask.name, &[RECORD])])),
            Want::Code("dns.malformed"),
            2,
        ),
        case(
            "r30-case-not-echoed",
            |ask| one(ask.message(0x8180, [1, 0, 0, 0], &[&ask.section.to_ascii_lowercase()])),
            record_found(),
            1,
        )
        .tcp(found_tcp),
        case(
            "r31-other-owner",
            |ask| one(ask.answer(0, &[txt("other.example", &[RECORD])])),
            Want::Code("dns.unrelated_answer"),
            1,
        ),
        case(
            "r32-a-for-txt",
            |ask| one(ask.answer(0, &[record(&ask.name, A, IN, 60, &[192, 0, 2, 1])])),
            Want::Code("dns.unrelated_answer"),
            1,
        ),
        case(
            "r32-hinfo-for-txt",
            |ask| one(ask.answer(0, &[record(&ask.name, HINFO, IN, 60, b"\x07RFC8482\0")])),
            Want::Code("dns.unrelated_answer"),
            1,
        ),
        case("r33-cut-off", cut_off, record_found(), 1).tcp(found_tcp),
        case(
            "r33-cut-off-anywhere",
            |ask| {
                let mut bytes = ask.found();
                bytes[2] |= 0x02;
                bytes.truncate(bytes.len() - 20);
                one(bytes)
            },
            record_found(),
            1,
        )
        .tcp(found_tcp),
        case("r34-junk-message", cut_off, Want::Code("dns.malformed"), 2)
            .tcp(|_| Stream::Message(b"nothing that a resolver says".to_vec())),
        case("r34-junk", cut_off, Want::Code("dns.tcp_closed"), 1)
            .tcp(|_| Stream::Raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())),
        case("r34-a-byte-a-second", cut_off, Want::Code("dns.tcp_timeout"), 1).tcp(|ask| Stream::Drip(ask.found())),
        case("r34-half-a-message", cut_off, Want::Code("dns.tcp_closed"), 1).tcp(|ask| {
            let message = ask.found();
            Stream::Raw([&u16::try_from(message.len()).unwrap().to_be_bytes(), &message[..20]].concat())
        }),
        case("r34-closed", cut_off, Want::Code("dns.tcp_closed"), 1).tcp(|_| Stream::Raw(Vec::new())),
        case("r34-cut-off-again", cut_off, Want::Code("dns.truncated"), 1)
            .tcp(|ask| Stream::Message(ask.message(0x8380, [1, 0, 0, 0], &[&ask.section]))),
        case(
            "r38-noise-first",
            |ask| {
                let mut question = ask.found();
                question[2] &= 0x7f;
                [Vec::new(), vec![0, 0], ask.id.to_be_bytes().to_vec(), question, ask.found()]
                    .into_iter()
                    .map(Packet::Reply)
                    .collect()
            },
            record_found(),
            1,
        ),
        case(
            "r38-malformed-first",
            |ask| {
                let cut = ask.found()[..60].to_vec();
                vec![Packet::Reply(cut), Packet::Reply(ask.found())]
            },
            record_found(),
            1,
        ),
        case("r54-silent", |_| Vec::new(), Want::Code("dns.timeout"), 3),
        case("r54-third-time", |ask| if ask.before < 2 { Vec::new() } else { one(ask.found()) }, record_found(), 3),
    ]
}

/// Rows 36, 37, 42, 52 and 53: what breaks the format, and what only looks like it.
fn malformed() -> Vec<Case> {
    let broken = || Want::Code("dns.malformed");
    vec![
        case("r36-cut-short", |ask| one(ask.found()[..ask.found().len() - 30].to_vec()), broken(), 2),
        case("r36-cut-in-question", |ask| one(ask.found()[..20].to_vec()), broken(), 2),
        case(
            "r36-ancount-65535",
            |ask| one(ask.message(0x8180, [1, 65535, 0, 0], &[&ask.section, &txt(&ask.name, &[RECORD])])),
            broken(),
            2,
        ),
        case(
            "r37-pointer-to-itself",
            |ask| {
                let at = u16::try_from(12 + ask.section.len()).unwrap() | 0xc000;
                one(ask.message(0x8180, [1, 1, 0, 0], &[&ask.section, &at.to_be_bytes(), &[0; 10]]))
            },
            broken(),
            2,
        ),
        case(
            "r37-pointer-forward",
            |ask| {
                let at = u16::try_from(12 + ask.section.len() + 2).unwrap() | 0xc000;
                one(ask.message(0x8180, [1, 1, 0, 0], &[&ask.section, &at.to_be_bytes(), &[0; 12]]))
            },
            broken(),
            2,
        ),
        case("r42-no-rdata", |ask| one(ask.answer(0, &[record(&ask.name, TXT, IN, 60, &[])])), broken(), 2),
        case("r42-string-beyond", |ask| one(ask.answer(0, &[record(&ask.name, TXT, IN, 60, b"\x0eab")])), broken(), 2),
        case("r52-class-ch", |ask| one(ask.answer(0, &[record(&ask.name, TXT, CH, 60, b"\x02ab")])), broken(), 1),
        case("r53-two-opts", |ask| with_opt(ask, &[opt(0, 0, &[]), opt(0, 0, &[])]), broken(), 2),
        case("r53-version-1", |ask| with_opt(ask, &[opt(0, 1, &[])]), broken(), 2),
        case("r53-option-500", |ask| with_opt(ask, &[opt(0, 0, &option(65001, &[7; 500]))]), record_found(), 1),
        case("r53-no-opt", |ask| with_opt(ask, &[]), record_found(), 1),
        case("r53-formerr", |ask| one(if ask.edns { ask.answer(1, &[]) } else { ask.found() }), record_found(), 2),
        case(
            "r53-formerr-header",
            |ask| one(if ask.edns { ask.message(0x8181, [0; 4], &[]) } else { ask.found() }),
            record_found(),
            2,
        ),
        case("r53-notimp", |ask| one(if ask.edns { ask.answer(4, &[]) } else { ask.found() }), record_found(), 2),
        case(
            "r53-badvers",
            |ask| {
                if ask.edns {
                    one(ask.message(0x8180, [1, 0, 0, 1], &[&ask.section, &opt(1, 1, &[])]))
                } else {
                    one(ask.found())
                }
            },
            record_found(),
            2,
        ),
    ]
}

/// Rows 35 and 38 to 43: records that are odd, and kept as they are.
fn contents() -> Vec<Case> {
    let found = |text: &[u8]| Want::Found(vec![text.to_vec()]);
    vec![
        case(
            "r38-trailing",
            |ask| {
                one([ask.message(0x8180, [1, 1, 0, 0], &[&ask.section, &txt(&ask.name, &[RECORD])]), vec![9; 7]]
                    .concat())
            },
            record_found(),
            1,
        ),
        case("r39-in-two", |ask| one(chunked(ask, RECORD, 7)), record_found(), 1),
        case("r39-in-255", |ask| one(chunked(ask, &LONG, 255)), found(&LONG), 1),
        case("r39-in-single-bytes", |ask| one(chunked(ask, &LONG, 1)), found(&LONG), 1),
        case(
            "r40-no-text",
            |ask| one(ask.answer(0, &[txt(&ask.name, &[b"v=STSv1;\xff\0", b"\r\n"])])),
            found(b"v=STSv1;\xff\0\r\n"),
            1,
        ),
        case(
            "r41-active",
            |ask| one(ask.answer(0, &[txt(&ask.name, &[b"\x1b]0;x\x07\xe2\x80\xae"])])),
            found(b"\x1b]0;x\x07\xe2\x80\xae"),
            1,
        ),
        case("r42-empty-string", |ask| one(ask.answer(0, &[txt(&ask.name, &[b""])])), found(b""), 1),
        case(
            "r43-several",
            |ask| one(ask.answer(0, &[txt(&ask.name, &[b"v=STSv1; id=1"]), txt(&ask.name, &[b"v=spf1"])])),
            Want::Found(vec![b"v=STSv1; id=1".to_vec(), b"v=spf1".to_vec()]),
            1,
        ),
        case("nodata-soa", |ask| one(ask.sections(0, &[], &[soa(ZONE)])), Want::NoData, 1),
        case("nodata-bare", |ask| one(ask.answer(0, &[])), Want::NoData, 1),
        case(
            "referral",
            |ask| one(ask.sections(0, &[], &[record("example", NS, IN, 60, &name("ns.example"))])),
            Want::Code("dns.referral"),
            1,
        ),
        case("nxdomain", |ask| one(ask.sections(3, &[], &[soa(ZONE)])), Want::NxDomain, 1),
        case(
            "r46-nxdomain-with-answer",
            |ask| one(ask.answer(3, &[txt(&ask.name, &[RECORD])])),
            Want::Code("dns.rcode_conflict"),
            1,
        ),
        case(
            "r46-nxdomain-with-other",
            |ask| one(ask.answer(3, &[txt("other.example", &[RECORD])])),
            Want::Code("dns.rcode_conflict"),
            1,
        ),
    ]
}

/// Rows 47 to 50: aliases.
fn chains() -> Vec<Case> {
    let endless = || Want::Code("dns.cname_loop");
    let too_long = || Want::Code("dns.cname_too_long");
    vec![
        case("r47-to-itself", |ask| one(ask.answer(0, &[cname(&ask.name, &ask.name)])), endless(), 1),
        case(
            "r47-in-a-circle",
            |ask| {
                let (there, back) = (cname(&ask.name, &ask.below("b")), cname(&ask.below("b"), &ask.name));
                one(ask.answer(0, &[there, back]))
            },
            endless(),
            1,
        )
        .aliases(1),
        case(
            "r47-in-a-circle-slowly",
            |ask| {
                let target = if ask.name.starts_with("b.") { ask.name[2..].to_owned() } else { ask.below("b") };
                one(ask.answer(0, &[cname(&ask.name, &target)]))
            },
            endless(),
            2,
        )
        .aliases(1),
        case("r48-chain-of-9", |ask| chain(ask, 9), record_found(), 10).aliases(9),
        case("r48-chain-of-10", |ask| chain(ask, 10), record_found(), 11).aliases(10),
        case("r48-chain-of-11", |ask| chain(ask, 11), too_long(), 11).aliases(10),
        case("r48-chain-of-17", |ask| chain(ask, 17), too_long(), 11).aliases(10),
        case("r48-10-at-once", |ask| one(chain_at_once(ask, 10)), record_found(), 1).aliases(10),
        case("r48-40-at-once", cut_off, too_long(), 1).aliases(10).tcp(|ask| Stream::Message(chain_at_once(ask, 40))),
        case(
            "r49-dname",
            |ask| {
                let dname = record(ZONE, DNAME, IN, 60, &name("target.example"));
                let target = "moved.target.example";
                one(ask.answer(0, &[dname, cname(&ask.name, target), txt(target, &[RECORD])]))
            },
            record_found(),
            1,
        )
        .aliases(1),
        case(
            "r49-dname-alone",
            |ask| one(ask.answer(0, &[record(ZONE, DNAME, IN, 60, &name("target.example"))])),
            Want::Code("dns.unrelated_answer"),
            1,
        ),
        case(
            "r50-dangling",
            |ask| one(ask.sections(3, &[cname(&ask.name, "gone.example")], &[soa("example")])),
            Want::NxDomain,
            1,
        )
        .aliases(1),
        case(
            "alias-to-nodata",
            |ask| one(ask.sections(0, &[cname(&ask.name, "there.example")], &[soa("example")])),
            Want::NoData,
            1,
        )
        .aliases(1),
        case(
            "two-aliases",
            |ask| one(ask.answer(0, &[cname(&ask.name, "a.example"), cname(&ask.name, "b.example")])),
            Want::Code("dns.malformed"),
            1,
        ),
    ]
}

/// Rows 44 and 45: every RCODE.
fn refusals() -> Vec<Case> {
    let mut cases = vec![
        case("r44-once", |ask| one(if ask.before == 0 { ask.answer(2, &[]) } else { ask.found() }), record_found(), 2),
        case(
            "r44-then-silence",
            |ask| if ask.before == 0 { one(ask.answer(2, &[])) } else { Vec::new() },
            Want::Code("dns.rcode_2"),
            3,
        ),
    ];
    // A function pointer knows nothing but what it is asked, so the RCODE stands in the label.
    let rcode: Udp = |ask| {
        let rcode = ask.name.split('.').next().and_then(|label| label.rsplit('-').next()).unwrap().parse().unwrap();
        one(ask.answer(rcode, &[]))
    };
    for (label, code, datagrams) in [
        ("r44-rcode-1", "dns.rcode_1", 3),
        ("r44-rcode-2", "dns.rcode_2", 2),
        ("r44-rcode-4", "dns.rcode_4", 3),
        ("r44-rcode-5", "dns.rcode_5", 2),
        ("r44-rcode-6", "dns.rcode_6", 2),
        ("r44-rcode-7", "dns.rcode_7", 2),
        ("r44-rcode-8", "dns.rcode_8", 2),
        ("r44-rcode-9", "dns.rcode_9", 2),
        ("r44-rcode-10", "dns.rcode_10", 2),
        ("r45-rcode-11", "dns.rcode_11", 2),
        ("r45-rcode-12", "dns.rcode_12", 2),
        ("r45-rcode-13", "dns.rcode_13", 2),
        ("r45-rcode-14", "dns.rcode_14", 2),
        ("r45-rcode-15", "dns.rcode_15", 2),
        ("r45-rcode-23", "dns.rcode_extended", 2),
        ("r45-rcode-4095", "dns.rcode_extended", 2),
    ] {
        cases.push(case(label, rcode, Want::Code(code), datagrams));
    }
    cases
}
