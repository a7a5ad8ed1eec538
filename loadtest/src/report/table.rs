//! The report as text.

use std::fmt::Write as _;

use super::model::Report;

/// Violations shown in the terminal; the report has more.
const SHOWN_MAX: usize = 20;

/// The table at the end of a run.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    let _infallible = write_table(&mut out, report);
    out
}

fn write_table(out: &mut String, report: &Report) -> std::fmt::Result {
    let measure = |name: &str| report.measures.get(name).copied();
    let count = |name: &str| measure(name).unwrap_or_default();
    writeln!(out, "\n{}: {} users, {} rooms, {:.0} s", report.scenario, report.users, report.rooms, report.seconds)?;
    writeln!(
        out,
        "  sent {:.0} ({:.1}/s)   acked {:.0}   delivered {:.0} ({:.0}/s)   resent {:.0}   rate limited {:.0}   errors {:.0}   unsent {:.0}",
        count("sent"),
        count("rate"),
        count("acked"),
        count("delivered"),
        count("deliveries_per_second"),
        count("resent"),
        count("rate_limited"),
        count("errors"),
        count("unsent"),
    )?;
    writeln!(
        out,
        "  connects {:.0}   failed {:.0}   dropped {:.0}   cut {:.0}   absent at the end {:.0}",
        count("connects"),
        count("connect_failures"),
        count("dropped"),
        count("cut"),
        count("absent")
    )?;
    if count("unsent") > 0.0 {
        let share = 100.0 * count("unsent") / (count("sent") + count("unsent"));
        writeln!(
            out,
            "  WARNING: {share:.0} % of the load was not sent: too few users for the rate, or a slow cluster"
        )?;
    }
    acknowledgements(out, report)?;
    storing(out, report)?;
    latencies(out, report)?;
    resources(out, report)?;
    for span in report.spans.iter().filter(|span| !span.verdicts.is_empty()) {
        let broken: Vec<_> = span.verdicts.iter().filter(|v| !v.holds).map(ToString::to_string).collect();
        let word = if broken.is_empty() { "kept its limit".to_owned() } else { broken.join(", ") };
        writeln!(out, "  {}: {word}", span.name)?;
    }
    if let Some(best) = measure("highest_rate") {
        writeln!(out, "  highest rate that kept the limit: {best:.0} messages/s")?;
    }
    if let Some(cost) = &report.cost {
        writeln!(
            out,
            "  estimated cost: ${:.2} per million messages, ${:.4} per 1,000 connection-hours",
            cost.per_million_messages, cost.per_thousand_connection_hours
        )?;
    }
    for (reason, times) in report.connection_ends.iter().take(10) {
        writeln!(out, "  {times} × {reason}")?;
    }
    out.push_str(&violations(report));
    for verdict in &report.verdicts {
        writeln!(out, "  {verdict}")?;
    }
    for failure in &report.failures {
        writeln!(out, "  FAILED: {failure}")?;
    }
    writeln!(out, "{}", if report.passed { "PASSED" } else { "FAILED" })
}

fn acknowledgements(out: &mut String, report: &Report) -> std::fmt::Result {
    let measure = |name: &str| report.measures.get(name).copied();
    let count = |name: &str| measure(name).unwrap_or_default();
    writeln!(
        out,
        "  never acked {:.0}   refused for good {:.0}   unavailable {:.0}   longest stretch without an ack {:.2} s",
        count("unacked"),
        count("refused"),
        count("unavailable"),
        count("longest_ack_gap")
    )?;
    if let (Some(first), Some(last)) = (measure("ack_p99_first"), measure("ack_p99_last")) {
        let (first, last, growth) = (first * 1e3, last * 1e3, count("ack_p99_growth"));
        writeln!(out, "  ack p99 of the first minute {first:.2} ms, of the last {last:.2} ms: {growth:.2} ×")?;
    }
    writeln!(
        out,
        "  read back at the end: {:.0} calls, {:.0} of them unavailable and repeated",
        count("reads_back"),
        count("reads_unavailable")
    )
}

