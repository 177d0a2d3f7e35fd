//! Plain rows: equal to those of the ordinary way, in every column, whatever the target.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::name::HostName;
use crate::net::dns::{Answer, Lookup, Via};
use crate::probe::record;
use crate::survey::Survey;

/// Every place that a name can have in the public suffix list, and every way to write it.
const NAMES: &[&str] = &[
    "example.com",
    "a.b.example.co.uk",
    "co.uk",
    "com",
    "no-such-suffix.nowhere",
    "nowhere",
    "user.github.io",
    "github.io",
    "www.city.kawasaki.jp",
    "other.kawasaki.jp",
    "kawasaki.jp",
    "xn--bcher-kva.example",
    "b\u{fc}cher.xn--p1ai",
    "xn--a.example",
    "a.xn--.b",
    "axn--b.example",
    "a-b.example",
    "_under.score_.example",
];

fn name() -> impl Strategy<Value = Domain> {
    let host = |text: &str| HostName::parse(text).ok().map(Domain::from_host);
    let known = proptest::sample::select(NAMES).prop_filter_map("no host name", host);
    let random = "[a-z0-9]{1,20}(\\.(xn--)?[a-z0-9]{1,9}){0,4}\\.(com|co\\.uk|github\\.io|zz)";
    let random = random.prop_filter_map("no host name", move |text| host(&text));
    prop_oneof![known, random]
}

fn plain() -> impl Strategy<Value = Plain<Target>> {
    let target = (0..1_000_000_i64, name(), any::<Option<u32>>(), 1..1_000_000_i64, any::<Option<String>>(), 0..3_i64);
    let absent = prop_oneof![Just(Absent::NoData), Just(Absent::NxDomain)];
    let security =
        proptest::sample::select([Security::Secure, Security::Insecure, Security::Bogus, Security::Unknown].as_slice());
    // Clocks are set wrong: a time before 1970 is none.
    let observed = prop_oneof![
        9 => (0..4_000_000_000_000_000_u64).prop_map(|micros| UNIX_EPOCH + Duration::from_micros(micros)),
        1 => Just(UNIX_EPOCH - Duration::from_secs(1)),
    ];
    (target, absent, security, observed, 0..60_000_000_u64, 1..=3_u8, 1..=2_u8).prop_map(
        |((seq, domain, rank, line, original, duplicates), absent, security, observed_at, micros, sent, attempts)| {
            let (rank, elapsed) = (rank.map(i64::from), Duration::from_micros(micros));
            let subject = Target { seq, domain, rank, line, original, mapped: false, duplicates };
            Plain { subject, absent, security, observed_at, elapsed, sent, attempts }
        },
    )
}

/// The row of a plain subject by the ordinary way: the survey as the resolver's answer makes it, judged.
fn ordinary(plain: &Plain<Target>) -> Domains {
    let lookup = match plain.absent {
        Absent::NxDomain => Lookup::NxDomain,
        Absent::NoData => Lookup::NoData,
    };
    let answer = Answer {
        lookup,
        aliases: Vec::new(),
        security: plain.security,
        ede: Vec::new(),
        via: Via::Udp,
        sent: plain.sent,
        elapsed: plain.elapsed,
        case_changed: false,
        trailing: false,
    };
    let survey = Survey {
        observed_at: plain.observed_at,
        elapsed: plain.elapsed,
        attempts: plain.attempts,
        fresh: false,
        record: record::Seen::of(Some(answer)),
        policy: None,
        mx: None,
        hosts: None,
        tlsrpt: None,
        panicked: false,
    };
    Domains::new(plain.subject.clone(), survey)
}

