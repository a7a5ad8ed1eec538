//! The two environments of gateways, of which one serves while the other is made anew.

use std::fmt;
use std::str::FromStr;

/// One of the two environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// `rts-server-prod`.
    Blue,
    /// `rts-server-prod-green`.
    Green,
}

impl Side {
    /// Returns the other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blue => "blue",
            Self::Green => "green",
        })
    }
}

impl FromStr for Side {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "blue" => Ok(Self::Blue),
            "green" => Ok(Self::Green),
            _ => Err("there are blue and green"),
        }
    }
}
