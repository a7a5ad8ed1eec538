//! The sentences for requests that cannot be read, and for calls that a rule of the room forbids.

use rts_common::limits;
use rts_common::signalr::Fault;

use super::Method;
use crate::error::HubError;

/// Returns the error for a request that is not of the method's type: it names the field, and the rule if it has one.
pub(super) fn unreadable(fault: Fault) -> HubError {
    HubError::invalid(match fault {
        Fault::NoObject => "The request has to be one object.".to_owned(),
        Fault::Lacks(field) => format!("{field} is missing."),
        Fault::NotOneOf(field, values) => format!("{field} has to be {values}."),
        Fault::Wrong(field) => match rule(&field) {
            Some(rule) => format!("{field} has to be {rule}."),
            None => format!("{field} has the wrong type or value."),
        },
    })
}

/// The rule of a field, found by the end of its path.
fn rule(path: &str) -> Option<String> {
    let name = path.rsplit('.').next()?.split('[').next()?;
    Some(match name {
        "clientId" => "a text of 1 to 64 characters".to_owned(),
        "seq" | "before" | "after" | "from" | "to" | "replyTo" => "a seq: a whole number from 0".to_owned(),
        "limit" => "a whole number".to_owned(),
        "emoji" => "one emoji".to_owned(),
        "userIds" | "memberIds" if !path.ends_with(']') => "a list of ids".to_owned(),
        "userIds" | "memberIds" | "caseId" => "an id of 1 to 128 bytes without control characters".to_owned(),
        "attachmentIds" if !path.ends_with(']') => "a list of ids that CreateUpload returned".to_owned(),
        "attachmentIds" => "an id that CreateUpload returned".to_owned(),
        "rooms" => format!("at most {} objects of roomId and seq", limits::RESUME_ROOMS),
        "on" | "typing" | "archived" => "true or false".to_owned(),
        "roomId" | "userId" | "attachmentId" | "body" | "name" | "query" | "cursor" | "fileName" | "contentType"
        | "sha256" => "a text".to_owned(),
        "sizeBytes" => "a whole number of bytes".to_owned(),
        _ => return None,
    })
}

/// Returns who may call a method, for a caller who may not; `None` if every member may.
pub(super) const fn rule_of(method: Method) -> Option<&'static str> {
    match method {
        Method::RenameRoom => Some("A direct room has no name of its own."),
        Method::RemoveMember => Some("Only an owner removes members, and nobody is removed from a direct room."),
        Method::LeaveRoom => Some("A direct room cannot be left."),
        Method::ArchiveRoom | Method::UnarchiveRoom => {
            Some("Only an owner archives a room; of a direct room, its creator.")
        }
        Method::EditMessage => Some("Only its sender edits a message."),
        Method::DeleteMessage => Some("Only its sender or an owner of the room deletes a message."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_and_its_rule_are_named() {
        let said = |fault| unreadable(fault).to_string();
        assert_eq!(said(Fault::Lacks("clientId".to_owned())), "invalidArgument: clientId is missing.");
        assert_eq!(
            said(Fault::Wrong("rooms[2].seq".to_owned())),
            "invalidArgument: rooms[2].seq has to be a seq: a whole number from 0."
        );
        assert_eq!(
            said(Fault::NotOneOf("kind".to_owned(), "direct or group".to_owned())),
            "invalidArgument: kind has to be direct or group."
        );
        assert_eq!(said(Fault::NoObject), "invalidArgument: The request has to be one object.");
    }
}
