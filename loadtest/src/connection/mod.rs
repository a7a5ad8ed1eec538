//! Opens SignalR connections, from a URL and a token.

mod dial;
mod http;
mod link;
mod session;
mod target;
mod token;
pub(crate) mod ws;

pub use dial::{DialError, Dialer, Stage};
pub(crate) use http::scrape;
pub use session::{Session, SessionEnd};
pub use target::{Sources, Target};
pub use token::{FileToken, JwtSecret, TokenError, TokenSource, Tokens};
