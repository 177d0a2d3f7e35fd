#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::sync::Arc;

use base64::Engine as _;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};

use super::*;
use crate::cert::{SANS_KEPT, sha256};

/// 2026-06-01, in the middle of what the test certificates are valid for.
const NOW: u64 = 1_780_272_000;
const HOST: &str = "mta-sts.example.com";
/// A self-signed certificate with an RSA key of 1024 bits, which our own library refuses to make.
const WEAK: &str = include_str!("weak.b64");

struct Authority {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn root(name: &str) -> Self {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn intermediate(&self, name: &str, years: (i32, i32)) -> Self {
        let (mut params, key) = (authority_params(name), KeyPair::generate().unwrap());
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn leaf(&self, params: &CertificateParams) -> Vec<u8> {
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
    }

    fn store(&self, name: &str) -> RootStore {
        let mut anchors = rustls::RootCertStore::empty();
        anchors.add(self.der.clone().into()).unwrap();
        RootStore::new(name, Arc::new(anchors))
    }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = leaf_params(&[], (2020, 2040));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn leaf_params(names: &[&str], years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, HOST);
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    params
}

fn judged(chain: &[&[u8]], roots: &[RootStore]) -> Verdict {
    let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.to_vec()).collect();
    judge(&chain, &HostName::parse(HOST).unwrap(), UNIX_EPOCH + Duration::from_secs(NOW), roots)
}

fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn each_fault_is_named_and_none_hides_another() {
    let (root, other) = (Authority::root("root"), Authority::root("other"));
    let middle = root.intermediate("middle", (2020, 2040));
    let foreign = other.intermediate("foreign", (2020, 2040));
    let stale = root.intermediate("stale", (2020, 2022));
    let stores = [root.store("first")];
    let (valid, past, future) = ((2025, 2027), (2020, 2021), (2030, 2031));
    let with_usage = |usage| {
        let mut params = leaf_params(&[HOST], valid);
        params.extended_key_usages = vec![usage];
        params
    };
    let self_signed = |names: &[&str], years, authority: bool| {
        let mut params = leaf_params(names, years);
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    };
    let mut address = leaf_params(&[], valid);
    address.subject_alt_names = vec![SanType::IpAddress([192, 0, 2, 1].into())];
    let good = middle.leaf(&leaf_params(&[HOST], valid));

    type Row<'a> = (&'a str, Vec<Vec<u8>>, &'a [&'a str]);
    let leaf_of =
        |authority: &Authority, params: &CertificateParams| vec![authority.leaf(params), authority.der.clone()];
    let rows: Vec<Row<'_>> = vec![
        ("good", vec![good.clone(), middle.der.clone()], &[]),
        ("good, the root sent too", vec![good.clone(), middle.der.clone(), root.der.clone()], &[]),
        ("good, wildcard", leaf_of(&middle, &leaf_params(&["*.example.com"], valid)), &[]),
        ("good, server usage", leaf_of(&middle, &with_usage(ExtendedKeyUsagePurpose::ServerAuth)), &[]),
        ("expired", leaf_of(&middle, &leaf_params(&[HOST], past)), &["cert.expired"]),
        ("not yet valid", leaf_of(&middle, &leaf_params(&[HOST], future)), &["cert.not_yet_valid"]),
        ("wrong name", leaf_of(&middle, &leaf_params(&["example.com"], valid)), &["cert.name"]),
        ("deep wildcard", leaf_of(&middle, &leaf_params(&["*.com"], valid)), &["cert.name"]),
        ("address only", leaf_of(&middle, &address), &["cert.name"]),
        ("no san, right common name", leaf_of(&middle, &leaf_params(&[], valid)), &["cert.no_san"]),
        (
            "expired and wrong name",
            leaf_of(&middle, &leaf_params(&["a.example"], past)),
            &["cert.expired", "cert.name"],
        ),
        ("unknown authority", leaf_of(&foreign, &leaf_params(&[HOST], valid)), &["cert.unknown_issuer"]),
        (
            "expired, of an unknown authority",
            leaf_of(&foreign, &leaf_params(&[HOST], past)),
            &["cert.expired", "cert.unknown_issuer"],
        ),
        ("missing intermediate", vec![good.clone()], &["cert.missing_intermediate"]),
        ("the leaf twice", vec![good.clone(), good.clone()], &["cert.missing_intermediate"]),
        ("self-signed", vec![self_signed(&[HOST], valid, false)], &["cert.self_signed"]),
        ("self-signed authority", vec![self_signed(&[HOST], valid, true)], &["cert.self_signed"]),
        (
            "self-signed, expired, wrong name",
            vec![self_signed(&["a.example"], past, false)],
            &["cert.expired", "cert.name", "cert.self_signed"],
        ),
        ("for clients", leaf_of(&middle, &with_usage(ExtendedKeyUsagePurpose::ClientAuth)), &["cert.usage"]),
        (
            "for clients, of an unknown authority",
            leaf_of(&foreign, &with_usage(ExtendedKeyUsagePurpose::ClientAuth)),
            &["cert.unknown_issuer", "cert.usage"],
        ),
        ("stale intermediate", leaf_of(&stale, &leaf_params(&[HOST], (2021, 2027))), &["cert.expired"]),
        ("an authority as a server", vec![middle.der.clone()], &["cert.no_san", "cert.invalid"]),
        ("junk", vec![b"junk".to_vec()], &["cert.parse"]),
        ("nothing", vec![], &["cert.parse"]),
    ];
    for (what, chain, expected) in rows {
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let verdict = judged(&chain, &stores);
        assert_eq!(codes(&verdict), expected, "{what}");
        assert_eq!(verdict.authenticated, expected.is_empty(), "{what}");
        let says = |code| expected.contains(&code);
        assert_eq!(verdict.self_signed, says("cert.self_signed"), "{what}");
        if !says("cert.parse") {
            assert_eq!(verdict.name_ok, !says("cert.name") && !says("cert.no_san"), "{what}");
            assert_eq!(verdict.in_time, !says("cert.expired") && !says("cert.not_yet_valid"), "{what}");
            let distrusted =
                ["cert.unknown_issuer", "cert.missing_intermediate", "cert.self_signed", "cert.invalid"].map(says);
            assert_eq!(verdict.trusted_by.is_empty(), distrusted.contains(&true), "{what}");
        }
    }
}

