//! The methods by name.

/// A method of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `CreateRoom`
    CreateRoom,
    /// `AddMembers`
    AddMembers,
    /// `RemoveMember`
    RemoveMember,
    /// `LeaveRoom`
    LeaveRoom,
    /// `RenameRoom`
    RenameRoom,
    /// `ArchiveRoom`
    ArchiveRoom,
    /// `UnarchiveRoom`
    UnarchiveRoom,
    /// `ListRooms`
    ListRooms,
    /// `GetRoom`
    GetRoom,
    /// `SendMessage`
    SendMessage,
    /// `EditMessage`
    EditMessage,
    /// `DeleteMessage`
    DeleteMessage,
    /// `React`
    React,
    /// `MarkRead`
    MarkRead,
    /// `MarkDelivered`
    MarkDelivered,
    /// `GetHistory`
    GetHistory,
    /// `SearchMessages`
    SearchMessages,
    /// `CreateUpload`
    CreateUpload,
    /// `GetAttachmentUrl`
    GetAttachmentUrl,
    /// `Resume`
    Resume,
    /// `StreamHistory`, a stream
    StreamHistory,
    /// `SetTyping`
    SetTyping,
    /// `SetPresence`
    SetPresence,
    /// `WatchPresence`
    WatchPresence,
    /// `SearchUsers`
    SearchUsers,
}

impl Method {
    /// Every one of them.
    pub const ALL: [Self; 25] = [
        Self::CreateRoom,
        Self::AddMembers,
        Self::RemoveMember,
        Self::LeaveRoom,
        Self::RenameRoom,
        Self::ArchiveRoom,
        Self::UnarchiveRoom,
        Self::ListRooms,
        Self::GetRoom,
        Self::SendMessage,
        Self::EditMessage,
        Self::DeleteMessage,
        Self::React,
        Self::MarkRead,
        Self::MarkDelivered,
        Self::GetHistory,
        Self::SearchMessages,
        Self::CreateUpload,
        Self::GetAttachmentUrl,
        Self::Resume,
        Self::StreamHistory,
        Self::SetTyping,
        Self::SetPresence,
        Self::WatchPresence,
        Self::SearchUsers,
    ];

    /// By name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }

    /// Its name, also the label of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateRoom => "CreateRoom",
            Self::AddMembers => "AddMembers",
            Self::RemoveMember => "RemoveMember",
            Self::LeaveRoom => "LeaveRoom",
            Self::RenameRoom => "RenameRoom",
            Self::ArchiveRoom => "ArchiveRoom",
            Self::UnarchiveRoom => "UnarchiveRoom",
            Self::ListRooms => "ListRooms",
            Self::GetRoom => "GetRoom",
            Self::SendMessage => "SendMessage",
            Self::EditMessage => "EditMessage",
            Self::DeleteMessage => "DeleteMessage",
            Self::React => "React",
            Self::MarkRead => "MarkRead",
            Self::MarkDelivered => "MarkDelivered",
            Self::GetHistory => "GetHistory",
            Self::SearchMessages => "SearchMessages",
            Self::CreateUpload => "CreateUpload",
            Self::GetAttachmentUrl => "GetAttachmentUrl",
            Self::Resume => "Resume",
            Self::StreamHistory => "StreamHistory",
            Self::SetTyping => "SetTyping",
            Self::SetPresence => "SetPresence",
            Self::WatchPresence => "WatchPresence",
            Self::SearchUsers => "SearchUsers",
        }
    }

    /// Whether it answers with a stream.
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::StreamHistory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(&method.name().to_lowercase()), Some(method));
        }
        assert_eq!(Method::from_name("SendMessages"), None);
    }
}
