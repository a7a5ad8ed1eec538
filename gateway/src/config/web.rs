//! The web pages that may connect, and the web app that the gateway serves.

use std::path::PathBuf;

use rts_common::config::Environment;

use super::identity::is_safe_url;
use super::origin::Origin;

const ISSUER: &str = "RTS_WEB_OIDC_ISSUER";

/// The allow-list of origins, and the web app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// `RTS_ALLOWED_ORIGINS`: origins like `https://app.example.com`, with commas. The server's own is always allowed,
    /// as are clients that are not web pages. Default: none.
    pub allowed_origins: Vec<Origin>,
    /// `RTS_WEB_ROOT`: the directory of the built web app. Default: none, and nothing at `/`.
    pub root: Option<PathBuf>,
    /// The way that users of the web app sign in. Default: the development login where it is on, else the page that
    /// loads the app.
    pub sign_in: Option<WebSignIn>,
    /// `RTS_WEB_CONNECT_ORIGINS`: further origins that the web app may connect to, such as a token endpoint that is not
    /// at its issuer's origin. Default: none.
    pub connect_origins: Vec<Origin>,
}

/// A way to sign in other than the development login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSignIn {
    /// `RTS_WEB_HOST_ORIGIN`: the page that embeds the app gives it tokens.
    Host(Origin),
    /// `OpenID` Connect: code flow with PKCE.
    Oidc(OidcConfig),
}

/// The `OpenID` Connect provider of the web app's users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcConfig {
    /// `RTS_WEB_OIDC_ISSUER`: https, or http on loopback.
    pub issuer: String,
    /// Its origin.
    pub origin: Origin,
    /// `RTS_WEB_OIDC_CLIENT_ID`. Required with the issuer.
    pub client_id: String,
    /// `RTS_WEB_OIDC_SCOPE`. Default `openid profile`.
    pub scope: String,
    /// `RTS_WEB_OIDC_TOKEN`: the token that gateways check, `access_token` or `id_token`. Default `access_token`.
    pub token: String,
}

impl WebConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        let root = environment.text("RTS_WEB_ROOT").map(PathBuf::from);
        if root.as_ref().is_some_and(|root| !root.join("index.html").is_file()) {
            environment.problem("RTS_WEB_ROOT", "is no directory with an index.html");
        }
        Self {
            allowed_origins: origins(environment, "RTS_ALLOWED_ORIGINS"),
            root,
            sign_in: sign_in(environment),
            connect_origins: origins(environment, "RTS_WEB_CONNECT_ORIGINS"),
        }
    }
}

fn origins(environment: &mut Environment, name: &str) -> Vec<Origin> {
    let mut origins = Vec::new();
    for text in environment.list(name) {
        match Origin::parse(&text) {
            Some(origin) => origins.push(origin),
            None => environment.problem(name, "holds something that is no origin like https://app.example.com"),
        }
    }
    origins
}

fn sign_in(environment: &mut Environment) -> Option<WebSignIn> {
    const HOST: &str = "RTS_WEB_HOST_ORIGIN";
    let oidc = oidc(environment);
    let Some(host) = environment.text(HOST) else { return oidc.map(WebSignIn::Oidc) };
    if oidc.is_some() {
        environment.problem(HOST, &format!("and {ISSUER} exclude each other"));
    }
    let origin = Origin::parse(&host);
    if origin.is_none() {
        environment.problem(HOST, "is no origin like https://portal.example.com");
    }
    origin.map(WebSignIn::Host)
}

fn oidc(environment: &mut Environment) -> Option<OidcConfig> {
    let client_id = environment.text("RTS_WEB_OIDC_CLIENT_ID");
    let scope = environment.text("RTS_WEB_OIDC_SCOPE").unwrap_or_else(|| "openid profile".to_owned());
    let token = environment.text("RTS_WEB_OIDC_TOKEN").unwrap_or_else(|| "access_token".to_owned());
    if !matches!(token.as_str(), "access_token" | "id_token") {
        environment.problem("RTS_WEB_OIDC_TOKEN", "is neither access_token nor id_token");
    }
    let issuer = environment.text(ISSUER)?;
    let origin = is_safe_url(&issuer).then(|| origin_of(&issuer)).flatten();
    if origin.is_none() {
        environment.problem(ISSUER, "is neither https nor http on loopback");
    }
    if client_id.is_none() {
        environment.problem("RTS_WEB_OIDC_CLIENT_ID", &format!("is not set, and {ISSUER} is"));
    }
    Some(OidcConfig { issuer, origin: origin?, client_id: client_id?, scope, token })
}

fn origin_of(url: &str) -> Option<Origin> {
    let url: http::Uri = url.parse().ok()?;
    Origin::parse(&format!("{}://{}", url.scheme_str()?, url.authority()?))
}
