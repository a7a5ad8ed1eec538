//! Calls of the two AWS services that the SDK's crates in use do not have, in the query protocol. Three reads are not worth
//! two more SDK crates: a signed GET, and an answer of which a few texts are wanted.

use std::io;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use axum::body::Body;
use http::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::fetch::{FetchError, Fetcher};

/// What a signed query leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A service of AWS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Service {
    /// Its name in addresses and signatures.
    name: &'static str,
    version: &'static str,
    /// The variable of the SDK for another address.
    endpoint_variable: &'static str,
}

/// Auto Scaling.
pub(super) const AUTO_SCALING: Service =
    Service { name: "autoscaling", version: "2011-01-01", endpoint_variable: "AWS_ENDPOINT_URL_AUTO_SCALING" };
/// Elastic Load Balancing.
pub(super) const LOAD_BALANCING: Service = Service {
    name: "elasticloadbalancing",
    version: "2015-12-01",
    endpoint_variable: "AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2",
};

/// Makes the calls. Cheap to clone.
#[derive(Clone)]
pub(super) struct QueryClient {
    fetcher: Fetcher,
    credentials: Option<SharedCredentialsProvider>,
    region: String,
    endpoint: Option<String>,
}

/// The reason why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    #[error("no credentials: {0}")]
    Credentials(#[from] CredentialsError),
    #[error("cannot be signed: {0}")]
    Signing(#[from] SigningError),
    #[error("{action}: {error}")]
    Fetch { action: &'static str, error: FetchError },
    #[error("{0}: the answer is no text")]
    Answer(&'static str),
}

impl QueryClient {
    /// Takes region, credentials and endpoint from the SDK's configuration.
    pub(super) fn new(aws: &SdkConfig) -> io::Result<Self> {
        Ok(Self {
            fetcher: Fetcher::new()?,
            credentials: aws.credentials_provider(),
            region: aws.region().map_or_else(String::new, ToString::to_string),
            endpoint: aws.endpoint_url().map(str::to_owned),
        })
    }

    /// Calls an action, and returns the answer's XML.
    pub(super) async fn call(
        &self,
        service: Service,
        action: &'static str,
        about: &[(&str, &str)],
    ) -> Result<String, QueryError> {
        let url = format!("{}/?{}", self.endpoint(service), query(service, action, about));
        let provider = self.credentials.as_ref().ok_or_else(|| CredentialsError::not_loaded("none are configured"))?;
        let credentials = provider.provide_credentials().await?;
        let request = signed(&url, service, &self.region, credentials, SystemTime::now())?;
        let fetched = self.fetcher.fetch(request).await.map_err(|error| QueryError::Fetch { action, error })?;
        String::from_utf8(fetched.into()).map_err(|_| QueryError::Answer(action))
    }

    /// Returns the service's address without a slash at its end.
    fn endpoint(&self, service: Service) -> String {
        let own = std::env::var(service.endpoint_variable).ok().filter(|url| !url.is_empty());
        let other = own.or_else(|| self.endpoint.clone());
        other.map_or_else(|| standard_endpoint(service, &self.region), |url| url.trim_end_matches('/').to_owned())
    }
}

fn standard_endpoint(service: Service, region: &str) -> String {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{}.{region}.{suffix}", service.name)
}

fn query(service: Service, action: &str, about: &[(&str, &str)]) -> String {
    let first = [("Action", action), ("Version", service.version)];
    let pairs = first.iter().chain(about).map(|(name, value)| {
        let value = utf8_percent_encode(value, UNRESERVED);
        format!("{name}={value}")
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn signed(
    url: &str,
    service: Service,
    region: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<Request<Body>, QueryError> {
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service.name)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .expect("all that is required was given");
    let signable = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(signable, &parameters.into())?.into_parts();
    let mut request = Request::get(url).body(Body::empty()).expect("it was parsed to be signed");
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

/// Returns the texts of all elements of a name. AWS's answers have no attributes below the root, and the fields wanted here
/// no characters that XML escapes: a parser would find the same.
pub(super) fn texts(xml: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let parts = xml.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(text, _)| text.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The expected signature is that of botocore 1.43's `SigV4Auth` for the same request.
    #[test]
    fn requests_are_signed_like_those_of_the_sdk() {
        let about = [
            ("TargetGroupArn", "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/a/b"),
            ("Targets.member.1.Id", "i-0123456789abcdef0"),
        ];
        let query = query(LOAD_BALANCING, "DescribeTargetHealth", &about);
        let url = format!("{}/?{query}", standard_endpoint(LOAD_BALANCING, "eu-west-1"));
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = Credentials::new("AKIDEXAMPLE", secret, Some("a/b+c=".to_owned()), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(498_828);
        let request = signed(&url, LOAD_BALANCING, "eu-west-1", credentials, now).unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(
            authorization.ends_with("0c811ecf2f2e5455f928835bf8d0de78144930dfa80d6230b642cae10d0af213"),
            "{authorization}"
        );
    }

    #[test]
    fn the_texts_of_an_answer_are_found() {
        let xml = "<R xmlns=\"http://aws/\"><TargetGroupARNs><member>a</member>\n<member>b</member></TargetGroupARNs><member/></R>";
        let arns = texts(xml, "TargetGroupARNs");
        assert_eq!(arns.iter().flat_map(|arn| texts(arn, "member")).collect::<Vec<_>>(), ["a", "b"]);
        assert!(texts("<State>healthy", "State").is_empty() && texts("", "State").is_empty());
    }
}
