//! The presentations of a run: a live view, a table, `report.json`, and a page for the browser.

mod charts;
mod compare;
mod cost;
mod html;
mod live;
mod model;
mod table;

pub use compare::Comparison;
pub use cost::Prices;
pub use html::page;
pub use live::Live;
pub use model::{NamedViolation, Report, SpanReport};
pub use table::{table, violations};

use std::path::Path;

use anyhow::Context;

impl Report {
    /// Writes `report.json` and `report.html` into a directory, which is created if needed.
    pub fn write(&self, directory: &Path) -> anyhow::Result<()> {
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        write("report.json", &serde_json::to_string_pretty(self)?)?;
        write("report.html", &page(self))
    }

    /// Reads the `report.json` of a directory, or that file itself.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a report", file.display()))
    }
}
