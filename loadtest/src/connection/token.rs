//! The identities of the virtual users: their tokens, from the dev login, a secret or a file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::http;
use super::target::Target;

/// Longer than any run, all of which uses one token.
const TOKEN_LIFE: Duration = Duration::from_hours(24);
/// The deadline of one dev login.
const LOGIN_DEADLINE: Duration = Duration::from_secs(10);

/// The source of tokens.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// `POST /dev/token` of a target that has it enabled.
    DevLogin,
    /// Tokens signed here with the cluster's HS256 secret.
    Secret(JwtSecret),
    /// Tokens read from a file, one per line, optionally `user<TAB>token`; user `i` is line `i`.
    File(Vec<FileToken>),
}

/// The key and the claims of HS256 tokens.
#[derive(Clone)]
pub struct JwtSecret {
    /// The secret; its bytes are those of the text.
    pub secret: String,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`.
    pub audience: String,
}

/// A line of a token file.
#[derive(Clone, Debug)]
pub struct FileToken {
    user: String,
    token: String,
}

/// The reason why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The dev login could not be reached in time.
    #[error("the dev login cannot be reached")]
    Unreachable(#[from] std::io::Error),
    /// The dev login refused.
    #[error("the dev login answered {0}")]
    Status(u16),
    /// The dev login's answer has no token.
    #[error("the dev login's answer has no token")]
    Answer,
}

/// The virtual users of a run: the id of user `i`, and a token for them.
#[derive(Clone, Debug)]
pub struct Tokens {
    source: TokenSource,
    org: String,
    prefix: String,
}

impl Tokens {
    /// Makes users named `prefix` and a number, of `org`; with a token file, the file names them.
    pub fn new(source: TokenSource, org: &str, prefix: &str) -> Self {
        Self { source, org: org.to_owned(), prefix: prefix.to_owned() }
    }

    /// Returns the id of user `index`.
    pub fn user(&self, index: usize) -> String {
        match &self.source {
            TokenSource::File(tokens) => tokens[index % tokens.len()].user.clone(),
            _ => format!("{}{index}", self.prefix),
        }
    }

    /// Returns the organization of all users.
    pub fn org(&self) -> &str {
        &self.org
    }

    /// Returns the number of different users, if it is limited.
    pub fn users_max(&self) -> Option<usize> {
        match &self.source {
            TokenSource::File(tokens) => Some(tokens.len()),
            _ => None,
        }
    }

    /// Returns a token of user `index`, from the dev login of `target` if that is the source.
    pub async fn token(&self, index: usize, target: &Target) -> Result<String, TokenError> {
        match &self.source {
            TokenSource::DevLogin => self.login(&self.user(index), target).await,
            TokenSource::Secret(secret) => Ok(secret.sign(&self.user(index), &self.org)),
            TokenSource::File(tokens) => Ok(tokens[index % tokens.len()].token.clone()),
        }
    }

    async fn login(&self, user: &str, target: &Target) -> Result<String, TokenError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Request<'a> {
            user_id: &'a str,
            org_id: &'a str,
            name: &'a str,
            ttl_seconds: u64,
        }
        #[derive(Deserialize)]
        struct Response {
            token: String,
        }
        let body = serde_json::to_string(&Request {
            user_id: user,
            org_id: &self.org,
            name: user,
            ttl_seconds: TOKEN_LIFE.as_secs(),
        })
        .expect("strings and numbers always have a JSON text");
        let request = format!(
            "POST {}/dev/token HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            target.base_path,
            target.authority,
            body.len()
        );
        let exchange = async {
            let stream = target.connect(None).await?;
            http::exchange(stream, request.as_bytes()).await
        };
        let answer = tokio::time::timeout(LOGIN_DEADLINE, exchange)
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        if answer.status != 200 {
            return Err(TokenError::Status(answer.status));
        }
        serde_json::from_slice::<Response>(&answer.body).map(|response| response.token).map_err(|_| TokenError::Answer)
    }
}

impl JwtSecret {
    fn sign(&self, user: &str, org: &str) -> String {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            aud: &'a str,
            sub: &'a str,
            org: &'a str,
            name: &'a str,
            iat: u64,
            exp: u64,
            jti: u64,
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = serde_json::to_vec(&Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user,
            org,
            name: user,
            iat: now,
            exp: now + TOKEN_LIFE.as_secs(),
            jti: rand::rng().random(),
        })
        .expect("strings and numbers always have a JSON text");
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }
}

/// Shows everything except the secret.
impl std::fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtSecret")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl FileToken {
    /// Reads the tokens of a file's text. A user that the line does not name is read from the token.
    pub fn parse_all(text: &str) -> anyhow::Result<Vec<Self>> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let tokens: Vec<_> = lines
            .enumerate()
            .map(|(i, line)| {
                let (user, token) = match line.split_once('\t') {
                    Some((user, token)) => (Some(user.to_owned()), token),
                    None => (subject(line), line),
                };
                let user = user.ok_or_else(|| anyhow::anyhow!("token {} names no user", i + 1))?;
                Ok(Self { user, token: token.to_owned() })
            })
            .collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(!tokens.is_empty(), "the token file is empty");
        Ok(tokens)
    }
}

/// Returns the `sub` of a token, unchecked.
fn subject(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Some(serde_json::from_slice::<Claims>(&claims).ok()?.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> JwtSecret {
        JwtSecret {
            secret: "your-256-bit-secret".to_owned(),
            issuer: "issuer".to_owned(),
            audience: "audience".to_owned(),
        }
    }

    #[test]
    fn a_minted_token_is_signed_and_names_its_user() {
        let token = secret().sign("ann", "acme");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"your-256-bit-secret").unwrap();
        mac.update(signed.as_bytes());
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(mac.verify_slice(&bytes).is_ok());
        assert_eq!(subject(&token).as_deref(), Some("ann"));
        assert!(!format!("{:?}", secret()).contains("256-bit"));
    }

    #[test]
    fn a_token_file_has_a_user_a_line() {
        let minted = secret().sign("bob", "acme");
        let tokens = FileToken::parse_all(&format!("ann\tabc\n\n{minted}\n")).unwrap();
        let tokens = Tokens::new(TokenSource::File(tokens), "acme", "u");
        assert_eq!(tokens.users_max(), Some(2));
        assert_eq!(tokens.user(0), "ann");
        assert_eq!(tokens.user(1), "bob");
        assert!(FileToken::parse_all("").is_err());
        assert!(FileToken::parse_all("no-jwt").is_err());
    }
}
