//! `CloudWatch`'s embedded metric format: figures of a batch as one line of JSON, which `CloudWatch` Logs turns into metrics.
//!
//! Namespace `RTS`, dimension `Queue` (`messages`, `rooms`). A batch that is delivered again counts again, as it works again.
//! Source: the embedded metric format specification (at most 100 metrics, nothing around the object).

use std::io::Write as _;

use serde_json::{Map, Value, json};

/// The figures of a batch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BatchFigures {
    /// Records received.
    pub(crate) records: usize,
    /// Records that cannot be read.
    pub(crate) poison: usize,
    /// Messages to be delivered again.
    pub(crate) reported: usize,
    /// Writes that were tried again.
    pub(crate) retries: u32,
    /// The longest wait in the queue.
    pub(crate) wait_ms_max: Option<u64>,
    /// The longest time from a change's acceptance until it was stored.
    pub(crate) lag_ms_max: Option<u64>,
    /// The time that the batch took.
    pub(crate) took_ms: u64,
}

/// Writes the line of a batch to standard output, apart from the log.
pub(crate) fn print(queue: &'static str, figures: &BatchFigures, now_ms: u64) {
    let mut out = std::io::stdout().lock();
    // Nobody reads it: the batch does not depend on its figures.
    let _unread = writeln!(out, "{}", line(queue, figures, now_ms));
}

fn line(queue: &'static str, figures: &BatchFigures, now_ms: u64) -> Value {
    let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
    let metrics = [
        ("Records", "Count", Some(count(figures.records))),
        ("PoisonRecords", "Count", Some(count(figures.poison))),
        ("ReportedMessages", "Count", Some(count(figures.reported))),
        ("Retries", "Count", Some(figures.retries.into())),
        ("QueueWaitMax", "Milliseconds", figures.wait_ms_max),
        ("PersistLagMax", "Milliseconds", figures.lag_ms_max),
        ("BatchDuration", "Milliseconds", Some(figures.took_ms)),
    ];
    let known = || metrics.iter().filter_map(|(name, unit, value)| Some((*name, *unit, (*value)?)));
    let declared: Vec<_> = known().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now_ms,
            "CloudWatchMetrics": [{"Namespace": "RTS", "Dimensions": [["Queue"]], "Metrics": declared}],
        }),
    );
    line.insert("Queue".to_owned(), queue.into());
    line.extend(known().map(|(name, _, value)| (name.to_owned(), value.into())));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_declared_metric_and_dimension_has_its_value() {
        let figures =
            BatchFigures { records: 10, reported: 1, wait_ms_max: Some(250), took_ms: 40, ..Default::default() };
        let line = line("messages", &figures, 1_767_225_600_000);
        let text = line.to_string();
        assert!(text.starts_with('{') && !text.contains('\n'));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("RTS"), &json!([["Queue"]])));
        assert_eq!(line["Queue"], "messages");
        let metrics = directive["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 6, "what is not known is not declared: {text}");
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
        }
        assert_eq!((&line["QueueWaitMax"], &line["Records"]), (&json!(250), &json!(10)));
    }
}
