//! The verbs of `cargo local`, one file each; small ones that only ask the supervisor are in this file.

pub mod fixture;
mod load;
pub mod logs;
mod skew;
pub mod test;
pub mod up;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::commands::Command;
use crate::console::{Paint, overview};
use crate::{control, paths, supervisor};

/// `status`: prints the parts and their states.
pub async fn status(as_json: bool) -> anyhow::Result<ExitCode> {
    let answer = control::ask(&paths::up_directory(), &Command::Status).await?;
    let is_running = answer.is_some();
    let mut answer = answer.unwrap_or_else(|| json!({ "parts": [] }));
    if as_json {
        if let Some(fields) = answer.as_object_mut() {
            fields.remove("ok");
        }
        println!("{answer}");
    } else if is_running {
        print!("{}", overview(&answer, Paint::of_terminal()));
    }
    if !is_running {
        eprintln!("{NOT_RUNNING}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// `stop PART`: ends it and keeps it down.
pub async fn stop(part: String) -> anyhow::Result<ExitCode> {
    ask(&Command::Stop(part.clone()), &format!("{part} is down")).await
}

/// `start PART`: brings it back.
pub async fn start(part: String) -> anyhow::Result<ExitCode> {
    ask(&Command::Start(part.clone()), &format!("{part} is up")).await
}

/// `functions on|off`: lets the queues feed the functions, or not.
pub async fn functions(feeds: bool) -> anyhow::Result<ExitCode> {
    let done = if feeds { "the queues feed the functions" } else { "the queues keep their messages" };
    ask(&Command::Functions(feeds), done).await
}

/// `fault SERVICE …`: makes a service of the stand-in fail.
pub async fn fault(words: &[String]) -> anyhow::Result<ExitCode> {
    let line = format!("fault {}", words.join(" "));
    let command = Command::parse(&line).map_err(anyhow::Error::msg)?;
    ask(&command, &command.line()).await
}

/// `down`: ends everything, including processes that a dead supervisor left behind.
pub async fn down() -> anyhow::Result<ExitCode> {
    let directory = paths::up_directory();
    match control::ask(&directory, &Command::Down).await {
        Ok(Some(answer)) => Ok(report(&answer, "everything is down")),
        // It ended before it could answer.
        Err(_) => Ok(report(&json!({ "ok": true }), "everything is down")),
        Ok(None) => {
            if directory.exists() {
                supervisor::sweep(&directory.canonicalize()?)?;
            }
            println!("nothing was running");
            Ok(ExitCode::SUCCESS)
        }
    }
}

const NOT_RUNNING: &str = "no cluster is running; cargo local up starts one";

async fn ask(command: &Command, done: &str) -> anyhow::Result<ExitCode> {
    let Some(answer) = control::ask(&paths::up_directory(), command).await? else {
        eprintln!("{NOT_RUNNING}");
        return Ok(ExitCode::FAILURE);
    };
    Ok(report(&answer, done))
}

fn report(answer: &Value, done: &str) -> ExitCode {
    if answer["ok"] == json!(true) {
        println!("{done}");
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", answer["error"].as_str().unwrap_or("it failed"));
    ExitCode::FAILURE
}
