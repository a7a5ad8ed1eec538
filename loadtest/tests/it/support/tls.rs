//! What a balancer does with TLS: a proxy with a certificate for `localhost`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A running proxy; it ends when dropped.
pub(crate) struct TlsProxy {
    port: u16,
    directory: PathBuf,
    _stop: oneshot::Sender<()>,
}

impl TlsProxy {
    /// Starts a proxy in front of a server.
    pub(crate) fn start(upstream: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("rts-loadtest-tls-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        certificate(&directory);
        let chain = vec![CertificateDer::from_pem_file(directory.join("ca.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).unwrap();
        let _ = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let (send_port, port) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_port.send(listener.local_addr().unwrap().port()).unwrap();
                let accept = async {
                    loop {
                        let (client, _) = listener.accept().await.unwrap();
                        tokio::spawn(relay(client, acceptor.clone(), upstream.clone()));
                    }
                };
                tokio::select! {
                    _ = stopped => {}
                    () = accept => {}
                }
            });
        });
        Self { port: port.recv().unwrap(), directory, _stop: stop }
    }

    /// Returns its URL at the name of its certificate.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// Returns its URL at an address that its certificate does not have.
    pub(crate) fn url_of_another_name(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Returns the file of the authority of its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn relay(client: TcpStream, acceptor: TlsAcceptor, upstream: String) -> Option<()> {
    let mut client = acceptor.accept(client).await.ok()?;
    let mut server = TcpStream::connect(&upstream).await.ok()?;
    server.set_nodelay(true).ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

/// Makes a certificate of its own authority.
fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .args(["-keyout", "key.pem", "-out", "ca.pem"])
        .current_dir(directory)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
