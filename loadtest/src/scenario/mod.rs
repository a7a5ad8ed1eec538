//! The descriptions of runs, as data: a TOML file or a built-in one, changed by flags.

mod file;
mod world;

pub use file::{Arrivals, Connect, Mix, Phase, PhaseKind, Rates, Rooms, Scenario, Shape, Slow, Storm};
pub use world::{Membership, RoomPlan, World};

/// The built-in scenarios by name.
const BUILT_IN: [(&str, &str); 10] = [
    ("pairs", include_str!("../../scenarios/pairs.toml")),
    ("groups", include_str!("../../scenarios/groups.toml")),
    ("big", include_str!("../../scenarios/big.toml")),
    ("mixed", include_str!("../../scenarios/mixed.toml")),
    ("connect-storm", include_str!("../../scenarios/connect-storm.toml")),
    ("reconnect-storm", include_str!("../../scenarios/reconnect-storm.toml")),
    ("slow-readers", include_str!("../../scenarios/slow-readers.toml")),
    ("history", include_str!("../../scenarios/history.toml")),
    ("noise", include_str!("../../scenarios/noise.toml")),
    ("idle", include_str!("../../scenarios/idle.toml")),
];

/// The names of the built-in scenarios.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|&(name, _)| name)
}

impl Scenario {
    /// Loads a built-in scenario, or that of a file whose path ends in `.toml`.
    pub fn load(name: &str) -> anyhow::Result<Self> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Self::parse(text);
        }
        let is_file = std::path::Path::new(name).extension().is_some_and(|end| end == "toml");
        if !is_file {
            let names: Vec<_> = built_in_names().collect();
            anyhow::bail!("there is no scenario {name:?}: it is one of {}, or a .toml file", names.join(", "));
        }
        let text = std::fs::read_to_string(name).map_err(|error| anyhow::anyhow!("cannot read {name}: {error}"))?;
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenarios_are_valid() {
        for name in built_in_names() {
            let scenario = Scenario::load(name).unwrap();
            assert_eq!(scenario.name, name);
            let world = World::new(&scenario, 1).unwrap();
            assert!(!world.rooms.is_empty(), "{name}");
        }
        assert!(Scenario::load("nothing").is_err());
    }
}