/// The batches of the ordinary way, a kind each in the order in which the kinds first come.
fn ordinary_batches(tables: &Tables, plain: &[Plain<Target>]) -> Vec<RecordBatch> {
    let kind = |plain: &Plain<Target>| (plain.absent, plain.security, plain.attempts);
    let mut kinds: Vec<_> = Vec::new();
    for plain in plain {
        if !kinds.contains(&kind(plain)) {
            kinds.push(kind(plain));
        }
    }
    let rows = |wanted| plain.iter().filter(|plain| kind(plain) == wanted).map(ordinary).collect::<Vec<_>>();
    kinds.into_iter().map(|wanted| tables.domains.batch("s1", &rows(wanted)).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_column_of_every_row_is_that_of_the_ordinary_way(batches in vec(vec(plain(), 1..40), 1..4)) {
        let tables = Arc::new(Tables::new());
        let mut rows = PlainRows::new("s1".to_owned(), Arc::clone(&tables));
        let (mut counted, mut expected) = (Summary::default(), Summary::default());
        // Several batches of one maker: what it keeps from one serves the next, be that shorter or longer.
        for plain in batches {
            plain.iter().for_each(|plain| expected.count(&ordinary(plain)));
            let made = rows.batches(plain.clone(), &mut counted).unwrap();
            let by_rows = ordinary_batches(&tables, &plain);
            prop_assert_eq!(made.len(), by_rows.len());
            for (made, by_rows) in made.iter().zip(&by_rows) {
                for (at, field) in by_rows.schema().fields().iter().enumerate() {
                    prop_assert_eq!(made.column(at), by_rows.column(at), "{}", field.name());
                    prop_assert_eq!(made.column(at).null_count(), by_rows.column(at).null_count(), "{}", field.name());
                }
                prop_assert_eq!(made, by_rows);
            }
        }
        prop_assert_eq!(counted, expected);
    }
}

fn one(domain: &str) -> Plain<Target> {
    let domain = Domain::from_host(HostName::parse(domain).unwrap());
    Plain {
        subject: Target { seq: 1, domain, rank: None, line: 2, original: None, mapped: false, duplicates: 0 },
        absent: Absent::NxDomain,
        security: Security::Unknown,
        observed_at: UNIX_EPOCH,
        elapsed: Duration::ZERO,
        sent: 1,
        attempts: 1,
    }
}

#[test]
fn the_columns_that_are_made_in_bulk_are_those_that_differ_between_rows_of_a_kind() {
    let other = Plain {
        subject: Target {
            seq: 7,
            rank: Some(3),
            line: 9,
            original: Some("B\u{fc}cher.co.uk".to_owned()),
            duplicates: 4,
            ..one("xn--bcher-kva.co.uk").subject
        },
        observed_at: SystemTime::now(),
        elapsed: Duration::from_secs(2),
        sent: 3,
        ..one("a.example")
    };
    let batch = Tables::new().domains.batch("s1", &[ordinary(&one("a.example")), ordinary(&other)]).unwrap();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let differ: Vec<&str> = columns
        .filter(|(_, column)| column.slice(0, 1) != column.slice(1, 1))
        .map(|(field, _)| field.name().as_str())
        .collect();
    assert_eq!(differ, Varying::default().finish().map(|(name, _)| name));
}

#[test]
fn what_is_kept_of_a_kind_grows_with_the_batches() {
    let tables = Arc::new(Tables::new());
    let mut rows = PlainRows::new("s1".to_owned(), Arc::clone(&tables));
    for count in [1, ROUND + 1, 2, 2 * ROUND] {
        let plain = vec![one("a.example"); count];
        let made = rows.batches(plain.clone(), &mut Summary::default()).unwrap();
        assert_eq!(made, ordinary_batches(&tables, &plain), "{count} rows");
    }
}

#[test]
fn a_mapped_domain_has_a_finding_and_is_none_of_these() {
    let mut plain = one("a.example");
    plain.subject.mapped = true;
    let mut rows = PlainRows::new("s1".to_owned(), Arc::new(Tables::new()));
    let made = rows.batches([one("b.example"), plain], &mut Summary::default());
    assert!(matches!(made, Err(Error::Internal(_))));
}
