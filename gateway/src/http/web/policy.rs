//! The content security policy of the app: what its page may load, and the origins that it may connect to.

use http::HeaderValue;

use super::SiteError;
use crate::config::{WebConfig, WebSignIn};

/// Returns the policy: no inline script or style, nothing from elsewhere except pictures and files of the storage, no
/// frame around it except the host page's.
pub(super) fn policy(web: &WebConfig, files: Option<&str>) -> Result<HeaderValue, SiteError> {
    let files: Vec<_> = files.map(str::to_owned).into_iter().collect();
    let issuer = match &web.sign_in {
        Some(WebSignIn::Oidc(oidc)) => Some(oidc.origin.to_string()),
        _ => None,
    };
    let parent = match &web.sign_in {
        Some(WebSignIn::Host(origin)) => origin.to_string(),
        _ => "'none'".to_owned(),
    };
    let connect = files.iter().cloned().chain(issuer).chain(web.connect_origins.iter().map(ToString::to_string));
    let with = |first: &str, origins: Vec<String>| [vec![first.to_owned()], origins].concat().join(" ");
    let directives = [
        "default-src 'none'".to_owned(),
        "script-src 'self'".to_owned(),
        "style-src 'self'".to_owned(),
        with("img-src 'self' blob: data:", files.clone()),
        with("connect-src 'self'", connect.collect()),
        "base-uri 'self'".to_owned(),
        "form-action 'none'".to_owned(),
        format!("frame-ancestors {parent}"),
        "require-trusted-types-for 'script'".to_owned(),
        "trusted-types angular".to_owned(),
    ];
    let text = directives.join("; ");
    HeaderValue::from_str(&text).map_err(|_| SiteError::Policy(text))
}
