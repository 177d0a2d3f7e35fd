#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PublicKeyData as _,
    date_time_ymd,
};
use sha2::{Digest, Sha256, Sha512};

use super::*;

/// 2026-06-01, in the middle of what the test certificates are valid for.
const NOW: u64 = 1_780_272_000;
const HOST: &str = "mx.example.com";
const VALID: (i32, i32) = (2025, 2027);
const PAST: (i32, i32) = (2020, 2021);
const FUTURE: (i32, i32) = (2030, 2031);
const LONG: (i32, i32) = (2020, 2040);

struct Authority {
    der: Vec<u8>,
    spki: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn root(name: &str, years: (i32, i32)) -> Self {
        let (params, key) = (params(name, &[], years, true), KeyPair::generate().unwrap());
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { der, spki: key.subject_public_key_info(), issuer: Issuer::new(params, key) }
    }

    fn intermediate(&self, name: &str, years: (i32, i32)) -> Self {
        let (params, key) = (params(name, &[], years, true), KeyPair::generate().unwrap());
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Self { der, spki: key.subject_public_key_info(), issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, names: &[&str], years: (i32, i32)) -> Leaf {
        self.leaf_of(&params("leaf", names, years, false))
    }

    fn leaf_of(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Leaf { der, spki: key.subject_public_key_info() }
    }
}

#[derive(Clone)]
struct Leaf {
    der: Vec<u8>,
    spki: Vec<u8>,
}

fn self_signed(names: &[&str], years: (i32, i32)) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let der = params("leaf", names, years, false).self_signed(&key).unwrap().der().to_vec();
    Leaf { der, spki: key.subject_public_key_info() }
}

fn params(name: &str, names: &[&str], years: (i32, i32), authority: bool) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

fn record(usage: u8, selector: u8, matching: u8, data: impl Into<Vec<u8>>) -> Tlsa {
    let data = data.into();
    Tlsa { usage, selector, matching, length: data.len(), data }
}

/// The record of this kind for a certificate and its key.
fn of(usage: u8, selector: u8, matching: u8, der: &[u8], spki: &[u8]) -> Tlsa {
    let selected = if selector == 0 { der } else { spki };
    let data = match matching {
        0 => selected.to_vec(),
        1 => Sha256::digest(selected).to_vec(),
        _ => Sha512::digest(selected).to_vec(),
    };
    record(usage, selector, matching, data)
}

fn of_leaf(selector: u8, matching: u8, leaf: &Leaf) -> Tlsa {
    of(3, selector, matching, &leaf.der, &leaf.spki)
}

fn of_authority(selector: u8, matching: u8, authority: &Authority) -> Tlsa {
    of(2, selector, matching, &authority.der, &authority.spki)
}

fn judged(records: &[Tlsa], chain: &[&[u8]]) -> Match {
    let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
    let names = ["example.com", HOST].map(|name| HostName::parse(name).unwrap());
    verify(records, &chain, &names.each_ref(), UNIX_EPOCH + Duration::from_secs(NOW))
}

fn codes(found: &Match) -> Vec<&'static str> {
    found.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// Each kind of record, for the certificate that is sent and for another one.
