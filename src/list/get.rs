//! Downloads of public lists: the file, and beside it where it came from, so that a study can name its population.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use reqwest::{Client, Response, Url};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::known::{self, Access, Edition};
use super::stored::keep;
use crate::error::Error;
use crate::text;
use crate::text::hex;

/// Bytes of the largest download. The largest list known, the zone of com, has 5 GB when packed.
pub const DOWNLOAD_MAX: u64 = 8 << 30;
/// Bytes of the name of an edition; Tranco's have five.
const EDITION_MAX: u64 = 64;
/// Time to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time without a byte after which the server is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// What to download, and what to say of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The name of the list.
    pub name: String,
    /// Its address.
    pub url: String,
    /// How its editions are named.
    pub edition: Option<Edition>,
    /// What the server is shown to let us in.
    pub token: Option<String>,
    /// The licence, where it is known.
    pub licence: Option<&'static str>,
    /// How to cite it, where that is known.
    pub cite: Option<&'static str>,
    /// Where it is stored.
    pub out: PathBuf,
    /// The bound on its bytes.
    pub max_bytes: u64,
}

impl Request {
    /// The request for a list by name. With a URL of one's own, the name may be any, no token is shown and no edition
    /// is asked for: they belong to the usual address.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is not known, a list that is not had over HTTP, or a token that is not set
    /// (`variable` gives the value of an environment variable).
    pub fn new(
        name: &str,
        url: Option<&str>,
        out: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let known = known::find(name);
        let (url, edition, token) = match (url, known.map(|known| known.access)) {
            (Some(url), _) => (url, None, None),
            (None, Some(Access::Open { url, edition })) => (url, edition, None),
            (None, Some(Access::Token { url, variable: name })) => {
                let token = variable(name).filter(|token| !token.is_empty());
                let token = token.ok_or_else(|| Error::Usage(format!("this list needs a token: set {name}")))?;
                (url, None, Some(token))
            }
            (None, Some(Access::Documented(how))) => {
                return Err(Error::Usage(format!("{name} is not had over HTTP: {how}")));
            }
            (None, None) => {
                let names: Vec<&str> = known::ALL.iter().map(|known| known.name).collect();
                return Err(Error::Usage(format!("no list is called {name}; there are {}", names.join(", "))));
            }
        };
        let out = out.map_or_else(|| PathBuf::from(known.map_or(name, |known| known.file)), Path::to_owned);
        if out.file_name().is_none() {
            return Err(Error::Usage(format!("{} names no file", out.display())));
        }
        Ok(Self {
            name: name.to_owned(),
            url: url.to_owned(),
            edition,
            token,
            licence: known.map(|known| known.licence),
            cite: known.map(|known| known.cite),
            out,
            max_bytes: DOWNLOAD_MAX,
        })
    }

    /// Where the provenance is stored: beside the list, under its name with `.provenance.json` behind.
    #[must_use]
    pub fn provenance_path(&self) -> PathBuf {
        let mut name = self.out.file_name().map(OsString::from).unwrap_or_default();
        name.push(".provenance.json");
        self.out.with_file_name(name)
    }
}

/// Where a downloaded list came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The name of the list.
    pub name: String,
    /// The address that was asked.
    pub url: String,
    /// The address that answered, after redirects.
    pub final_url: String,
    /// The permanent name of the edition, if the source names its editions and it did not change meanwhile.
    pub edition: Option<String>,
    /// The permanent page of the edition.
    pub edition_url: Option<String>,
    /// When the download ended, UTC.
    pub retrieved_at: String,
    /// `Last-Modified` as the server gave it.
    pub last_modified: Option<String>,
    /// `ETag` as the server gave it.
    pub etag: Option<String>,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The licence, where it is known.
    pub licence: Option<String>,
    /// How to cite it, where that is known.
    pub cite: Option<String>,
}

/// The edition of a list that was downloaded with its provenance beside it; `None` where there is none, or where it is the
/// provenance of another file than the one with this digest.
#[must_use]
pub fn edition_beside(list: &str, sha256: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Beside {
        edition: Option<String>,
        sha256: String,
    }
    let text = std::fs::read(format!("{list}.provenance.json")).ok()?;
    let beside: Beside = serde_json::from_slice(&text).ok()?;
    beside.edition.filter(|_| beside.sha256 == sha256)
}

