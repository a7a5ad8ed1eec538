//! What the states of an instance and of its targets say.

/// The states for which Auto Scaling takes an instance out of service.
const LEAVING: [&str; 3] = ["Terminated", "Detached", "Standby"];
/// The states of a target that the balancer may send clients to, now or soon.
const SERVING: [&str; 3] = ["initial", "healthy", "unhealthy"];

/// The states that one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// The lifecycle state that Auto Scaling wants for the instance; `None` outside of a group.
    pub(super) lifecycle: Option<String>,
    /// The health of the node's targets; `None` if it was not asked for.
    pub(super) targets: Option<Vec<String>>,
}

impl Signs {
    /// Returns true if the node is leaving, false if it serves, `None` if neither is known: an unregistered target, as
    /// during a deployment, drains no node and brings none back.
    pub(super) fn is_leaving(&self) -> Option<bool> {
        if self.is_taken_out() {
            return Some(true);
        }
        let Some(targets) = &self.targets else { return Some(false) };
        if targets.iter().any(|state| state == "draining") {
            return Some(true);
        }
        targets.iter().any(|state| SERVING.contains(&state.as_str())).then_some(false)
    }

    /// True if Auto Scaling takes the instance out of service, which decides alone.
    pub(super) fn is_taken_out(&self) -> bool {
        self.lifecycle.as_deref().is_some_and(|state| LEAVING.contains(&state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_leaving_by_its_lifecycle_or_its_target() {
        type Row = (Option<&'static str>, Option<&'static [&'static str]>, Option<bool>);
        const ROWS: [Row; 13] = [
            (Some("InService"), Some(&["healthy"]), Some(false)),
            (Some("InService"), Some(&["initial"]), Some(false)),
            (Some("InService"), Some(&["unhealthy"]), Some(false)),
            (Some("InService"), Some(&["draining"]), Some(true)),
            (Some("InService"), Some(&["draining", "healthy"]), Some(true)),
            (Some("InService"), Some(&["unused"]), None),
            (Some("InService"), Some(&[]), None),
            (Some("InService"), None, Some(false)),
            (Some("Terminated"), Some(&[]), Some(true)),
            (Some("Standby"), Some(&["healthy"]), Some(true)),
            (Some("Detached"), None, Some(true)),
            (None, Some(&["healthy"]), Some(false)),
            (None, None, Some(false)),
        ];
        for (lifecycle, targets, is_leaving) in ROWS {
            let signs = Signs {
                lifecycle: lifecycle.map(str::to_owned),
                targets: targets.map(|targets| targets.iter().map(|state| (*state).to_owned()).collect()),
            };
            assert_eq!(signs.is_leaving(), is_leaving, "{signs:?}");
        }
    }
}