#[test]
fn every_kind_of_record_is_told_right_from_wrong() {
    let (root, foreign) = (Authority::root("root", LONG), Authority::root("foreign", LONG));
    let middle = root.intermediate("middle", LONG);
    let (leaf, other) = (middle.leaf(&[HOST], VALID), middle.leaf(&[HOST], VALID));
    let chain: [&[u8]; 3] = [&leaf.der, &middle.der, &root.der];
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let kind = format!("{selector} {matching}");
            for (right, wrong) in [
                (of_leaf(selector, matching, &leaf), of_leaf(selector, matching, &other)),
                (of_authority(selector, matching, &middle), of_authority(selector, matching, &foreign)),
                (of_authority(selector, matching, &root), of_leaf(selector, matching, &other)),
            ] {
                let found = judged(std::slice::from_ref(&right), &chain);
                assert_eq!((found.usable, found.matched, codes(&found)), (true, Some(0), vec![]), "{kind}: {right}");
                let found = judged(std::slice::from_ref(&wrong), &chain);
                assert_eq!((found.usable, found.matched), (true, None), "{kind}: {wrong}");
                assert_eq!(codes(&found), ["dane.mismatch"], "{kind}: {wrong}");
            }
            // An authority says nothing of a leaf, nor a leaf of an authority.
            for record in [
                of(3, selector, matching, &middle.der, &middle.spki),
                of(3, selector, matching, &root.der, &root.spki),
                of(2, selector, matching, &leaf.der, &leaf.spki),
            ] {
                let found = judged(std::slice::from_ref(&record), &chain);
                assert_eq!((found.matched, codes(&found)), (None, vec!["dane.mismatch"]), "{record}");
            }
            // RFC 7672 3.1.3
            for usage in [0, 1] {
                let record = of(usage, selector, matching, &leaf.der, &leaf.spki);
                let found = judged(std::slice::from_ref(&record), &chain);
                assert_eq!((found.usable, found.matched), (false, None), "{record}");
                assert_eq!(codes(&found), ["dane.usage", "dane.unusable"], "{record}");
            }
        }
    }
}

/// RFC 7672 3.1.1: for DANE-EE, neither name nor dates nor issuer count.
#[test]
fn a_leaf_that_fits_needs_nothing_else() {
    let foreign = Authority::root("foreign", PAST);
    for (what, leaf) in [
        ("expired", self_signed(&[HOST], PAST)),
        ("not yet valid", self_signed(&[HOST], FUTURE)),
        ("another name", self_signed(&["other.example"], VALID)),
        ("no name", self_signed(&[], PAST)),
        ("of an authority that nobody knows", foreign.leaf(&["other.example"], PAST)),
    ] {
        let found = judged(&[of_leaf(1, 1, &leaf)], &[&leaf.der]);
        assert_eq!((found.matched, codes(&found)), (Some(0), vec![]), "{what}");
    }
    // A certificate for authorities only, and one that no reader of certificates reads.
    let authority = Authority::root("authority", VALID);
    assert_eq!(judged(&[of(3, 1, 1, &authority.der, &authority.spki)], &[&authority.der]).matched, Some(0));
    let junk = b"junk".to_vec();
    assert_eq!(judged(&[of(3, 0, 1, &junk, &[])], &[&junk]).matched, Some(0));
    assert_eq!(codes(&judged(&[of(3, 1, 1, &junk, &junk)], &[&junk])), ["dane.mismatch"]);
}

