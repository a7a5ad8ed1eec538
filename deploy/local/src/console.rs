//! The output for users: the table of the cluster, and its events.

use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// The column in which the notes on short commands start.
const COMMAND_WIDTH: usize = 40;

/// The measured capacity of the stand-in.
const CARRIES: &str = "carries some 300 messages/s on two cores; figures through it are the stand-in's, not AWS's";

/// Colours, if the output is a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    is_on: bool,
}

impl Paint {
    /// On in a terminal, unless `NO_COLOR` is set.
    pub(crate) fn of_terminal() -> Self {
        Self { is_on: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Returns the text that `up` prints when everything is ready.
pub(crate) fn welcome(status: &Value, took: Duration, is_detached: bool, paint: Paint) -> String {
    let end = if is_detached { "cargo local down" } else { "Ctrl-C" };
    let balancer = url_of(status, "balancer").unwrap_or_default();
    let token = format!(
        "curl -s {balancer}/dev/token -H 'content-type: application/json' \
         -d '{{\"userId\":\"ada\",\"orgId\":\"acme\",\"name\":\"Ada\"}}'"
    );
    let hints = [
        (token.as_str(), "a token to connect with"),
        ("cargo local status", "every part and its state"),
        ("cargo local logs gateway-1 --follow", "the log of a part, followed"),
        ("cargo local stop gateway-1", "its clients reconnect elsewhere; start brings it back"),
        ("cargo local test", "all tests; they run beside this"),
        (end, "ends everything"),
    ];
    let web = status["web"].as_str().map_or_else(String::new, |url| format!("\n  {} {url}\n", paint.bold("Web app")));
    let mut text = format!(
        "\n  {} {}\n\n{}  {}\n{web}\n  {}\n",
        paint.bold(&paint.good("RTS is up")),
        paint.dim(&format!("after {:.1} s", took.as_secs_f64())),
        table(status, paint),
        paint.dim(CARRIES),
        paint.bold("Try next"),
    );
    for (command, what) in hints {
        let what = paint.dim(&format!("# {what}"));
        let _ = if command.len() < COMMAND_WIDTH {
            writeln!(text, "    {command:<COMMAND_WIDTH$}{what}")
        } else {
            writeln!(text, "    {what}\n    {command}")
        };
    }
    text
}

/// Returns the text that `status` prints: the parts, the web app, and the issuer and audience of tokens.
pub(crate) fn overview(status: &Value, paint: Paint) -> String {
    let mut text = table(status, paint);
    if let Some(web) = status["web"].as_str() {
        let _ = writeln!(text, "\n  {} {web}", paint.bold("Web app"));
    }
    if let (Some(issuer), Some(audience)) = (status["jwt"]["issuer"].as_str(), status["jwt"]["audience"].as_str()) {
        let more = paint.dim("(the secret: cargo local status --json)");
        let _ = writeln!(text, "  {} iss {issuer}, aud {audience} {more}", paint.bold("Tokens"));
    }
    text
}

/// Returns the parts, one per line.
pub(crate) fn table(status: &Value, paint: Paint) -> String {
    let mut text = String::new();
    for part in parts(status) {
        let name = text_of(part, "name");
        let state = text_of(part, "state");
        let state = format!("{state:<11}");
        let state = if text_of(part, "state") == "running" { paint.good(&state) } else { paint.bad(&state) };
        let pid = part["pid"].as_u64().map_or_else(String::new, |pid| pid.to_string());
        let trouble = text_of(part, "trouble");
        let note = if trouble.is_empty() { paint.dim(note(name)) } else { paint.bad(trouble) };
        let url = text_of(part, "url");
        let _ = writeln!(text, "  {name:<11} {state} {pid:>7}  {url:<24} {note}");
        if let Some(admin) = part["admin"].as_str() {
            let what = paint.dim("admin: /metrics, /readyz, POST /drain, POST /revoke");
            let _ = writeln!(text, "  {:<31}  {admin:<24} {what}", "");
        }
    }
    text
}

/// Returns the line of an event, with its time (UTC).
pub(crate) fn happened(text: &str, paint: Paint) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs()) % 86_400;
    let time = format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("  {} {text}", paint.dim(&time))
}

fn note(name: &str) -> &'static str {
    match name {
        "balancer" => "clients connect here: /hubs/chat",
        "aws" => "SQS, DynamoDB, S3 and both functions",
        _ => "",
    }
}

fn url_of<'a>(status: &'a Value, name: &str) -> Option<&'a str> {
    let part = parts(status).find(|part| text_of(part, "name") == name)?;
    part["url"].as_str()
}

fn parts(status: &Value) -> impl Iterator<Item = &Value> {
    status["parts"].as_array().into_iter().flatten()
}

fn text_of<'a>(part: &'a Value, field: &str) -> &'a str {
    part[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_shows_every_part() {
        let status = json!({ "parts": [
            { "name": "balancer", "state": "running", "pid": 12, "url": "http://127.0.0.1:8080" },
            { "name": "redis", "state": "restarting", "pid": null, "trouble": "signal 9" },
        ]});
        let paint = Paint { is_on: false };
        let text = table(&status, paint);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "  balancer    running          12  http://127.0.0.1:8080    clients connect here: /hubs/chat"
        );
        assert!(lines[1].contains("restarting") && lines[1].ends_with("signal 9"));
        let welcome = welcome(&status, Duration::from_millis(3400), false, paint);
        assert!(welcome.contains("after 3.4 s") && welcome.contains("carries some 300 messages/s"));
        assert!(welcome.contains("curl -s http://127.0.0.1:8080/dev/token"));
        assert!(!welcome.contains('\x1b') && !welcome.contains("Web app"));
        let mut status = status;
        status["parts"][0]["admin"] = json!("http://127.0.0.1:9081");
        status["jwt"] = json!({ "issuer": "rts-local", "audience": "rts", "secret": "hunter2" });
        let overview = overview(&status, paint);
        assert!(overview.contains("http://127.0.0.1:9081    admin: /metrics"), "{overview}");
        assert!(overview.contains("iss rts-local, aud rts") && !overview.contains("hunter2"), "{overview}");
        status["web"] = json!("http://127.0.0.1:8080/");
        assert!(super::welcome(&status, Duration::ZERO, true, paint).contains("Web app http://127.0.0.1:8080/"));
    }
}
