//! The node's AWS credentials, kept until shortly before they end.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};

use super::UploadError;

/// How long credentials have to be good still. A signed URL ends with its credentials, at the latest.
const LEFT_MIN: Duration = Duration::from_mins(1);
/// How long a source of credentials may take.
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) struct HeldCredentials {
    provider: SharedCredentialsProvider,
    held: Mutex<Option<Credentials>>,
    /// One at a time asks, the others wait for what it gets.
    asking: tokio::sync::Mutex<()>,
}

impl HeldCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, held: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    pub(super) async fn get(&self) -> Result<Credentials, UploadError> {
        if let Some(credentials) = self.fresh() {
            return Ok(credentials);
        }
        let _turn = self.asking.lock().await;
        if let Some(credentials) = self.fresh() {
            return Ok(credentials);
        }
        let asked = tokio::time::timeout(TIMEOUT, self.provider.provide_credentials()).await;
        let credentials = asked
            .map_err(|_| UploadError::Unavailable("no credentials in time".to_owned()))?
            .map_err(|error| UploadError::Unavailable(format!("no credentials: {error}")))?;
        *self.held.lock().expect("no holder of this lock panics") = Some(credentials.clone());
        Ok(credentials)
    }

    fn fresh(&self) -> Option<Credentials> {
        let held = self.held.lock().expect("no holder of this lock panics");
        let is_fresh = |it: &&Credentials| it.expiry().is_none_or(|end| end > SystemTime::now() + LEFT_MIN);
        held.as_ref().filter(is_fresh).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::future;

    #[derive(Clone, Debug)]
    struct Counting(Arc<AtomicUsize>, Option<Duration>);

    impl aws_credential_types::provider::ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            self.0.fetch_add(1, Ordering::Relaxed);
            let end = self.1.map(|life| SystemTime::now() + life);
            future::ProvideCredentials::ready(Ok(Credentials::new("id", "key", None, end, "test")))
        }
    }

    #[tokio::test]
    async fn they_are_asked_for_again_before_they_end() {
        for (life, asked) in [(None, 1), (Some(LEFT_MIN * 2), 1), (Some(LEFT_MIN / 2), 3)] {
            let count = Arc::new(AtomicUsize::new(0));
            let held = HeldCredentials::new(SharedCredentialsProvider::new(Counting(Arc::clone(&count), life)));
            for _ in 0..3 {
                assert_eq!(held.get().await.unwrap().access_key_id(), "id");
            }
            assert_eq!(count.load(Ordering::Relaxed), asked, "{life:?}");
        }
    }
}