#[test]
fn a_chain_must_lead_to_the_authority_for_the_host_and_in_time() {
    let (root, foreign) = (Authority::root("root", LONG), Authority::root("foreign", LONG));
    // The name of the root, and another key.
    let namesake = Authority::root("root", LONG);
    let (middle, stale) = (root.intermediate("middle", LONG), root.intermediate("stale", PAST));
    let old_root = Authority::root("old", PAST);
    let under_old = old_root.leaf(&[HOST], VALID);
    let leaf = middle.leaf(&[HOST], VALID);
    let apex = middle.leaf(&["example.com"], VALID);
    let wild = middle.leaf(&["*.example.com"], VALID);
    let elsewhere = middle.leaf(&["mx.example.net", "*.mx.example.com"], VALID);
    // RFC 7672 3.2.3: the common name counts only where there is no DNS-ID.
    let common = |common: &str, names: &[&str]| {
        let mut params = params(HOST, names, VALID, false);
        params.distinguished_name.push(DnType::CommonName, common);
        middle.leaf_of(&params)
    };
    let (nameless, misnamed) = (common(HOST, &[]), common("mx.example.net", &[]));
    let (wildly, beside) = (common("*.example.com", &[]), common(HOST, &["mx.example.net"]));
    let expired = middle.leaf(&[HOST], PAST);
    let future = middle.leaf(&[HOST], FUTURE);
    let both = middle.leaf(&["other.example"], PAST);
    let under_stale = stale.leaf(&[HOST], (2020, 2027));
    let clients = {
        let mut params = params("leaf", &[HOST], VALID, false);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        middle.leaf_of(&params)
    };
    let lone = self_signed(&[HOST], VALID);

    type Row<'a> = (&'a str, Tlsa, Vec<&'a [u8]>, Option<&'a str>);
    let (of_root, of_middle) = (of_authority(1, 1, &root), of_authority(0, 1, &middle));
    let own = of(2, 1, 1, &lone.der, &lone.spki);
    let rows: Vec<Row<'_>> = vec![
        ("the root", of_root.clone(), vec![&leaf.der, &middle.der, &root.der], None),
        ("the root, out of order", of_root.clone(), vec![&leaf.der, &root.der, &foreign.der, &middle.der], None),
        ("the intermediate, without the root", of_middle.clone(), vec![&leaf.der, &middle.der], None),
        ("the other name", of_middle.clone(), vec![&apex.der, &middle.der], None),
        ("a wildcard", of_middle.clone(), vec![&wild.der, &middle.der], None),
        // RFC 7671 5.2.2: a digest needs the certificate in the message.
        ("the root not sent", of_root.clone(), vec![&leaf.der, &middle.der], Some("dane.mismatch")),
        ("the leaf alone", of_middle.clone(), vec![&leaf.der], Some("dane.mismatch")),
        ("the way to the root not sent", of_root.clone(), vec![&leaf.der, &root.der], Some("dane.mismatch")),
        (
            "sent, and issued nothing",
            of_authority(1, 1, &foreign),
            vec![&leaf.der, &foreign.der],
            Some("dane.mismatch"),
        ),
        (
            "another key of that name",
            of_authority(1, 1, &namesake),
            vec![&leaf.der, &middle.der, &namesake.der],
            Some("dane.mismatch"),
        ),
        // RFC 7671 5.2: whole data stands in for a certificate that was not sent.
        ("the whole root", of_authority(0, 0, &root), vec![&leaf.der, &middle.der], None),
        ("the whole intermediate", of_authority(0, 0, &middle), vec![&leaf.der], None),
        ("the whole key of the root", of_authority(1, 0, &root), vec![&leaf.der, &middle.der], None),
        ("the whole key of the intermediate", of_authority(1, 0, &middle), vec![&leaf.der], None),
        (
            "the whole key of another",
            of_authority(1, 0, &namesake),
            vec![&leaf.der, &middle.der],
            Some("dane.mismatch"),
        ),
        (
            "whole, and not the issuer",
            of_authority(0, 0, &foreign),
            vec![&leaf.der, &middle.der],
            Some("dane.mismatch"),
        ),
        ("its own issuer", own.clone(), vec![&lone.der], Some("dane.mismatch")),
        ("its own issuer, twice", own.clone(), vec![&lone.der, &lone.der], Some("dane.mismatch")),
        ("its own issuer, whole", of(2, 0, 0, &lone.der, &lone.spki), vec![&lone.der], Some("dane.mismatch")),
        ("for another host", of_middle.clone(), vec![&elsewhere.der, &middle.der], Some("dane.ta_name")),
        ("for a common name", of_middle.clone(), vec![&nameless.der, &middle.der], None),
        ("for another common name", of_middle.clone(), vec![&misnamed.der, &middle.der], Some("dane.ta_name")),
        ("for a wildcard in the common name", of_middle.clone(), vec![&wildly.der, &middle.der], None),
        ("for a common name beside a SAN", of_middle.clone(), vec![&beside.der, &middle.der], Some("dane.ta_name")),
        ("expired", of_middle.clone(), vec![&expired.der, &middle.der], Some("dane.ta_expired")),
        ("not yet valid", of_middle.clone(), vec![&future.der, &middle.der], Some("dane.ta_expired")),
        (
            "a stale intermediate",
            of_root.clone(),
            vec![&under_stale.der, &stale.der, &root.der],
            Some("dane.ta_expired"),
        ),
        (
            "a stale authority",
            of_authority(1, 1, &old_root),
            vec![&under_old.der, &old_root.der],
            Some("dane.ta_expired"),
        ),
        ("a stale authority, whole", of_authority(0, 0, &old_root), vec![&under_old.der], Some("dane.ta_expired")),
        // A key has no dates.
        ("the whole key of a stale authority", of_authority(1, 0, &old_root), vec![&under_old.der], None),
        ("for clients", of_middle.clone(), vec![&clients.der, &middle.der], Some("dane.mismatch")),
        ("no chain that can be read", of_middle.clone(), vec![b"junk", &middle.der], Some("dane.mismatch")),
    ];
    for (what, record, chain, expected) in rows {
        let found = judged(std::slice::from_ref(&record), &chain);
        let matched = expected.is_none().then_some(0);
        let expected: Vec<&str> = expected.into_iter().collect();
        assert_eq!((found.usable, found.matched, codes(&found)), (true, matched, expected), "{what}");
    }
    // Neither hides the other.
    assert_eq!(codes(&judged(&[of_middle], &[&both.der, &middle.der])), ["dane.ta_name", "dane.ta_expired"]);
}

