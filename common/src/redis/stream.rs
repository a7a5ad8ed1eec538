//! An entry of a room's stream, as `append` in `prelude.lua` and `send.lua` write it.

use redis::Cmd;

use super::keys;
use crate::ids::RoomId;
use crate::seq::Seq;

/// One entry, with its fields still as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEntry<'a> {
    /// Its id, which is its seq.
    pub seq: Seq,
    /// The event: `c` created, `e` edited, `d` deleted, `r` reaction, `u` room updated.
    pub kind: &'a str,
    /// The seq of the previous entry.
    pub prev: Seq,
    /// The message that it concerns.
    pub message: Seq,
    /// The message's number in its room.
    pub ordinal: u64,
    /// The body, as JSON.
    pub body: &'a str,
}

impl<'a> StreamEntry<'a> {
    /// Reads an entry; `None` if it is malformed.
    pub fn read(id: &str, fields: &'a [String]) -> Option<Self> {
        let ["k", kind, "p", prev, "m", message, "n", ordinal, "u", _sender, "s", body] =
            fields.iter().map(String::as_str).collect::<Vec<_>>()[..]
        else {
            return None;
        };
        Some(Self {
            seq: Seq::parse(id.split_once('-')?.0)?,
            kind,
            prev: Seq::parse(prev)?,
            message: Seq::parse(message)?,
            ordinal: ordinal.parse().ok()?,
            body,
        })
    }
}

/// Makes the command that reads the entries of a room from one seq to another, both included.
pub fn range(room: &RoomId, from: Seq, to: Seq) -> Cmd {
    let mut range = redis::cmd("XRANGE");
    range.arg(keys::room_stream(room)).arg(format!("{from}-0")).arg(format!("{to}-0"));
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_by_its_fields() {
        let fields = ["k", "c", "p", "4", "m", "7", "n", "3", "u", "ann", "s", "{}"].map(str::to_owned);
        let seq = |number| Seq::new(number).unwrap();
        let entry = StreamEntry { seq: seq(7), kind: "c", prev: seq(4), message: seq(7), ordinal: 3, body: "{}" };
        assert_eq!(StreamEntry::read("7-0", &fields), Some(entry));
        assert_eq!(StreamEntry::read("7", &fields), None);
        assert_eq!(StreamEntry::read("7-0", &fields[..10]), None);
        let other = ["x", "c", "p", "4", "m", "7", "n", "3", "u", "ann", "s", "{}"].map(str::to_owned);
        assert_eq!(StreamEntry::read("7-0", &other), None);
    }
}
