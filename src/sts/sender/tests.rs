//! Tables and properties of the outcome.
use super::*;
use crate::sts::policy;

fn policy(mode: &str) -> Policy {
    let text = format!("version: STSv1\nmode: {mode}\nmx: *.mail.example\nmx: mx.example\nmax_age: 604800\n");
    policy::read(text.as_bytes()).value.expect("the table's policy is lawful")
}

/// Hosts that nobody spoke to, by whether each is covered.
fn silent(covered: &[bool]) -> Vec<MailHost> {
    covered.iter().map(|covered| MailHost::not_asked(*covered, finding::sts::DELIVERY_NOT_ASKED)).collect()
}

/// A host with one address.
fn spoken(covered: bool, dane: Dane, session: Session) -> MailHost {
    MailHost { covered, reach: Sight::Passed, dane, sessions: vec![session] }
}

const GOOD: Session = Session { tls: Sight::Passed, pkix: Sight::Passed, dane: Sight::Passed };
const EXPIRED: Sight = Sight::Broken(finding::cert::EXPIRED);
const PLAIN: Sight = Sight::Broken(finding::smtp::NO_STARTTLS);
const MISMATCH: Sight = Sight::Broken(finding::dane::MISMATCH);
const SILENT: Sight = Sight::Unseen(finding::smtp::BANNER_TIMEOUT);
const UNASKED: Sight = Sight::NotAsked(finding::sts::PORT_BLOCKED);

#[test]
fn a_host_is_worth_what_its_best_address_is_and_dane_takes_precedence() {
    let session = |tls, pkix, dane| Session { tls, pkix, dane };
    let applies = Dane::Applies;
    let bogus = Sight::Broken(finding::dane::BOGUS_HOST);
    let table: &[(Dane, &[Session], Sight)] = &[
        (Dane::None, &[GOOD], Sight::Passed),
        (Dane::None, &[session(PLAIN, UNASKED, UNASKED)], PLAIN),
        (Dane::None, &[session(Sight::Passed, EXPIRED, UNASKED)], EXPIRED),
        (Dane::None, &[session(PLAIN, UNASKED, UNASKED), GOOD], Sight::Passed),
        (Dane::None, &[session(PLAIN, UNASKED, UNASKED), session(SILENT, UNASKED, UNASKED)], SILENT),
        (Dane::None, &[session(SILENT, UNASKED, UNASKED), GOOD], Sight::Passed),
        (applies, &[session(Sight::Passed, EXPIRED, Sight::Passed)], Sight::Passed),
        (applies, &[session(Sight::Passed, Sight::Passed, MISMATCH)], MISMATCH),
        (applies, &[session(PLAIN, UNASKED, UNASKED)], PLAIN),
        (applies, &[session(Sight::Passed, Sight::Passed, MISMATCH), GOOD], Sight::Passed),
        (Dane::Insecure, &[session(Sight::Passed, Sight::Passed, MISMATCH)], Sight::Passed),
        (Dane::Unusable, &[session(Sight::Passed, Sight::Passed, MISMATCH)], Sight::Passed),
        (Dane::Unusable, &[session(Sight::Passed, EXPIRED, MISMATCH)], EXPIRED),
        (Dane::Bogus, &[GOOD], bogus),
        (Dane::Unseen(finding::dns::TIMEOUT), &[GOOD], Sight::Unseen(finding::dns::TIMEOUT)),
        // Whether the records are secure is not said: what passes without them passes, what fails might pass by them.
        (Dane::Untold, &[GOOD], Sight::Passed),
        (Dane::Untold, &[session(Sight::Passed, EXPIRED, UNASKED)], Sight::NotAsked(finding::sts::DANE_UNTOLD)),
        (Dane::Untold, &[session(PLAIN, UNASKED, UNASKED)], PLAIN),
        (Dane::NotAsked, &[], Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED)),
    ];
    for (number, (dane, sessions, worth)) in table.iter().enumerate() {
        let host = MailHost { covered: true, reach: Sight::Passed, dane: *dane, sessions: sessions.to_vec() };
        assert_eq!(host.sight(), *worth, "row {number}");
        let unreachable = MailHost { reach: Sight::Broken(finding::mx::NO_ADDRESS), ..host };
        assert_eq!(unreachable.sight(), Sight::Broken(finding::mx::NO_ADDRESS), "row {number}");
    }
}

