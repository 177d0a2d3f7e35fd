#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::str::FromStr;

use hickory_proto::op::{MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{self, SOA};

use super::*;

fn name(text: &str) -> Name {
    Name::from_str(&format!("{text}.")).unwrap()
}

fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::CNAME(rdata::CNAME(name(target))))
}

fn txt(owner: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::TXT(rdata::TXT::new(vec!["x".to_owned()])))
}

fn a(owner: &str) -> Record {
    Record::from_rdata(name(owner), 60, RData::A(rdata::A::new(192, 0, 2, 1)))
}

fn soa(zone: &str) -> Record {
    let soa = SOA::new(name("ns.example"), name("hostmaster.example"), 1, 2, 3, 4, 5);
    Record::from_rdata(name(zone), 60, RData::SOA(soa))
}

fn ns(zone: &str) -> Record {
    Record::from_rdata(name(zone), 60, RData::NS(rdata::NS(name("ns.example"))))
}

fn of_class_ch(mut record: Record) -> Record {
    record.dns_class = DNSClass::CH;
    record
}

/// The rows: RCODE, answers, authorities, the verdict, and the end of the chain.
#[test]
fn a_message_has_one_verdict() {
    let wrong = Verdict::Wrong;
    for (case, rcode, answers, authorities, verdict, end) in [
        ("found", 0, vec![txt("q.example")], vec![], Verdict::Found, "q.example"),
        ("found in another case", 0, vec![txt("Q.EXAMPLE")], vec![], Verdict::Found, "q.example"),
        ("found beside others", 0, vec![a("q.example"), txt("q.example")], vec![], Verdict::Found, "q.example"),
        ("nothing", 0, vec![], vec![], Verdict::NoData, "q.example"),
        ("nothing, says the zone", 0, vec![], vec![soa("example")], Verdict::NoData, "q.example"),
        ("no such name", 3, vec![], vec![soa("example")], Verdict::NxDomain, "q.example"),
        ("no such name, bare", 3, vec![], vec![], Verdict::NxDomain, "q.example"),
        ("a referral", 0, vec![], vec![ns("example")], wrong(dns::REFERRAL), "q.example"),
        ("NS beside the zone's word", 0, vec![], vec![ns("example"), soa("example")], Verdict::NoData, "q.example"),
        ("another type", 0, vec![a("q.example")], vec![], wrong(dns::UNRELATED_ANSWER), "q.example"),
        ("another owner", 0, vec![txt("w.example")], vec![], wrong(dns::UNRELATED_ANSWER), "q.example"),
        ("both", 3, vec![txt("q.example")], vec![], wrong(dns::RCODE_CONFLICT), "q.example"),
        ("denied and unrelated", 3, vec![a("w.example")], vec![], wrong(dns::RCODE_CONFLICT), "q.example"),
        ("class CH", 0, vec![of_class_ch(txt("q.example"))], vec![], wrong(dns::MALFORMED), "q.example"),
        ("authority of class CH", 0, vec![], vec![of_class_ch(soa("example"))], wrong(dns::MALFORMED), "q.example"),
        ("alias", 0, vec![cname("q.example", "t.example"), txt("t.example")], vec![], Verdict::Found, "t.example"),
        (
            "alias behind",
            0,
            vec![txt("t.example"), cname("q.example", "t.example")],
            vec![],
            Verdict::Found,
            "t.example",
        ),
        ("alias twice", 0, vec![cname("q.example", "t.example"); 2], vec![], Verdict::Ask, "t.example"),
        ("alias alone", 0, vec![cname("q.example", "t.example")], vec![], Verdict::Ask, "t.example"),
        (
            "alias out of the zone",
            0,
            vec![cname("q.example", "t.elsewhere")],
            vec![soa("example")],
            Verdict::Ask,
            "t.elsewhere",
        ),
        (
            "alias and the zone's word",
            0,
            vec![cname("q.example", "t.example")],
            vec![soa("example")],
            Verdict::NoData,
            "t.example",
        ),
        ("dangling", 3, vec![cname("q.example", "t.example")], vec![], Verdict::NxDomain, "t.example"),
        (
            "dangling, and found",
            3,
            vec![cname("q.example", "t.example"), txt("t.example")],
            vec![],
            wrong(dns::RCODE_CONFLICT),
            "t.example",
        ),
        (
            "alias to another type",
            0,
            vec![cname("q.example", "t.example"), a("t.example")],
            vec![],
            wrong(dns::UNRELATED_ANSWER),
            "t.example",
        ),
        (
            "two aliases",
            0,
            vec![cname("q.example", "t.example"), cname("q.example", "u.example")],
            vec![],
            wrong(dns::MALFORMED),
            "q.example",
        ),
        ("itself", 0, vec![cname("q.example", "Q.example")], vec![], wrong(dns::CNAME_LOOP), "q.example"),
        (
            "a circle",
            0,
            vec![cname("q.example", "t.example"), cname("t.example", "q.example")],
            vec![],
            wrong(dns::CNAME_LOOP),
            "t.example",
        ),
    ] {
        let mut message = Message::new(0, MessageType::Response, OpCode::Query);
        message.metadata.response_code = ResponseCode::from_low(rcode);
        message.answers = answers;
        message.authorities = authorities;
        let mut chain = Chain::new(name("q.example"));
        assert_eq!((judge(&message, RecordType::TXT, &mut chain), chain.end()), (verdict, &name(end)), "{case}");
    }
}

#[test]
fn ten_aliases_are_followed_over_however_many_messages() {
    for (in_one, length, verdict) in [
        (10, 10, Verdict::Found),
        (1, 10, Verdict::Found),
        (3, 10, Verdict::Found),
        (11, 11, Verdict::Wrong(dns::CNAME_TOO_LONG)),
        (1, 11, Verdict::Wrong(dns::CNAME_TOO_LONG)),
        (4, 11, Verdict::Wrong(dns::CNAME_TOO_LONG)),
    ] {
        let links: Vec<_> =
            (0..length).map(|i| cname(&format!("n{i}.example"), &format!("n{}.example", i + 1))).collect();
        let mut chain = Chain::new(name("n0.example"));
        let mut last = Verdict::Ask;
        for part in links.chunks(in_one) {
            assert_eq!(last, Verdict::Ask);
            let mut message = Message::new(0, MessageType::Response, OpCode::Query);
            message.answers = part.to_vec();
            if part.last() == links.last() {
                message.answers.push(txt(&format!("n{length}.example")));
            }
            last = judge(&message, RecordType::TXT, &mut chain);
        }
        assert_eq!((last, chain.targets().len()), (verdict, 10), "{length} aliases, {in_one} a message");
    }
}
