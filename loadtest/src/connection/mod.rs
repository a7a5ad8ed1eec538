//! From a URL and a token to an open SignalR connection.

mod dial;
mod http;
mod session;
mod target;
mod token;
pub(crate) mod ws;

pub use dial::{DialError, Dialer, Stage};
pub(crate) use http::scrape;
pub use session::{Session, SessionEnd};
pub use target::{Sources, Target};
pub use token::{FileToken, JwtSecret, TokenError, TokenSource, Tokens};
