//! The signs by which a node on EC2 learns that it is leaving.

use rts_common::config::Environment;

const NAME: &str = "RTS_LEAVING_SIGNS";

/// `RTS_LEAVING_SIGNS`: the signs that are watched, separated by commas. Default: none, as outside of AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeavingConfig {
    /// `lifecycle`: what Auto Scaling wants of the instance, from its metadata.
    pub lifecycle: bool,
    /// `target`: the health of the node's targets, from the load balancer. Needs the permission for
    /// `elasticloadbalancing:DescribeTargetHealth` and two calls of Auto Scaling.
    pub target: bool,
}

impl LeavingConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        let mut signs = Self::default();
        for sign in environment.list(NAME) {
            match sign.as_str() {
                "lifecycle" => signs.lifecycle = true,
                "target" => signs.target = true,
                _ => environment.problem(NAME, "takes lifecycle and target, with a comma"),
            }
        }
        signs
    }
}
