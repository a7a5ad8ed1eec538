//! Configuration from the environment. All of it is read and checked first, and every invalid variable is reported at
//! once, before a port is bound.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A text that logs and errors never show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Every variable that is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is not usable:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

type Lookup = dyn Fn(&str) -> Option<String>;

/// Reads variables and collects their problems.
pub struct Environment {
    lookup: Box<Lookup>,
    problems: Vec<String>,
}

impl Environment {
    /// Reads the environment of this process.
    pub fn process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables from a function, for tests.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { lookup: Box::new(lookup), problems: Vec::new() }
    }

    /// Returns the variable's text; a blank one counts as not set.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Returns a mandatory variable. The placeholder returned in its absence is never used: [`Self::finish`] fails.
    pub fn required(&mut self, name: &str, what: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.problem(name, &format!("is not set: {what}"));
            String::new()
        })
    }

    /// Returns a mandatory secret of at least `bytes_min` bytes.
    pub fn required_secret(&mut self, name: &str, what: &str, bytes_min: usize) -> Secret {
        let text = self.required(name, what);
        if !text.is_empty() && text.len() < bytes_min {
            self.problem(name, &format!("is too short: at least {bytes_min} bytes"));
        }
        Secret(text)
    }

    /// Returns a parsed variable, or its default. The error does not show the value: it may be a secret put in the
    /// wrong place.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, form: &str) -> T {
        match self.text(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| {
                self.problem(name, &format!("is not {form}"));
                default
            }),
        }
    }

    /// Returns a number of whole seconds as a duration.
    pub fn seconds(&mut self, name: &str, default: Duration) -> Duration {
        Duration::from_secs(self.parsed(name, default.as_secs(), "a whole number of seconds"))
    }

    /// Returns a flag: `true` or `false`, `1` or `0`.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.text(name).as_deref() {
            None => default,
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            Some(_) => {
                self.problem(name, "is neither true nor false");
                default
            }
        }
    }

    /// Returns the items of a comma-separated list, without the blanks around them.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Records that a variable is invalid.
    pub fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name} {what}"));
    }

    /// Returns the configuration if no variable is invalid.
    pub fn finish<T>(self, config: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() { Ok(config) } else { Err(ConfigError { problems: self.problems }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once_and_no_value_is_shown() {
        let mut environment = Environment::from_lookup(|name| match name {
            "PORT" | "FLAG" => Some("hunter2".to_owned()),
            "KEY" => Some("short".to_owned()),
            _ => None,
        });
        let _ = environment.required("NAME", "what this is called");
        let _ = environment.parsed("PORT", 1_u16, "a port");
        let _ = environment.flag("FLAG", false);
        let _ = environment.required_secret("KEY", "signs", 32);
        let text = environment.finish(()).unwrap_err().to_string();
        for name in ["NAME", "PORT", "FLAG", "KEY"] {
            assert!(text.contains(name), "{text}");
        }
        assert!(!text.contains("hunter2") && !text.contains("short\n"), "{text}");
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[redacted]");
    }
}