/// Every pair of hosts out of every kind there is, under either mode: what must never happen does not.
#[test]
fn no_pair_of_hosts_breaks_the_promises() {
    let sights = [Sight::Passed, EXPIRED, SILENT, UNASKED];
    let danes =
        [Dane::None, Dane::Applies, Dane::Bogus, Dane::Unseen(finding::dns::TIMEOUT), Dane::Insecure, Dane::Untold];
    let mut kinds = Vec::new();
    for covered in [true, false] {
        for dane in danes {
            for tls in sights {
                for pkix in sights {
                    for fits in [Sight::Passed, MISMATCH] {
                        kinds.push(spoken(covered, dane, Session { tls, pkix, dane: fits }));
                    }
                }
            }
        }
    }
    let (enforce, testing) = (policy("enforce"), policy("testing"));
    for one in &kinds {
        for other in &kinds {
            let pair = [one.clone(), other.clone()];
            let covered = || pair.iter().filter(|host| host.covered);
            // Said once more, in other words than the rule's.
            let usable = |host: &&MailHost| {
                let session = host.sessions[0];
                session.tls == Sight::Passed
                    && match host.dane {
                        Dane::Applies => session.dane == Sight::Passed,
                        Dane::Bogus | Dane::Unseen(_) => false,
                        _ => session.pkix == Sight::Passed,
                    }
            };
            let unseen = |host: &MailHost| host.sight().unknown().is_some();
            let decision = decide(RecordView::Usable, PolicyView::Usable(&enforce), MxView::Hosts(&pair));
            match decision.outcome {
                Outcome::EnforceDeliverable => assert!(covered().any(|host| usable(&host)), "{pair:?}"),
                Outcome::EnforceRefused => {
                    assert!(!covered().any(unseen), "what was not seen counts against nobody: {pair:?}");
                    assert!(!covered().any(|host| usable(&host)), "{pair:?}");
                    assert!(decision.code.is_some_and(|code| code.severity().is_some()), "{pair:?}");
                }
                Outcome::Unknown => assert!(covered().any(unseen) && !covered().any(|h| usable(&h)), "{pair:?}"),
                other => panic!("{other:?} under enforce"),
            }
            let at = std::time::UNIX_EPOCH;
            let delivery = deliver(decision, Some(&enforce), &pair, at, false);
            assert_eq!(delivery.usable + delivery.refused + delivery.unseen, pair.len());
            assert_eq!(delivery.usable > 0, decision.outcome == Outcome::EnforceDeliverable);
            assert_eq!(delivery.refused_until.is_some(), decision.outcome == Outcome::EnforceRefused);

            let decision = decide(RecordView::Usable, PolicyView::Usable(&testing), MxView::Hosts(&pair));
            match decision.outcome {
                Outcome::Testing => assert!(pair.iter().all(|h| h.covered && h.sight().broken().is_none()), "{pair:?}"),
                Outcome::TestingFailing => {
                    let seen_to_fail =
                        |host: &MailHost| host.sessions.iter().any(|s| host.sight_at(s).broken().is_some());
                    assert!(decision.code.is_some());
                    assert!(pair.iter().any(|host| !host.covered || seen_to_fail(host)), "{pair:?}");
                }
                other => panic!("{other:?} under testing"),
            }
        }
    }
}

