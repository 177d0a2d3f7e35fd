//! The columns of the policy probe, under the prefix `policy_`.

use std::borrow::Cow;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::cert;
use crate::column::{self, Cell, Column};
use crate::finding::Stage;
use crate::net::dns::Lookup;
use crate::net::https::{Fetch, Times};
use crate::probe::policy::Judged;
use crate::probe::{detail_text, texts};
use crate::sts::policy::Policy;
use crate::sts::sender::PolicyView;
use crate::sts::serve::Response;
use crate::text::hex;

/// The digest by which a body stands in the table `policies`.
pub(crate) fn body_sha256(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn fetch(r: &Judged) -> Option<&Fetch> {
    r.seen.fetch.as_ref()
}

fn response(r: &Judged) -> Option<&Response> {
    r.seen.response()
}

fn observed(r: &Judged) -> Option<&Policy> {
    r.observed.as_ref()?.value.as_ref()
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A time taken, in whole milliseconds.
fn milliseconds(r: &Judged, time: fn(&Times) -> Option<Duration>) -> Option<i64> {
    time(&fetch(r)?.times).map(column::milliseconds)
}

fn host_status(r: &Judged) -> Option<&'static str> {
    let addresses = r.seen.addresses.as_ref()?;
    if !addresses.all().is_empty() {
        return Some("found");
    }
    Some(match (&addresses.v4.lookup, &addresses.v6.lookup) {
        (Lookup::Failed(_), _) | (_, Lookup::Failed(_)) => "failed",
        (Lookup::NxDomain, _) | (_, Lookup::NxDomain) => "nxdomain",
        _ => "nodata",
    })
}

/// `ok`, or the code of what kept the connection from being authenticated.
fn tls_status(r: &Judged) -> Option<Cow<'_, str>> {
    let fetch = fetch(r)?;
    if let Some(verdict) = &fetch.verdict {
        if verdict.authenticated {
            return Some("ok".into());
        }
        let fatal = verdict.findings.iter().find(|f| f.code.severity() == Some(crate::finding::Severity::Fatal));
        return fatal.map(|finding| finding.code.as_str().into());
    }
    fetch.failure.as_ref().filter(|failure| failure.code.entry().stage == Stage::Tls).map(|f| f.code.as_str().into())
}