#[test]
fn without_names_no_authority_will_do() {
    let root = Authority::root("root", LONG);
    let leaf = root.leaf(&[HOST], VALID);
    let chain = [leaf.der.clone(), root.der.clone()];
    let at = UNIX_EPOCH + Duration::from_secs(NOW);
    assert_eq!(codes(&verify(&[of_authority(1, 1, &root)], &chain, &[], at)), ["dane.ta_name"]);
    assert_eq!(verify(&[of_leaf(1, 1, &leaf)], &chain, &[], at).matched, Some(0));
}

#[test]
fn one_record_that_fits_is_enough() {
    let root = Authority::root("root", LONG);
    let middle = root.intermediate("middle", LONG);
    let (leaf, next, gone) = (middle.leaf(&[HOST], VALID), self_signed(&[HOST], VALID), self_signed(&[HOST], PAST));
    let elsewhere = middle.leaf(&["other.example"], VALID);
    let public = of(1, 1, 1, &leaf.der, &leaf.spki);
    let short = record(3, 1, 1, [7; 31]);
    let (now, then, before) = (of_leaf(1, 1, &leaf), of_leaf(1, 1, &next), of_leaf(1, 1, &gone));
    type Row<'a> = (&'a str, Vec<Tlsa>, &'a Leaf, Option<usize>, &'a [&'a str]);
    let rows: Vec<Row<'_>> = vec![
        ("rollover, new second", vec![now.clone(), then.clone()], &leaf, Some(0), &["dane.stale_record"]),
        ("rollover, new first", vec![then.clone(), now.clone()], &leaf, Some(1), &["dane.stale_record"]),
        (
            "two that are stale",
            vec![then.clone(), before.clone(), now.clone()],
            &leaf,
            Some(2),
            &["dane.stale_record", "dane.stale_record"],
        ),
        ("certificate and key", vec![of_leaf(0, 1, &leaf), now.clone()], &leaf, Some(0), &[]),
        ("leaf and authority", vec![of_authority(0, 1, &middle), now.clone()], &leaf, Some(0), &[]),
        (
            "authority, and a leaf that went",
            vec![before.clone(), of_authority(1, 1, &root)],
            &leaf,
            Some(1),
            &["dane.stale_record"],
        ),
        ("both authorities", vec![of_authority(1, 1, &root), of_authority(1, 1, &middle)], &leaf, Some(1), &[]),
        // What the leaf makes good is no fault of the authority's record.
        (
            "leaf, and authority for another host",
            vec![of_authority(1, 1, &middle), of_leaf(1, 1, &elsewhere)],
            &elsewhere,
            Some(1),
            &[],
        ),
        ("both wrong", vec![then.clone(), before.clone()], &leaf, None, &["dane.mismatch"]),
        ("usage 1 beside", vec![public.clone(), now.clone()], &leaf, Some(1), &["dane.usage"]),
        (
            "usage 1 beside a wrong one",
            vec![public.clone(), then.clone()],
            &leaf,
            None,
            &["dane.usage", "dane.mismatch"],
        ),
        (
            "usage 1 and a short one",
            vec![public.clone(), short.clone()],
            &leaf,
            None,
            &["dane.usage", "dane.malformed", "dane.unusable"],
        ),
        ("a short one beside", vec![short.clone(), now.clone()], &leaf, Some(1), &["dane.malformed"]),
        ("the same twice", vec![now.clone(), now.clone()], &leaf, Some(0), &[]),
    ];
    for (what, records, leaf, matched, expected) in rows {
        let found = judged(&records, &[&leaf.der, &middle.der, &root.der]);
        assert_eq!((found.matched, codes(&found)), (matched, expected.to_vec()), "{what}");
    }
    let found = judged(&[now, then.clone()], &[&leaf.der]);
    assert_eq!(found.findings[0].subject, then.to_string());
}