#[test]
fn the_first_store_decides_and_the_others_are_recorded() {
    let (commercial, community) = (Authority::root("commercial"), Authority::root("community"));
    let stores = [commercial.store("first"), community.store("second")];
    let rows: [(&Authority, &[&str], &[&str], bool); 2] = [
        (&commercial, &["cert.store_dependent"], &["first"], true),
        (&community, &["cert.unknown_issuer", "cert.store_dependent"], &["second"], false),
    ];
    for (authority, expected, trusted_by, authenticated) in rows {
        let leaf = authority.leaf(&leaf_params(&[HOST], (2025, 2027)));
        let verdict = judged(&[&leaf, &authority.der], &stores);
        assert_eq!(codes(&verdict), expected);
        assert_eq!(verdict.trusted_by, trusted_by);
        assert_eq!(verdict.authenticated, authenticated);
    }
}

#[test]
fn trust_is_judged_inside_the_validity() {
    let root = Authority::root("root");
    let middle = root.intermediate("middle", (2020, 2022));
    let leaf = middle.leaf(&leaf_params(&[HOST], (2020, 2021)));
    let verdict = judged(&[&leaf, &middle.der], &[root.store("first")]);
    assert_eq!(codes(&verdict), ["cert.expired"]);
    assert_eq!(verdict.trusted_by, ["first"]);
    let detail = &verdict.findings[0].detail;
    assert_eq!(detail.get("not_after").unwrap(), "2021-01-01T00:00:00Z");
    assert_eq!(detail.get("not_before").unwrap(), "2020-01-01T00:00:00Z");
}