fn storing(out: &mut String, report: &Report) -> std::fmt::Result {
    let measure = |name: &str| report.measures.get(name).copied();
    if let Some(journaled) = measure("journaled_again") {
        let share = measure("journaled_again_share").unwrap_or_default() * 100.0;
        let left = measure("unstored_left").map_or("not known".to_owned(), |left| format!("{left:.0}"));
        let drained = match measure("drained") {
            Some(seconds) => format!("nothing left to store {seconds:.1} s after the load"),
            None => "the queue was not empty in time".to_owned(),
        };
        writeln!(
            out,
            "  journaled again {journaled:.0} ({share:.2} % of acked)   unstored at the end {left}   {drained}"
        )?;
    }
    for fault in &report.faults {
        let at = |time: Option<f64>| time.map_or("-".to_owned(), |seconds| format!("{seconds:.1} s"));
        let how = match (&fault.error, fault.to) {
            (Some(error), _) => format!("FAILED: {error}"),
            (None, Some(to)) => format!("from {} to {to:.1} s", at(fault.from)),
            (None, None) => format!("at {}", at(fault.from)),
        };
        writeln!(out, "  fault {}: {how}", fault.name)?;
    }
    Ok(())
}

fn latencies(out: &mut String, report: &Report) -> std::fmt::Result {
    let measure = |name: &str| report.measures.get(name).copied();
    writeln!(out, "\n  {:<12}{:>10}{:>10}{:>10}{:>10}{:>10}", "latency, ms", "p50", "p90", "p99", "p99.9", "max")?;
    for (name, prefix) in [
        ("delivery", ""),
        ("catch-up", "catch_up_"),
        ("ack", "ack_"),
        ("stored", "stored_"),
        ("connect", "connect_"),
        ("other calls", "call_"),
        ("refused", "refused_told_"),
        ("send lag", "send_lag_"),
    ] {
        let values = ["p50", "p90", "p99", "p999", "max"].map(|quantile| measure(&format!("{prefix}{quantile}")));
        if values[0].is_some() {
            let cells = values.map(|value| format!("{:>10}", milliseconds(value)));
            writeln!(out, "  {name:<12}{}", cells.concat())?;
        }
    }
    Ok(())
}

fn resources(out: &mut String, report: &Report) -> std::fmt::Result {
    let measure = |name: &str| report.measures.get(name).copied();
    for process in &report.processes {
        let megabytes = |bytes: u64| bytes as f64 / 1_048_576.0;
        writeln!(
            out,
            "  {} (pid {}): {:.2} s of CPU under load, RSS {:.1} → {:.1} → {:.1} MB",
            process.name,
            process.pid,
            process.cpu_seconds,
            megabytes(process.rss_before),
            megabytes(process.rss_connected),
            megabytes(process.rss_loaded)
        )?;
    }
    if let Some(seconds) = measure("all_stored") {
        writeln!(out, "  DynamoDB held all of it, and nothing twice, {seconds:.1} s after the load")?;
    }
    for machine in &report.machines {
        let (name, users, threads) = (&machine.name, machine.users, machine.threads);
        let clock = machine.clock_error * 1e3;
        writeln!(out, "  worker {name}: {users} users on {threads} threads, clock within {clock:.2} ms")?;
        if let Some(why) = &machine.lost {
            writeln!(out, "  WORKER LOST: {name}: {why}")?;
        }
    }
    if let Some(rss) = measure("rss") {
        writeln!(out, "  {:.2} kB of RSS per connection, of the nodes", rss / 1024.0)?;
    }
    if let Some(cpu) = measure("cpu_per_million") {
        writeln!(out, "  {cpu:.2} s of CPU per million deliveries, of the nodes")?;
    }
    Ok(())
}

/// Lists the violations, the first ones in detail.
pub fn violations(report: &Report) -> String {
    let mut out = String::new();
    if report.violation_counts.is_empty() {
        out.push_str("  checked: every message is right\n");
        return out;
    }
    let counts: Vec<_> = report.violation_counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let _infallible = writeln!(out, "  VIOLATIONS: {}", counts.join(", "));
    for violation in report.violations.iter().take(SHOWN_MAX) {
        let _infallible = write!(out, "    {:<20} at {:>8.3} s  room {}", violation.kind, violation.at, violation.room);
        let seq = violation.seq.map(|seq| seq.to_string());
        let parts = [
            ("seq", &seq),
            ("user", &violation.user),
            ("message", &violation.client_id),
            ("sender", &violation.sender),
        ];
        for (name, value) in parts {
            if let Some(value) = value {
                let _infallible = write!(out, "  {name} {value}");
            }
        }
        let _infallible = writeln!(out, "  {}", violation.detail);
    }
    let listed = report.violations.len();
    if listed > SHOWN_MAX {
        let _infallible = writeln!(out, "    … and {} more in the report", listed - SHOWN_MAX);
    }
    out
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{:.2}", seconds * 1000.0))
}