/// The columns.
pub static COLUMNS: &[Column<Judged>] = &[
    Column {
        name: "status",
        sentence: "What a sender makes of the policy: usable, unusable, or failed where we could not see.",
        cell: Cell::Word(|r| {
            Some(match r.view() {
                PolicyView::Usable(_) => "usable".into(),
                PolicyView::Unusable(_) => "unusable".into(),
                PolicyView::Failed(_) => "failed".into(),
                PolicyView::NotAsked => return None,
            })
        }),
    },
    Column {
        name: "code",
        sentence: "The first code, in the order of the stages, that made the policy unusable or hid it.",
        cell: Cell::Word(|r| r.decisive.map(|code| code.as_str().into())),
    },
    Column {
        name: "stage",
        sentence: "The stage of that code: dns, policy (the host's name, or the body), reach, tcp, tls, cert or http.",
        cell: Cell::Word(|r| r.decisive.map(|code| code.entry().stage.word().into())),
    },
    Column {
        name: "strict_ok",
        sentence: "Whether the policy and how it is served keep every MUST and SHOULD; null where we could not see.",
        cell: Cell::Bool(|r| r.strict_ok()),
    },
    Column {
        name: "host_status",
        sentence: "How the look-up of mta-sts.<domain> ended: found, nodata, nxdomain or failed.",
        cell: Cell::Word(|r| host_status(r).map(Cow::Borrowed)),
    },
    Column {
        name: "host_aliases",
        sentence: "The targets of the CNAMEs from the policy host, in order.",
        cell: Cell::Texts(|r| texts(r.seen.aliases())),
    },
    Column {
        name: "delegated_to",
        sentence: "The registrable domain of the last of them: who serves the policy.",
        cell: Cell::Text(|r| r.seen.aliases().last().map(|target| psl::domain_str(target).unwrap_or(target).into())),
    },
    Column {
        name: "addresses",
        sentence: "All addresses of the policy host, sorted, version 4 first.",
        cell: Cell::Texts(|r| {
            let mut all = r.seen.addresses.as_ref()?.all();
            all.sort();
            (!all.is_empty()).then(|| all.iter().map(|address| Cow::Owned(address.to_string())).collect())
        }),
    },
    Column {
        name: "address",
        sentence: "The address that was connected to.",
        cell: Cell::Text(|r| fetch(r)?.connected.map(|address| address.ip().to_string().into())),
    },
    Column {
        name: "http_status",
        sentence: "The status of the HTTP answer.",
        cell: Cell::Int(|r| response(r).map(|response| i64::from(response.status))),
    },
    Column {
        name: "http_version",
        sentence: "The version of HTTP that was spoken.",
        cell: Cell::Word(|r| fetch(r)?.http_version.as_ref().map(|version| version.to_string().into())),
    },
    Column {
        name: "content_type",
        sentence: "The first Content-Type header.",
        cell: Cell::Text(|r| response(r)?.content_types.first().map(|value| lossy(value))),
    },
    Column {
        name: "location",
        sentence: "The Location header, at most 2 KiB of it. Never followed.",
        cell: Cell::Text(|r| response(r)?.location.as_deref().map(lossy)),
    },
    Column {
        name: "tls_version",
        sentence: "The negotiated TLS version.",
        cell: Cell::Word(|r| fetch(r)?.tls.as_ref().map(|tls| tls.version.to_string().into())),
    },
    Column {
        name: "tls_cipher",
        sentence: "The negotiated cipher suite.",
        cell: Cell::Word(|r| fetch(r)?.tls.as_ref().map(|tls| tls.cipher.to_string().into())),
    },
    Column {
        name: "tls_status",
        sentence: "ok, or the code of what kept the host from being authenticated.",
        cell: Cell::Word(tls_status),
    },
    Column {
        name: "cert_sha256",
        sentence: "SHA-256 of the host's certificate, the key to the table certificates.",
        cell: Cell::Text(|r| fetch(r)?.chain.first().map(|der| hex(&cert::sha256(der)).into())),
    },
    Column {
        name: "authenticated",
        sentence: "Whether name, dates and chain are right under the first root store; null where there was no certificate.",
        cell: Cell::Bool(|r| r.seen.authenticated()),
    },
    Column {
        name: "trusted_by",
        sentence: "The root stores, by name, under which the chain is trusted at a time within its validity.",
        cell: Cell::Texts(|r| texts(&fetch(r)?.verdict.as_ref()?.trusted_by)),
    },
    Column {
        name: "body_sha256",
        sentence: "SHA-256 of the body, whatever it stood behind; the key to the table policies.",
        cell: Cell::Text(|r| {
            r.observed.as_ref()?;
            response(r).map(|response| body_sha256(&response.body).into())
        }),
    },
    Column {
        name: "body_bytes",
        sentence: "Bytes of the body, at most 65,536.",
        cell: Cell::Int(|r| {
            r.observed.as_ref()?;
            response(r).map(|response| i64::try_from(response.body.len()).unwrap_or(i64::MAX))
        }),
    },
    Column {
        name: "mode",
        sentence: "The mode of the policy that a sender would use: enforce, testing or none; null where it is not usable.",
        cell: Cell::Word(|r| r.usable().map(|policy| policy.mode.word().into())),
    },
    Column {
        name: "max_age",
        sentence: "Seconds for which a sender remembers that policy.",
        cell: Cell::Int(|r| r.usable().map(|policy| i64::from(policy.max_age))),
    },
    Column {
        name: "mx",
        sentence: "The mx patterns of that policy, in order.",
        cell: Cell::Texts(|r| {
            let patterns = &r.usable()?.mx;
            (!patterns.is_empty()).then(|| patterns.iter().map(|pattern| Cow::Borrowed(pattern.as_str())).collect())
        }),
    },
    Column {
        name: "observed_mode",
        sentence: "The mode that the body states, also where it is unauthenticated or stands under another status than 200.",
        cell: Cell::Word(|r| observed(r).map(|policy| policy.mode.word().into())),
    },
    Column {
        name: "failure",
        sentence: "The code of the failure, where we could not see.",
        cell: Cell::Word(|r| r.failure().map(|failure| failure.code.as_str().into())),
    },
    Column {
        name: "failure_detail",
        sentence: "The context of that failure as JSON.",
        cell: Cell::Text(|r| r.failure().and_then(detail_text)),
    },
    Column {
        name: "connect_ms",
        sentence: "Milliseconds until TCP was connected.",
        cell: Cell::Int(|r| milliseconds(r, |times| times.connect)),
    },
    Column {
        name: "tls_ms",
        sentence: "Milliseconds of the TLS handshake.",
        cell: Cell::Int(|r| milliseconds(r, |times| times.tls)),
    },
    Column {
        name: "first_byte_ms",
        sentence: "Milliseconds from the request to the head of the answer.",
        cell: Cell::Int(|r| milliseconds(r, |times| times.first_byte)),
    },
    Column {
        name: "total_ms",
        sentence: "Milliseconds of the whole fetch.",
        cell: Cell::Int(|r| milliseconds(r, |times| times.total)),
    },
];