#[test]
fn a_sender_refuses_as_long_as_it_remembers() {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
    let refused = spoken(true, Dane::None, Session { tls: PLAIN, pkix: UNASKED, dane: UNASKED });
    let good = spoken(true, Dane::None, GOOD);
    let other = spoken(false, Dane::None, GOOD);
    let uncovered = other.clone();
    let absent = Sight::Broken(finding::tcp::REFUSED);
    let gone = spoken(true, Dane::None, Session { tls: absent, pkix: UNASKED, dane: UNASKED });
    /// Mode, hosts, whether anything would be reported; what a sender does, and until which second it refuses.
    type Case = (&'static str, Vec<MailHost>, bool, Option<Verdict>, Option<u64>);
    let table: &[Case] = &[
        ("enforce", vec![good.clone()], false, Some(Verdict::Deliver), None),
        ("enforce", vec![good.clone(), other.clone()], true, Some(Verdict::Report), None),
        ("enforce", vec![refused.clone()], true, Some(Verdict::Refuse), Some(1_000 + 604_800)),
        ("enforce", vec![other], true, Some(Verdict::Refuse), Some(1_000 + 604_800)),
        ("enforce", silent(&[true]), false, Some(Verdict::Unknown), None),
        ("testing", vec![good.clone()], false, Some(Verdict::Deliver), None),
        ("testing", vec![refused.clone()], true, Some(Verdict::Report), None),
        ("testing", silent(&[true]), false, Some(Verdict::Unknown), None),
        // What is simply not there is refused by nobody; what the policy rules out beside it is.
        ("enforce", vec![gone.clone()], false, None, None),
        ("enforce", vec![gone.clone(), refused.clone()], true, Some(Verdict::Refuse), Some(1_000 + 604_800)),
        ("enforce", vec![gone.clone(), uncovered], true, Some(Verdict::Refuse), Some(1_000 + 604_800)),
        ("testing", vec![gone], false, None, None),
        ("none", vec![refused], true, None, None),
    ];
    for (number, (mode, hosts, reported, verdict, until)) in table.iter().enumerate() {
        let policy = policy(mode);
        let decision = decide(RecordView::Usable, PolicyView::Usable(&policy), MxView::Hosts(hosts));
        let binding = (policy.mode != Mode::None).then_some(&policy);
        let delivery = deliver(decision, binding, hosts, at, *reported);
        assert_eq!(delivery.verdict, *verdict, "row {number}");
        let seconds =
            delivery.refused_until.map(|until| until.duration_since(std::time::UNIX_EPOCH).expect("later").as_secs());
        assert_eq!(seconds, *until, "row {number}");
    }
}

#[test]
fn the_outcome_is_total() {
    use Outcome as O;
    let (enforce, testing, none) = (policy("enforce"), policy("testing"), policy("none"));
    let usable = PolicyView::Usable;
    let timeout = finding::dns::TIMEOUT;
    let table: &[(RecordView, PolicyView<'_>, MxView<'_>, O, Option<&str>)] = &[
        (
            RecordView::Absent(finding::record::NONE),
            PolicyView::NotAsked,
            MxView::NotAsked,
            O::NotAnnounced,
            Some("record.none"),
        ),
        (
            RecordView::Failed(timeout),
            usable(&enforce),
            MxView::Hosts(&silent(&[true])),
            O::Unknown,
            Some("dns.timeout"),
        ),
        (
            RecordView::Unusable(finding::record::ID_SYNTAX),
            usable(&enforce),
            MxView::Hosts(&silent(&[true])),
            O::Unusable,
            Some("record.id_syntax"),
        ),
        (RecordView::Usable, PolicyView::NotAsked, MxView::NotAsked, O::Unknown, Some("survey.not_asked")),
        (RecordView::Usable, PolicyView::Failed(timeout), MxView::NotAsked, O::Unknown, Some("dns.timeout")),
        (
            RecordView::Usable,
            PolicyView::Unusable(finding::http::STATUS),
            MxView::NotAsked,
            O::Unusable,
            Some("http.status"),
        ),
        (RecordView::Usable, usable(&none), MxView::Hosts(&silent(&[false])), O::None, None),
        (RecordView::Usable, usable(&none), MxView::Failed(timeout), O::None, None),
        (RecordView::Usable, usable(&testing), MxView::Hosts(&silent(&[true])), O::Testing, Some("delivery.not_asked")),
        (
            RecordView::Usable,
            usable(&testing),
            MxView::Hosts(&silent(&[true, false])),
            O::TestingFailing,
            Some("mx.uncovered"),
        ),
        (
            RecordView::Usable,
            usable(&testing),
            MxView::Hosts(&silent(&[false])),
            O::TestingFailing,
            Some("mx.none_covered"),
        ),
        (RecordView::Usable, usable(&testing), MxView::Failed(timeout), O::Testing, Some("dns.timeout")),
        (RecordView::Usable, usable(&testing), MxView::NoMail(finding::mx::NULL), O::Testing, Some("mx.null")),
        (RecordView::Usable, usable(&enforce), MxView::Hosts(&silent(&[true])), O::Unknown, Some("delivery.not_asked")),
        (
            RecordView::Usable,
            usable(&enforce),
            MxView::Hosts(&silent(&[false, true])),
            O::Unknown,
            Some("delivery.not_asked"),
        ),
        (
            RecordView::Usable,
            usable(&enforce),
            MxView::Hosts(&silent(&[false, false])),
            O::EnforceRefused,
            Some("mx.none_covered"),
        ),
        (RecordView::Usable, usable(&enforce), MxView::Failed(timeout), O::Unknown, Some("dns.timeout")),
        (RecordView::Usable, usable(&enforce), MxView::NoMail(finding::mx::NULL), O::EnforceRefused, Some("mx.null")),
        (RecordView::Usable, usable(&enforce), MxView::NotAsked, O::Unknown, Some("delivery.not_asked")),
    ];
    for (number, (record, policy, mx, outcome, code)) in table.iter().enumerate() {
        let decision = decide(*record, *policy, *mx);
        assert_eq!((decision.outcome, decision.code.map(Code::as_str)), (*outcome, *code), "row {number}");
    }
}

#[test]
fn uncovered_hosts_are_named_one_by_one() {
    let names = ["a.mail.example", "mx.example", "a.b.mail.example", "mail.example"]
        .map(|host| HostName::parse(host).expect("the table's names are lawful"));
    let hosts = names.each_ref().map(|name| (name.as_str(), Some(name)));
    let (covered, findings) = coverage(&policy("enforce"), &hosts);
    assert_eq!(covered, [true, true, false, false]);
    let named: Vec<_> = findings.iter().map(|f| (f.code.as_str(), f.subject.as_str())).collect();
    assert_eq!(named, [("mx.uncovered", "a.b.mail.example"), ("mx.uncovered", "mail.example")]);
    let (_, findings) = coverage(&policy("testing"), &hosts[2..]);
    assert_eq!(findings.last().map(|f| f.code.as_str()), Some("mx.none_covered"));
    assert!(coverage(&policy("none"), &hosts).1.is_empty());
}

/// Hosts, whether each is covered, and the findings: code and subject.
type Row<'a> = (&'a [(&'a str, Option<&'a HostName>)], &'a [bool], &'a [&'a str]);

#[test]
fn what_decides_on_coverage_is_always_found() {
    let names = ["mx.example", "mail.example"].map(|host| HostName::parse(host).expect("lawful"));
    let [good, other] = names.each_ref().map(|name| (name.as_str(), Some(name)));
    let no_name = ("mail server.mail.example", None);
    let table: &[Row<'_>] = &[
        (&[], &[], &[]),
        (&[good], &[true], &[]),
        (&[good, no_name], &[true, false], &["mx.uncovered mail server.mail.example"]),
        (&[no_name], &[false], &["mx.uncovered mail server.mail.example", "mx.none_covered "]),
        (
            &[no_name, other],
            &[false, false],
            &["mx.uncovered mail server.mail.example", "mx.uncovered mail.example", "mx.none_covered "],
        ),
        (
            &[no_name, good, other],
            &[false, true, false],
            &["mx.uncovered mail server.mail.example", "mx.uncovered mail.example"],
        ),
    ];
    for mode in ["enforce", "testing"] {
        let policy = policy(mode);
        for (hosts, expected, found) in table {
            let (covered, findings) = coverage(&policy, hosts);
            let named: Vec<_> = findings.iter().map(|f| format!("{} {}", f.code, f.subject)).collect();
            assert_eq!(covered, *expected, "{hosts:?}");
            assert_eq!(named, *found, "{hosts:?}");
            let code = decide(RecordView::Usable, PolicyView::Usable(&policy), MxView::Hosts(&silent(&covered))).code;
            if let Some(code) = code.filter(|code| code.as_str().starts_with("mx.")) {
                assert!(findings.iter().any(|finding| finding.code == code), "{code} under {mode}");
            }
        }
    }
}
