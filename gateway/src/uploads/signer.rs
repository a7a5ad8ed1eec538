//! Signature Version 4 for S3: URLs for clients, and requests of the gateway.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Request;

use super::UploadError;

/// Signs a request without its body: the URL is all that a client needs, besides the headers.
pub(super) fn sign_url(
    request: &mut Request<()>,
    credentials: Credentials,
    region: &str,
    life: Duration,
) -> Result<(), UploadError> {
    let mut settings = settings();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(life);
    apply(request, SignableBody::UnsignedPayload, settings, credentials, region)
}

/// Signs a request of the gateway, with its body.
pub(super) fn sign_request(
    request: &mut Request<()>,
    body: &[u8],
    credentials: Credentials,
    region: &str,
) -> Result<(), UploadError> {
    let mut settings = settings();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    apply(request, SignableBody::Bytes(body), settings, credentials, region)
}

/// Returns the settings of S3, which does not normalize paths.
fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

fn apply(
    request: &mut Request<()>,
    body: SignableBody<'_>,
    settings: SigningSettings,
    credentials: Credentials,
    region: &str,
) -> Result<(), UploadError> {
    let fault = |error: &dyn std::fmt::Display| UploadError::Fault(format!("a request cannot be signed: {error}"));
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .map_err(|error| fault(&error))?
        .into();
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
        .collect::<Result<_, http::header::ToStrError>>()
        .map_err(|error| fault(&error))?;
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable = SignableRequest::new(&method, uri, headers, body).map_err(|error| fault(&error))?;
    let (instructions, _) = sign(signable, &params).map_err(|error| fault(&error))?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(headers: &[(&str, &str)]) -> String {
        let mut request = Request::put("https://bucket.s3.eu-west-1.amazonaws.com/attachments/a/b/c");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        let credentials = Credentials::new("AKID", "secret", Some("token/+".to_owned()), None, "test");
        sign_url(&mut request, credentials, "eu-west-1", Duration::from_mins(5)).unwrap();
        request.uri().to_string()
    }

    #[test]
    fn every_header_is_in_the_signature_and_no_secret_is_in_the_url() {
        let url = signed(&[("content-length", "7"), ("if-none-match", "*"), ("content-type", "text/plain")]);
        assert!(url.contains("X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost%3Bif-none-match"), "{url}");
        assert!(url.contains("X-Amz-Expires=300") && url.contains("X-Amz-Security-Token=token%2F%2B"), "{url}");
        assert!(url.contains("%2Feu-west-1%2Fs3%2Faws4_request") && !url.contains("secret"), "{url}");
    }
}
