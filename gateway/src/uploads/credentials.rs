//! The node's AWS credentials, kept until shortly before they expire.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// A source of credentials that remembers the end of those it gave last. The SDK keeps and renews them, but tells
/// nobody when a URL that it has signed ends with them.
#[derive(Clone, Debug)]
pub(super) struct NotedCredentials {
    provider: SharedCredentialsProvider,
    end: Arc<Mutex<Option<SystemTime>>>,
}

impl NotedCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, end: Arc::default() }
    }

    /// Returns when those in use end; `None` if they do not, or if there are none yet.
    pub(super) fn end(&self) -> Option<SystemTime> {
        *self.end.lock().expect("no holder of this lock panics")
    }

    fn note(&self, credentials: Credentials) -> Credentials {
        *self.end.lock().expect("no holder of this lock panics") = credentials.expiry();
        credentials
    }
}

impl ProvideCredentials for NotedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move { Ok(self.note(self.provider.provide_credentials().await?)) })
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt().map(|credentials| self.note(credentials))
    }
}
