//! Root stores by name: Mozilla's, the system's, or a PEM file (RFC 7468).

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::cert::RootStore;
use crate::error::Error;

/// Loads the store that `spec` names: `mozilla`, `system`, or the path of a PEM file (whose stem is its name).
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Input`] where no root comes of it.
pub fn root_store(spec: &str) -> Result<RootStore, Error> {
    let (name, anchors) = match spec {
        "mozilla" => (spec.to_owned(), RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }),
        "system" => (spec.to_owned(), system()?),
        file => (stem(file)?, pem_file(file)?),
    };
    Ok(RootStore::new(name, Arc::new(anchors)))
}

fn system() -> Result<RootCertStore, Error> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // A system's store may hold certificates that nothing reads any more; the others are what it trusts.
    let (added, _) = store.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let cause = loaded.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(Error::Input(format!("the system has no root certificates{cause}")));
    }
    Ok(store)
}

/// A file that the user names must be whole: a certificate that cannot be read is said, not left out.
fn pem_file(file: &str) -> Result<RootCertStore, Error> {
    let bytes = std::fs::read(file).map_err(Error::io(format!("cannot read the roots {file}")))?;
    let mut store = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
        let wrong = |cause: String| Error::Input(format!("certificate {} of {file}: {cause}", index + 1));
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        store.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(Error::Input(format!("no certificate in {file}")));
    }
    Ok(store)
}

fn stem(file: &str) -> Result<String, Error> {
    let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str());
    match stem {
        // These names are taken by what they name.
        Some("mozilla" | "system") => Ok(format!("file:{file}")),
        Some(stem) => Ok(stem.to_owned()),
        None => Err(Error::Usage(format!("no root store is named {file:?}"))),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    /// A PEM file with the given text, and its path.
    fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> String {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_store_is_named_and_whole_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let pem = |name: &str| {
            let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
        };
        let two = file(&directory, "community.pem", &format!("comment\n{}{}", pem("one"), pem("two")));
        let store = root_store(&two).unwrap();
        assert_eq!((store.name.as_str(), store.anchors.len()), ("community", 2));

        let mozilla = root_store("mozilla").unwrap();
        assert_eq!((mozilla.name.as_str(), mozilla.anchors.len()), ("mozilla", webpki_roots::TLS_SERVER_ROOTS.len()));

        let refused = |spec: &str| root_store(spec).unwrap_err().exit_status();
        assert_eq!(refused(&file(&directory, "empty.pem", "")), 65);
        assert_eq!(refused(&file(&directory, "text.pem", "no certificate")), 65);
        let junk = "-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n";
        assert_eq!(refused(&file(&directory, "junk.pem", &format!("{}{junk}", pem("one")))), 65);
        let open = "-----BEGIN CERTIFICATE-----\nanVuaw==\n";
        assert_eq!(refused(&file(&directory, "open.pem", open)), 65);
        assert_eq!(refused(directory.path().join("missing.pem").to_str().unwrap()), 74);
        assert_eq!(refused("/"), 2);
    }
}
