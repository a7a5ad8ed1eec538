//! The next socket of a stateful session that reached another node: its upgrade is forwarded to the owner, and when
//! that accepts, bytes pass between the two sockets until one of them ends. They are not parsed here.
//!
//! If this node dies, both sockets break, the session is detached, and its client reconnects to any node. If the owner
//! dies, the client's socket is closed immediately, and its next upgrade is answered 404.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderName, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::Peers;
use crate::auth::Identity;

use super::forward::{RESPONSE_HEADERS, Unreachable, passed_on};

/// The headers of the upgrade that the owner needs.
const REQUEST_HEADERS: [HeaderName; 4] =
    [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_KEY, header::SEC_WEBSOCKET_VERSION];
/// The headers of the owner's answer that the client needs.
const AGREEMENT_HEADERS: [HeaderName; 3] = [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT];

/// Two connected sockets, once HTTP is done with both.
pub struct Tunnel {
    client: OnUpgrade,
    owner: OnUpgrade,
    _place: OwnedSemaphorePermit,
}

impl Peers {
    /// Forwards an upgrade; returns the owner's answer, and the tunnel to run if it accepted.
    pub async fn tunnel(
        &self,
        owner: SocketAddr,
        (mut request, identity): (Request, &Identity),
        deadline: Duration,
    ) -> Result<(Response, Option<Tunnel>), Unreachable> {
        let place = self.tunnels.clone().try_acquire_owned().map_err(|_| Unreachable::Full)?;
        let client = hyper::upgrade::on(&mut request);
        let request = request.map(|_| Body::empty());
        let mut answer = self.send_on(owner, (request, identity), &REQUEST_HEADERS, deadline).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok((passed_on(answer, &RESPONSE_HEADERS), None));
        }
        let owner = hyper::upgrade::on(&mut answer);
        let agreement = passed_on(answer, &AGREEMENT_HEADERS).map(|_| Body::empty());
        Ok((agreement, Some(Tunnel { client, owner, _place: place })))
    }
}

impl Tunnel {
    /// Passes bytes on until one side ends.
    pub async fn run(self, deadline: Duration) {
        let both = async { tokio::try_join!(self.client, self.owner) };
        let Ok(Ok((client, owner))) = tokio::time::timeout(deadline, both).await else { return };
        let (mut client, mut owner) = (TokioIo::new(client), TokioIo::new(owner));
        // Each side finds out by itself which one ended it, and how.
        let _ended = until_one_ends(&mut client, &mut owner).await;
    }
}

/// Unlike a copy of both directions, ends when one of them does: half a WebSocket is useless.
async fn until_one_ends<A, B>(client: &mut A, owner: &mut B) -> std::io::Result<u64>
where
    A: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    B: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_owner, mut to_owner) = tokio::io::split(owner);
    tokio::select! {
        ended = tokio::io::copy(&mut from_client, &mut to_owner) => ended,
        ended = tokio::io::copy(&mut from_owner, &mut to_client) => ended,
    }
}
