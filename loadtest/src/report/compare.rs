//! Two runs side by side.

use std::collections::BTreeSet;
use std::fmt;

use super::model::Report;
use crate::measures::{self, Better, Quantity};

/// A change smaller than this is none: two runs of the same build differ by as much.
const NOTEWORTHY: f64 = 0.05;

/// Two runs, compared.
pub struct Comparison {
    titles: [String; 2],
    warnings: Vec<String>,
    rows: Vec<Row>,
    fail_over: Option<f64>,
}

struct Row {
    name: String,
    values: [Option<f64>; 2],
    quantity: Quantity,
    better: Better,
}

impl Comparison {
    /// Compares everything measured in either of two runs. With `fail_over`, a measure that is worse in the second by
    /// more than that share makes the comparison a bad one.
    pub fn new(reports: &[Report; 2], titles: &[String; 2], fail_over: Option<f64>) -> Self {
        let [first, second] = reports;
        let mut warnings = Vec::new();
        let mut note = |what: &str, first: String, second: String| {
            if first != second {
                warnings.push(format!("the {what} differ: {first} and {second}"));
            }
        };
        note("scenarios", first.scenario.clone(), second.scenario.clone());
        note("numbers of users", first.users.to_string(), second.users.to_string());
        note("numbers of rooms", first.rooms.to_string(), second.rooms.to_string());
        note("results", passed(first), passed(second));
        let names: BTreeSet<_> = first.measures.keys().chain(second.measures.keys()).collect();
        let rows = names.into_iter().filter_map(|name| {
            let values = [first, second].map(|report| report.measures.get(name).copied());
            let is_empty = values.iter().flatten().all(|value| *value == 0.0);
            // A name of an earlier build is shown as a number.
            let known = measures::find(name);
            let quantity = known.map_or(Quantity::Share, |measure| measure.quantity);
            let better = known.map_or(Better::Neither, |measure| measure.better);
            (!is_empty).then(|| Row { name: name.clone(), values, quantity, better })
        });
        Self { titles: titles.clone(), warnings, rows: rows.collect(), fail_over }
    }

    /// True if nothing is worse by more than allowed.
    pub fn is_good(&self) -> bool {
        self.failures().next().is_none()
    }

    fn failures(&self) -> impl Iterator<Item = &Row> {
        let allowed = self.fail_over.unwrap_or(f64::INFINITY);
        self.rows.iter().filter(move |row| row.worse_by().is_some_and(|share| share > allowed))
    }
}

impl Row {
    /// Returns the share by which the second value is worse; negative if it is better.
    fn worse_by(&self) -> Option<f64> {
        let [first, second] = [self.values[0]?, self.values[1]?];
        let difference = second - first;
        let change = if difference.abs() < f64::EPSILON { 0.0 } else { difference / first };
        match self.better {
            Better::Lower => Some(change),
            Better::Higher => Some(-change),
            Better::Neither => None,
        }
    }

    fn verdict(&self) -> String {
        match self.worse_by() {
            None => String::new(),
            Some(share) if share.abs() < NOTEWORTHY => "same".to_owned(),
            Some(share) if share.is_infinite() => "worse".to_owned(),
            Some(share) if share > 0.0 => format!("worse by {:.0} %", share * 100.0),
            Some(share) => format!("better by {:.0} %", -share * 100.0),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "WARNING: {warning}")?;
        }
        let [first, second] = &self.titles;
        writeln!(f, "{:<24}{first:>20}{second:>20}  the second is", "")?;
        for row in &self.rows {
            let [first, second] =
                row.values.map(|value| value.map_or("-".to_owned(), |value| row.quantity.show(value)));
            let line = format!("{:<24}{first:>20}{second:>20}  {}", row.name, row.verdict());
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some(allowed) = self.fail_over {
            for row in self.failures() {
                writeln!(f, "FAILED: {} is {}, more than {:.0} %", row.name, row.verdict(), allowed * 100.0)?;
            }
        }
        Ok(())
    }
}

fn passed(report: &Report) -> String {
    if report.passed { "passed" } else { "failed" }.to_owned()
}
