//! Both sides prove that they know the run's secret without revealing it: each sends a random challenge, and answers
//! the other's with an HMAC over both.
//!
//! Frames after that are neither signed nor encrypted. They hold no tokens, but a man in the middle could change them:
//! across an untrusted network, the channel needs a tunnel.

use std::io;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The first bytes that the lead sends.
const GREETING: &[u8; 8] = b"rts-lt1\n";
const CHALLENGE_BYTES: usize = 32;
const PROOF_BYTES: usize = 32;

type Challenge = [u8; CHALLENGE_BYTES];

/// Admits a worker that knows the secret.
pub(super) async fn admit(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), secret: &str) -> io::Result<()> {
    let mine: Challenge = rand::random();
    stream.write_all(&[&GREETING[..], &mine].concat()).await?;
    let mut answer = [0; CHALLENGE_BYTES + PROOF_BYTES];
    stream.read_exact(&mut answer).await?;
    let (theirs, proof) = answer.split_at(CHALLENGE_BYTES);
    verify(keyed(secret, b"worker", &mine, theirs), proof)?;
    stream.write_all(&keyed(secret, b"lead", &mine, theirs).finalize().into_bytes()).await
}

/// Joins, and verifies that the other side is the lead.
pub(super) async fn apply(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), secret: &str) -> io::Result<()> {
    let mut hello = [0; GREETING.len() + CHALLENGE_BYTES];
    stream.read_exact(&mut hello).await?;
    let (greeting, theirs) = hello.split_at(GREETING.len());
    if greeting != GREETING {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not the lead of a load test"));
    }
    let mine: Challenge = rand::random();
    let proof = keyed(secret, b"worker", theirs, &mine).finalize().into_bytes();
    stream.write_all(&[&mine[..], &proof].concat()).await?;
    let mut answer = [0; PROOF_BYTES];
    let read = stream.read_exact(&mut answer).await;
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(io::ErrorKind::PermissionDenied, "the lead has another secret"),
        _ => error,
    })?;
    verify(keyed(secret, b"lead", theirs, &mine), &answer)
}

fn keyed(secret: &str, side: &[u8], of_lead: &[u8], of_worker: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    for part in [side, of_lead, of_worker] {
        mac.update(part);
    }
    mac
}

fn verify(mac: Hmac<Sha256>, proof: &[u8]) -> io::Result<()> {
    mac.verify_slice(proof).map_err(|_| io::Error::new(io::ErrorKind::PermissionDenied, "the peer has another secret"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn meet(of_lead: &str, of_worker: &str) -> (io::Result<()>, io::Result<()>) {
        let (mut one, mut other) = tokio::io::duplex(256);
        let admitted = async {
            let result = admit(&mut one, of_lead).await;
            drop(one);
            result
        };
        tokio::join!(admitted, apply(&mut other, of_worker))
    }

    #[tokio::test]
    async fn only_the_same_secret_gets_in() {
        let (admitted, applied) = meet("the secret", "the secret").await;
        assert!(admitted.is_ok() && applied.is_ok());
        for (lead, worker) in [("the secret", "another"), ("the secret", ""), ("", "the secret")] {
            let (admitted, applied) = meet(lead, worker).await;
            assert_eq!(admitted.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert_eq!(applied.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        }
    }

    #[tokio::test]
    async fn a_lead_that_only_pretends_is_found_out() {
        let (mut one, mut other) = tokio::io::duplex(256);
        let impostor = async {
            one.write_all(&[&GREETING[..], &[7; CHALLENGE_BYTES]].concat()).await.unwrap();
            let mut answer = [0; CHALLENGE_BYTES + PROOF_BYTES];
            one.read_exact(&mut answer).await.unwrap();
            // An impostor has only the bytes that it was sent.
            one.write_all(&answer[CHALLENGE_BYTES..]).await.unwrap();
        };
        let ((), applied) = tokio::join!(impostor, apply(&mut other, "the secret"));
        assert_eq!(applied.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let (mut one, mut other) = tokio::io::duplex(256);
        let (_, applied) = tokio::join!(one.write_all(&[b'x'; 40]), apply(&mut other, "the secret"));
        assert_eq!(applied.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