#[test]
fn a_forged_signature_is_seen() {
    let root = Authority::root("root");
    let mut leaf = root.leaf(&leaf_params(&[HOST], (2025, 2027)));
    let last = leaf.len() - 1;
    leaf[last] ^= 1;
    let verdict = judged(&[&leaf], &[root.store("first")]);
    assert_eq!(codes(&verdict), ["cert.signature"]);
    assert!(!verdict.authenticated);
}

#[test]
fn a_weak_key_is_seen() {
    let der = base64::engine::general_purpose::STANDARD.decode(WEAK.trim()).unwrap();
    let read = facts(&der).unwrap();
    assert_eq!((read.key_type.as_str(), read.key_bits), ("rsa", Some(1024)));
    assert!(codes(&judged(&[&der], &[])).contains(&"cert.weak"));
}

#[test]
fn the_facts_are_those_of_the_certificate() {
    let root = Authority::root("root");
    let der = root.leaf(&leaf_params(&[HOST, "other.example"], (2025, 2027)));
    let read = facts(&der).unwrap();
    assert_eq!(read.sha256, sha256(&der));
    assert_eq!((read.subject.as_str(), read.issuer.as_str()), ("CN=mta-sts.example.com", "CN=root"));
    assert_eq!(read.sans, [HOST, "other.example"]);
    assert_eq!((read.not_before, read.not_after), (1_735_689_600, 1_798_761_600));
    assert_eq!((read.key_type.as_str(), read.key_bits), ("p256", Some(256)));
    assert!(!read.self_signed && !read.is_ca);
    let read = facts(&root.der).unwrap();
    assert!(read.self_signed && read.is_ca);
    assert_eq!(facts(b"junk"), None);
}

#[test]
fn many_names_are_bounded_and_still_match() {
    let root = Authority::root("root");
    let mut names: Vec<String> = (0..2499).map(|n| format!("host-{n}.example.net")).collect();
    let of =
        |names: &[String]| root.leaf(&leaf_params(&names.iter().map(String::as_str).collect::<Vec<_>>(), (2025, 2027)));
    let wrong = of(&names);
    names.push(HOST.to_owned());
    let right = of(&names);
    let stores = [root.store("first")];
    assert!(judged(&[&right], &stores).authenticated);
    assert_eq!(facts(&right).unwrap().sans.len(), SANS_KEPT);
    let verdict = judged(&[&wrong], &stores);
    assert_eq!(codes(&verdict), ["cert.name"]);
    let detail = &verdict.findings[0].detail;
    assert_eq!(detail.get("presented").unwrap().as_array().unwrap().len(), PRESENTED_SHOWN);
    assert_eq!(detail.get("presented_count").unwrap(), 2499);
}

#[test]
fn a_costly_chain_ends_soon() {
    // Many authorities of one name, none of them the right one: every one is tried for every other.
    let root = Authority::root("root");
    let mut chain = vec![Authority::root("loop").leaf(&leaf_params(&[HOST], (2025, 2027)))];
    for _ in 0..100 {
        chain.push(Authority::root("loop").intermediate("loop", (2020, 2040)).der);
    }
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let started = std::time::Instant::now();
    let verdict = judged(&chain, &[root.store("first")]);
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
    assert_eq!(codes(&verdict), ["cert.path_limit"]);
    assert!(!verdict.authenticated);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_damaged_certificate_never_panics(at in 0_usize..400, byte: u8, cut in 0_usize..600) {
        let mut der = base64::engine::general_purpose::STANDARD.decode(WEAK.trim()).unwrap();
        let at = at % der.len();
        der[at] = byte;
        der.truncate(cut.max(1));
        let verdict = judged(&[&der], &[]);
        prop_assert!(!verdict.authenticated);
    }
}
