//! The report as one self-contained page: no script, no font, no network.

use std::fmt::Write as _;

use super::charts::{Chart, Line, escape, histogram, latency};
use super::model::Report;

const STYLE: &str = include_str!("page.css");

/// Returns the page.
pub fn page(report: &Report) -> String {
    let title = escape(&format!("{}: {} users, {} rooms", report.scenario, report.users, report.rooms));
    let verdict = if report.passed { "passed" } else { "failed" };
    let mut out = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><header><h1>{title}</h1>\
         <p class=\"verdict {verdict}\">{}</p><p>{} <br>run {} against {}, {}, {:.0} s</p></header><main>",
        verdict.to_uppercase(),
        escape(&report.about),
        escape(&report.run),
        escape(&report.targets.join(", ")),
        escape(&report.started_at),
        report.seconds
    );
    out.push_str(&failures(report));
    out.push_str(&violations(report));
    out.push_str(&figures(report));
    out.push_str(&charts(report));
    out.push_str(&spans(report));
    out.push_str(&machines(report));
    out.push_str(&all_measures(report));
    out.push_str("</main></body></html>\n");
    out
}

fn failures(report: &Report) -> String {
    if report.failures.is_empty() {
        return String::new();
    }
    let mut items = String::new();
    for failure in &report.failures {
        let _infallible = write!(items, "<li>{}</li>", escape(failure));
    }
    format!("<section class=\"bad\"><h2>Failed</h2><ul>{items}</ul></section>")
}

fn violations(report: &Report) -> String {
    if report.violations.is_empty() {
        return "<p class=\"good\">Every message is right: what was acknowledged was delivered to every member exactly once \
                and in order, and is in the history.</p>"
            .to_owned();
    }
    let mut rows = String::new();
    for violation in &report.violations {
        let cell = |value: &Option<String>| escape(value.as_deref().unwrap_or(""));
        let _infallible = write!(
            rows,
            "<tr><td>{}</td><td>{:.3}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&violation.kind),
            violation.at,
            escape(&violation.room),
            violation.seq.map(|seq| seq.to_string()).unwrap_or_default(),
            cell(&violation.user),
            cell(&violation.client_id),
            cell(&violation.sender),
            escape(&violation.detail)
        );
    }
    let counts: Vec<_> = report.violation_counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    format!(
        "<section class=\"bad\"><h2>Violations: {}</h2><div class=\"wide\"><table><tr><th>kind<th>at, s<th>room<th>seq<th>user\
         <th>message<th>sender<th></tr>{rows}</table></div></section>",
        escape(&counts.join(", "))
    )
}

/// Returns the most important figures.
fn figures(report: &Report) -> String {
    let mut out = String::from("<section class=\"figures\">");
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _infallible = write!(out, "<div><b>{value}</b><span>{name}</span></div>");
        }
    };
    let measure = |name: &str| report.measures.get(name).copied();
    let time = |name: &str| measure(name).map(latency);
    let whole = |name: &str| measure(name).map(|value| format!("{value:.0}"));
    add("messages/s", measure("rate").map(|rate| format!("{rate:.1}")));
    add("deliveries/s", whole("deliveries_per_second"));
    add("delivery p50", time("p50"));
    add("delivery p99", time("p99"));
    add("delivery p99.9", time("p999"));
    add("ack p99", time("ack_p99"));
    add("ack p99, first minute", time("ack_p99_first"));
    add("ack p99, last minute", time("ack_p99_last"));
    add("longest stretch without an ack", time("longest_ack_gap"));
    add("sends never acked", whole("unacked"));
    add("refused within, p99", time("refused_told_p99"));
    add("stored p99", time("stored_p99"));
    add("journaled again", whole("journaled_again"));
    let share = measure("journaled_again_share").map(|share| format!("{:.2} %", share * 100.0));
    add("journaled again, of acked", share);
    add("unstored at the end", whole("unstored_left"));
    add("until nothing was left to store", time("drained"));
    add("connect p99", time("connect_p99"));
    add("until everything was in DynamoDB", time("all_stored"));
    add("highest rate", whole("highest_rate"));
    add("errors", whole("errors"));
    add("unavailable", whole("unavailable"));
    add("reads at the end unavailable", whole("reads_unavailable"));
    add("dropped connections", whole("dropped"));
    add("kB per connection", measure("rss").map(|bytes| format!("{:.2}", bytes / 1024.0)));
    add("CPU s per million", measure("cpu_per_million").map(|cpu| format!("{cpu:.2}")));
    let cost = report.cost;
    add("per million messages (estimate)", cost.map(|cost| format!("${:.2}", cost.per_million_messages)));
    add(
        "per 1,000 connection-hours (estimate)",
        cost.map(|cost| format!("${:.4}", cost.per_thousand_connection_hours)),
    );
    out.push_str("</section>");
    if !report.verdicts.is_empty() {
        out.push_str("<ul>");
        for verdict in &report.verdicts {
            let class = if verdict.holds { "good" } else { "broken" };
            let _infallible = write!(out, "<li class=\"{class}\">{}</li>", escape(&verdict.to_string()));
        }
        out.push_str("</ul>");
    }
    out
}