/// Downloads a list. `progress` hears the bytes so far, and how many there will be if the server says. The file is put in
/// place when it is whole, its provenance after it; whatever stops the download leaves neither.
///
/// # Errors
/// [`Error::Unavailable`] where the server cannot be reached or breaks off, [`Error::Input`] where it has no such list or
/// one beyond the bound, [`Error::Create`] and [`Error::Io`] where the file cannot be written.
pub async fn download(request: &Request, progress: &mut dyn FnMut(u64, Option<u64>)) -> Result<Provenance, Error> {
    let url = Url::parse(&request.url).map_err(|error| Error::Usage(format!("{}: {error}", request.url)))?;
    let client = client(&url)?;
    let dir = request.out.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let create = |source| Error::Create { path: request.out.clone(), source };
    let mut file = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir).map_err(create)?;

    let before = edition(&client, request).await?;
    let mut question = client.get(url);
    if let Some(token) = &request.token {
        question = question.bearer_auth(token);
    }
    let mut response = answered(question.send().await, request)?;
    let headers = response.headers().clone();
    if header(&headers, CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) {
        return Err(Error::Input(format!("{} answers with a web page, not with a list", request.url)));
    }
    let final_url = response.url().to_string();
    let (bytes, sha256) = receive(&mut response, request, &mut file, progress).await?;
    // An edition is named only if it was the same before and after: the file has no name of its own inside.
    let after = edition(&client, request).await?;
    let edition = before.filter(|id| after.as_ref() == Some(id));

    let page = request.edition.map(|edition| edition.page);
    let provenance = Provenance {
        name: request.name.clone(),
        url: request.url.clone(),
        final_url,
        edition_url: edition.as_ref().zip(page).map(|(id, page)| format!("{page}{id}")),
        edition,
        retrieved_at: jiff::Timestamp::now().to_string(),
        last_modified: header(&headers, LAST_MODIFIED),
        etag: header(&headers, ETAG),
        bytes,
        sha256,
        licence: request.licence.map(str::to_owned),
        cite: request.cite.map(str::to_owned),
    };
    let mut beside = tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir).map_err(create)?;
    let text = serde_json::to_vec_pretty(&provenance).map_err(|error| Error::Internal(error.to_string()))?;
    let written = beside.write_all(&text).and_then(|()| beside.write_all(b"\n"));
    written.map_err(Error::io(format!("cannot write {}", request.provenance_path().display())))?;
    keep(file, &request.out)?;
    keep(beside, &request.provenance_path())?;
    Ok(provenance)
}

/// The body into the file, chunk by chunk.
async fn receive(
    response: &mut Response,
    request: &Request,
    file: &mut NamedTempFile,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(u64, String), Error> {
    let expected = response.content_length();
    let too_long = || Error::Input(format!("{} is longer than {} bytes", request.url, request.max_bytes));
    if expected.is_some_and(|length| length > request.max_bytes) {
        return Err(too_long());
    }
    let (mut bytes, mut hasher) = (0, Sha256::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| unavailable(&request.url, &error))? {
        bytes += chunk.len() as u64;
        if bytes > request.max_bytes {
            return Err(too_long());
        }
        hasher.update(&chunk);
        file.write_all(&chunk).map_err(Error::io(format!("cannot write {}", request.out.display())))?;
        progress(bytes, expected);
    }
    Ok((bytes, hex(&hasher.finalize())))
}

/// The name of today's edition, where the source gives one: letters and digits, nothing else.
async fn edition(client: &Client, request: &Request) -> Result<Option<String>, Error> {
    let Some(edition) = request.edition else { return Ok(None) };
    let Ok(mut response) = answered(client.get(edition.id_url).send().await, request) else { return Ok(None) };
    let mut id = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        id.extend_from_slice(&chunk);
        if id.len() as u64 > EDITION_MAX {
            return Ok(None);
        }
    }
    let id = String::from_utf8(id).unwrap_or_default().trim().to_owned();
    Ok(Some(id).filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric())))
}

/// A client for downloads: redirects and the system's proxy are wanted here, unlike for what strangers answer to a scan.
fn client(url: &Url) -> Result<Client, Error> {
    let internal = |error: &dyn std::error::Error| Error::Internal(format!("no HTTP client: {error}"));
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        // A redirect must not lead out of TLS.
        .https_only(url.scheme() == "https")
        .user_agent(concat!("stscan/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(STALL_TIMEOUT);
    // No proxy can see this machine's own loopback.
    if url.host_str().is_some_and(|host| host == "localhost" || host == "[::1]" || host.starts_with("127.")) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| internal(&error))
}

fn answered(response: reqwest::Result<Response>, request: &Request) -> Result<Response, Error> {
    let response = response.map_err(|error| unavailable(&request.url, &error))?;
    let status = response.status();
    match status.as_u16() {
        200 => Ok(response),
        429 | 500..=599 => Err(Error::Unavailable(format!("{} answers {status}", request.url))),
        _ => Err(Error::Input(format!("{} answers {status}", request.url))),
    }
}

fn unavailable(url: &str, error: &reqwest::Error) -> Error {
    let mut causes = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(next) = cause {
        causes = next.to_string();
        cause = next.source();
    }
    Error::Unavailable(text::cut(format!("cannot download {url}: {error}: {}", text::shown(&causes))))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(|value| text::cut(value.to_owned()))
}