/// RFC 7671 9.
#[test]
fn only_the_strongest_digest_of_a_kind_counts() {
    let root = Authority::root("root", LONG);
    let (leaf, next) = (root.leaf(&[HOST], VALID), root.leaf(&[HOST], VALID));
    let (weak, strong) = (of_leaf(1, 1, &leaf), of_leaf(1, 2, &leaf));
    let (other_weak, other_strong) = (of_leaf(1, 1, &next), of_leaf(1, 2, &next));
    let short = record(3, 1, 2, [7; 63]);
    type Row<'a> = (&'a str, Vec<Tlsa>, Option<usize>, &'a [&'a str]);
    let rows: Vec<Row<'_>> = vec![
        ("both", vec![weak.clone(), strong.clone()], Some(1), &[]),
        ("the weak one alone fits", vec![weak.clone(), other_strong.clone()], None, &["dane.mismatch"]),
        ("the strong one alone fits", vec![other_weak, strong.clone()], Some(1), &["dane.stale_record"]),
        ("another selector", vec![of_leaf(0, 1, &leaf), other_strong.clone()], Some(0), &["dane.stale_record"]),
        ("another usage", vec![of_authority(1, 1, &root), other_strong.clone()], Some(0), &["dane.stale_record"]),
        ("whole data always counts", vec![of_leaf(1, 0, &leaf), other_strong], Some(0), &["dane.stale_record"]),
        ("whole data is no digest", vec![of_leaf(1, 0, &next), weak.clone()], Some(1), &["dane.stale_record"]),
        ("what is malformed outdoes nothing", vec![short, weak], Some(1), &["dane.malformed"]),
        (
            "the weak authority",
            vec![of_authority(1, 1, &root), of(2, 1, 2, &next.der, &next.spki)],
            None,
            &["dane.mismatch"],
        ),
    ];
    for (what, records, matched, expected) in rows {
        let found = judged(&records, &[&leaf.der, &root.der]);
        assert_eq!((found.matched, codes(&found)), (matched, expected.to_vec()), "{what}");
    }
}

#[test]
fn without_a_chain_the_records_alone_are_judged() {
    let leaf = self_signed(&[HOST], VALID);
    for (records, usable, expected) in [
        (vec![], false, vec![]),
        (vec![of_leaf(1, 1, &leaf)], true, vec![]),
        (vec![record(3, 1, 1, [0; 5])], false, vec!["dane.malformed", "dane.unusable"]),
        (vec![record(9, 1, 1, [0; 32]), of_leaf(1, 1, &leaf)], true, vec!["dane.malformed"]),
        // Both things that are wrong with one record.
        (vec![record(1, 1, 1, [0; 5])], false, vec!["dane.usage", "dane.malformed", "dane.unusable"]),
    ] {
        let found = judged(&records, &[]);
        assert_eq!((found.usable, found.matched, codes(&found)), (usable, None, expected), "{records:?}");
    }
}

