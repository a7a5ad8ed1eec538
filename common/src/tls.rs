//! Configures TLS towards servers: the authorities whose certificates are trusted.

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// A file of authorities has none, or is no PEM file.
#[derive(Debug, thiserror::Error)]
#[error("no PEM file with certificates of authorities")]
pub struct NoAuthorities;

/// Trusts the authorities of a PEM file alone, or those of the system.
pub fn client_config(authorities_pem: Option<&[u8]>) -> Result<ClientConfig, NoAuthorities> {
    // Libraries take whatever is installed; a second time changes nothing.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    match authorities_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| NoAuthorities)?;
                roots.add(certificate).map_err(|_| NoAuthorities)?;
            }
            if roots.is_empty() {
                return Err(NoAuthorities);
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
