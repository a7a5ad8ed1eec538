//! Files in the bucket: their keys, `attachments/<organization>/<room>/<id>`, and the metadata that says whose they are.
//! The bucket's rules and the gateways' policy in `deploy/cloudformation/data.yaml` name the prefix.

use std::fmt::Write as _;

use crate::ids::{AttachmentId, OrgId, RoomId};

/// The name of the metadata that holds the promised properties of a file, in base64url of JSON: `name`, `type`, `size`,
/// `sha256`, `user` and `at`. It is the header `x-amz-meta-rts-file`, both ways.
pub const METADATA: &str = "rts-file";

/// Returns the object's key. It has letters, digits, `-`, `_` and `/` only, so that URLs need no escapes, and no two
/// organizations share one: any other byte in an organization's id becomes `_` and two digits, `_` itself too.
pub fn object_key(org: &OrgId, room: &RoomId, id: &AttachmentId) -> String {
    format!("{}{id}", room_prefix(org, room))
}

/// Returns what the keys of a room's files begin with.
pub fn room_prefix(org: &OrgId, room: &RoomId) -> String {
    format!("{}{room}/", org_prefix(org))
}

/// Returns what the keys of an organization's files begin with.
pub fn org_prefix(org: &OrgId) -> String {
    let mut key = String::from("attachments/");
    for byte in org.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            key.push(byte.into());
        } else {
            write!(key, "_{byte:02X}").expect("writing to a String never fails");
        }
    }
    key.push('/');
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn organizations_never_share_a_key() {
        let (room, id) = (RoomId::new_group(), AttachmentId::random());
        let orgs = ["acme", "ACME", "a/b", "a_2Fb", "a%2Fb", "..", ".", "a b", "조직", "a_b", "a-b", "a__b", "_"];
        let keys: HashSet<_> = orgs.iter().map(|org| object_key(&OrgId::parse(org).unwrap(), &room, &id)).collect();
        assert_eq!(keys.len(), orgs.len());
        for key in keys {
            assert_eq!(key.matches('/').count(), 3, "{key}");
            assert!(key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b)), "{key}");
        }
        let longest = object_key(&OrgId::parse(&"/".repeat(128)).unwrap(), &room, &id);
        assert!(longest.len() <= 1024, "S3 takes keys of 1 024 bytes");
    }
}