fn charts(report: &Report) -> String {
    let series = &report.series;
    let mut spans: Vec<_> = report.spans.iter().map(|span| (span.name.as_str(), span.from, span.to)).collect();
    spans.extend(report.faults.iter().filter_map(|fault| Some((fault.name.as_str(), fault.from?, fault.to?))));
    let chart = |title, unit, lines| Chart { title, unit, at: &series.at, lines, spans: spans.clone() }.svg();
    let rates = |names: &[&'static str]| -> Vec<Line<'_>> {
        let line = |name: &&'static str| {
            let values = series.rates.get(*name)?.iter().copied().map(Some).collect();
            Some(Line { name, values })
        };
        names.iter().filter_map(line).collect()
    };
    let latencies = |names: [&'static str; 3]| -> Vec<Line<'_>> {
        let line = |(i, name)| {
            let values = series.latency.iter().map(|point| point.map(|values| values[i] * 1e3)).collect();
            Line { name, values }
        };
        names.into_iter().enumerate().map(line).collect()
    };
    let mut median_and_p99 = latencies(["p50", "p99", "max"]);
    let greatest = median_and_p99.pop();
    let connects = series.connect_p99.iter().map(|p99| p99.map(|seconds| seconds * 1e3)).collect();
    let processes = |of: &dyn Fn(usize) -> Vec<Option<f64>>| -> Vec<Line<'_>> {
        let line = |(i, process)| {
            let process: &super::model::ProcessReport = process;
            Line { name: &process.name, values: of(i) }
        };
        report.processes.iter().enumerate().map(line).collect()
    };
    let cpu = |i: usize| series.cpu[i].iter().copied().map(Some).collect();
    let rss = |i: usize| series.rss[i].iter().map(|&bytes| Some(bytes as f64 / 1_048_576.0)).collect();
    let online = vec![Line { name: "connections", values: series.online.iter().map(|&n| Some(n as f64)).collect() }];
    let mut out = String::from("<section class=\"charts\">");
    out.push_str(&chart("Delivery latency over time", "ms", median_and_p99));
    out.push_str(&chart("Greatest delivery latency", "ms", greatest.into_iter().collect()));
    for (name, buckets) in &report.histograms {
        if ["delivery", "ack", "stored", "catch_up"].contains(&name.as_str()) {
            out.push_str(&histogram(&format!("Latency: {name}"), buckets));
        }
    }
    out.push_str(&chart("Messages", "/s", rates(&["sent", "acked", "resent"])));
    out.push_str(&chart("Deliveries", "/s", rates(&["delivered", "noise"])));
    out.push_str(&chart(
        "Errors",
        "/s",
        rates(&["errors", "unavailable", "rate_limited", "unsent", "connect_failures", "dropped"]),
    ));
    out.push_str(&chart("Connections", "", online));
    out.push_str(&chart("Connects", "/s", rates(&["connects", "dropped", "cut"])));
    out.push_str(&chart("Connect latency, p99", "ms", vec![Line { name: "p99", values: connects }]));
    out.push_str(&chart("Processor", "cores", processes(&cpu)));
    out.push_str(&chart("Memory", "MB", processes(&rss)));
    out.push_str("</section>");
    out
}

fn spans(report: &Report) -> String {
    let mut rows = String::new();
    for span in &report.spans {
        let time = |name: &str| span.measures.get(name).map(|&seconds| latency(seconds)).unwrap_or_default();
        let number = |name: &str| span.measures.get(name).copied().unwrap_or_default();
        let verdicts: Vec<_> = span.verdicts.iter().map(|verdict| escape(&verdict.to_string())).collect();
        let _infallible = write!(
            rows,
            "<tr><td>{}</td><td>{:.0}–{:.0}</td><td>{:.1}</td><td>{:.0}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&span.name),
            span.from,
            span.to,
            number("rate"),
            number("deliveries_per_second"),
            time("p50"),
            time("p99"),
            time("p999"),
            time("ack_p99"),
            verdicts.join("<br>")
        );
    }
    format!(
        "<section><h2>Phases</h2><div class=\"wide\"><table><tr><th>phase<th>seconds<th>sent/s<th>deliveries/s<th>p50<th>p99<th>p99.9\
         <th>ack p99<th>limit</tr>{rows}</table></div></section>"
    )
}

fn machines(report: &Report) -> String {
    if report.machines.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for machine in &report.machines {
        let state = machine.lost.as_ref().map_or("present until the end".to_owned(), |why| format!("LOST: {why}"));
        let _infallible = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&machine.name),
            machine.users,
            machine.threads,
            latency(machine.clock_error),
            escape(&state)
        );
    }
    format!(
        "<section><h2>Machines</h2><div class=\"wide\"><table><tr><th>worker<th>users<th>threads<th>clock off by at most\
         <th></tr>{rows}</table></div></section>"
    )
}

fn all_measures(report: &Report) -> String {
    let mut rows = String::new();
    for (name, value) in &report.measures {
        let _infallible = write!(rows, "<tr><td>{}</td><td>{value}</td></tr>", escape(name));
    }
    for (reason, times) in &report.connection_ends {
        let _infallible = write!(rows, "<tr><td>{}</td><td>{times} ×</td></tr>", escape(reason));
    }
    format!("<details><summary>All measures, in seconds, bytes and counts</summary><table>{rows}</table></details>")
}
