//! The servers that the tests run the tool against.

mod fake;
mod http;
mod hub;
mod proxy;
mod tls;

pub(crate) use fake::FakeServer;
pub(crate) use http::get;
pub(crate) use hub::Refusals;
pub(crate) use proxy::{Fault, Proxy};
pub(crate) use tls::TlsProxy;
