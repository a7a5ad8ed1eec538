//! Who may be added to rooms, and who makes rooms of cases.

use rts_common::config::Environment;

/// The users who may be added to rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayAdd {
    /// Those who were here before, or are in the directory.
    Directory,
    /// Any id of the own organization.
    Any,
}

/// The users who make rooms of cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakesCases {
    /// Services only.
    Service,
    /// Everyone.
    Members,
}

/// The rules of membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembersConfig {
    /// `RTS_MEMBERS`: `directory` lets people add those who were here before or are in the directory, `any` any id of
    /// their organization. Default `directory`.
    pub may_add: MayAdd,
    /// `RTS_CASES`: `service` lets only tokens whose claim `scope` holds `rts:service` make rooms of cases, `members`
    /// everyone. Default `service`.
    pub makes_cases: MakesCases,
}

impl MembersConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        let may_add = match environment.text("RTS_MEMBERS").as_deref() {
            None | Some("directory") => MayAdd::Directory,
            Some("any") => MayAdd::Any,
            Some(_) => {
                environment.problem("RTS_MEMBERS", "is neither directory nor any");
                MayAdd::Directory
            }
        };
        let makes_cases = match environment.text("RTS_CASES").as_deref() {
            None | Some("service") => MakesCases::Service,
            Some("members") => MakesCases::Members,
            Some(_) => {
                environment.problem("RTS_CASES", "is neither service nor members");
                MakesCases::Service
            }
        };
        Self { may_add, makes_cases }
    }
}