#[test]
fn a_mismatch_explains_itself() {
    let root = Authority::root("root", LONG);
    let (leaf, next) = (root.leaf(&[HOST], VALID), root.leaf(&[HOST], VALID));
    let field =
        |records: &[Tlsa], name: &str| judged(records, &[&leaf.der, &root.der]).findings[0].detail.get(name).cloned();
    let wrong = of_leaf(1, 1, &next);
    let records = [wrong.clone()];
    assert_eq!(field(&records, "published"), Some(vec![wrong.to_string()].into()));
    assert_eq!(field(&records, "published_count"), Some(1.into()));
    assert_eq!(field(&records, "spki_sha256"), Some(text::hex(&Sha256::digest(&leaf.spki)).into()));
    assert_eq!(field(&records, "cert_sha256"), Some(text::hex(&Sha256::digest(&leaf.der)).into()));
    assert_eq!(field(&records, "certificates"), Some(2.into()));
    assert_eq!(field(&[of_leaf(1, 1, &leaf), of_leaf(1, 2, &next)], "only_weaker_digest_fits"), Some(true.into()));
    assert_eq!(field(&[of(2, 1, 1, &leaf.der, &leaf.spki)], "leaf_as_authority"), Some(true.into()));
    // What is published at length is shown to a bound.
    let many = vec![of(2, 0, 0, &next.der, &next.spki); 100];
    assert_eq!(field(&many, "published").unwrap().as_array().unwrap().len(), SHOWN_MAX);
    // The date that does not hold.
    let expired = root.leaf(&[HOST], PAST);
    let found = judged(&[of_authority(1, 1, &root)], &[&expired.der, &root.der]);
    assert_eq!(found.findings[0].detail.get("not_after").unwrap(), "2021-01-01T00:00:00Z");
}

#[test]
fn of_many_records_the_first_are_looked_at() {
    let leaf = self_signed(&[HOST], VALID);
    let records = |before: usize| {
        let mut records = vec![record(3, 1, 1, [7; 32]); before];
        records.push(of_leaf(1, 1, &leaf));
        records
    };
    assert_eq!(judged(&records(RECORDS_MAX - 1), &[&leaf.der]).matched, Some(RECORDS_MAX - 1));
    assert_eq!(codes(&judged(&records(RECORDS_MAX), &[&leaf.der])), ["dane.mismatch"]);
    assert!(judged(&vec![record(3, 1, 1, [7; 31]); 5000], &[&leaf.der]).findings.len() <= RECORDS_MAX + 1);
}

/// HOSTILE.md 87: many authorities of one name, all of them named by records, and none issued the leaf.
#[test]
fn a_costly_set_of_records_and_chain_ends_soon() {
    let leaf = Authority::root("loop", LONG).leaf(&[HOST], VALID);
    let authorities: Vec<Authority> =
        (0..CHAIN_MAX).map(|_| Authority::root("loop", LONG).intermediate("loop", LONG)).collect();
    let mut chain: Vec<&[u8]> = vec![&leaf.der];
    chain.extend(authorities.iter().map(|authority| &authority.der[..]));
    let sent: Vec<Tlsa> = authorities.iter().take(RECORDS_MAX).map(|authority| of_authority(1, 1, authority)).collect();
    let whole: Vec<Tlsa> = (0..RECORDS_MAX).map(|_| of_authority(1, 0, &Authority::root("loop", LONG))).collect();
    for records in [&sent[..], &sent[..1], &whole] {
        let started = std::time::Instant::now();
        let found = judged(records, &chain);
        assert!(started.elapsed() < Duration::from_secs(1), "took {:?}", started.elapsed());
        assert_eq!((found.matched, codes(&found)), (None, vec!["dane.mismatch"]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_record_and_no_chain_makes_us_panic(
        fields in any::<[u8; 3]>(),
        data in prop::collection::vec(any::<u8>(), 0..80),
        at in any::<prop::sample::Index>(),
        byte: u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut der = self_signed(&[HOST], VALID).der;
        let at = at.index(der.len());
        der[at] = byte;
        der.truncate(cut.index(der.len()) + 1);
        let fields = fields.map(|field| field % 5);
        let records = [record(fields[0], fields[1], fields[2], data), record(2, 0, 0, der.clone()), record(2, 1, 0, der.clone())];
        let found = judged(&records, &[&der, &der, &[]]);
        prop_assert!(found.matched.is_none() || found.usable);
    }
}
