//! Flags for the target of connections and the identity of users.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use rts_common::signalr::Protocol;

use crate::connection::{Dialer, FileToken, JwtSecret, Sources, Target, TokenSource, Tokens};
use crate::units::duration;

/// The target of connections and the identity of users.
#[derive(Args, Debug)]
pub(super) struct ConnectArgs {
    /// The balancer, or several nodes among which connections are distributed.
    #[arg(long = "target", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    targets: Vec<String>,
    /// PEM file of the authorities that an https target's certificate is checked against; otherwise the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Local addresses to connect from; on loopback as many as needed are chosen automatically.
    #[arg(long = "source", value_name = "IP")]
    sources: Vec<IpAddr>,
    /// Mint HS256 tokens with this secret instead of the dev login.
    #[arg(long, value_name = "TEXT", env = "LOADTEST_JWT_SECRET", hide_env_values = true)]
    jwt_secret: Option<String>,
    /// `iss` of minted tokens; the default is that of the local cluster.
    #[arg(long, value_name = "TEXT", env = "LOADTEST_JWT_ISSUER", default_value = "rts-local")]
    jwt_issuer: String,
    /// `aud` of minted tokens.
    #[arg(long, value_name = "TEXT", env = "LOADTEST_JWT_AUDIENCE", default_value = "rts")]
    jwt_audience: String,
    /// Read tokens from a file, one per line, optionally `user<TAB>token`.
    #[arg(long, value_name = "FILE", conflicts_with = "jwt_secret")]
    tokens: Option<PathBuf>,
    /// The organization of the virtual users.
    #[arg(long, default_value = "loadtest")]
    org: String,
    /// Open the WebSocket without negotiating first.
    #[arg(long)]
    skip_negotiation: bool,
    /// Deadline for opening one connection.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15s")]
    connect_deadline: Duration,
}

/// A hub protocol on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProtocolArg {
    /// JSON in text frames.
    Json,
    /// MessagePack in binary frames.
    Messagepack,
}

impl From<ProtocolArg> for Protocol {
    fn from(arg: ProtocolArg) -> Self {
        match arg {
            ProtocolArg::Json => Self::Json,
            ProtocolArg::Messagepack => Self::MessagePack,
        }
    }
}

impl ConnectArgs {
    /// True if local addresses were given.
    pub(super) fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Makes the dialer of `connections` connections.
    pub(super) async fn dialer(&self, connections: usize) -> anyhow::Result<Dialer> {
        let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let authorities = self.ca_file.as_ref().map(read).transpose()?;
        let mut targets = Vec::new();
        for url in &self.targets {
            targets.push(Target::resolve(url, authorities.as_deref()).await?);
        }
        let sources = if self.sources.is_empty() {
            Sources::for_load(connections, &targets)
        } else {
            Sources::fixed(self.sources.clone())
        };
        Ok(Dialer { targets, sources, negotiate: !self.skip_negotiation, deadline: self.connect_deadline })
    }

    /// Makes this many virtual users, named after `run`.
    pub(super) fn tokens(&self, run: &str, users: usize) -> anyhow::Result<Tokens> {
        let source = match (&self.tokens, &self.jwt_secret) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                TokenSource::File(FileToken::parse_all(&text)?)
            }
            (None, Some(secret)) => TokenSource::Secret(JwtSecret {
                secret: secret.clone(),
                issuer: self.jwt_issuer.clone(),
                audience: self.jwt_audience.clone(),
            }),
            (None, None) => TokenSource::DevLogin,
        };
        let tokens = Tokens::new(source, &self.org, &format!("{run}-"));
        if let Some(most) = tokens.users_max().filter(|&most| most < users) {
            bail!("the token file has {most} users, but {users} are needed");
        }
        Ok(tokens)
    }
}
