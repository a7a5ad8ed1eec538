//! `test`: runs every test, as a list of steps. It ends at the first failure.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::bail;

use super::{load, skew};
use crate::cluster::Home;
use crate::console::Paint;
use crate::doctor::{self, build::BINARIES_VARIABLE};
use crate::paths;

/// The stock SignalR client for Python: the package, its version, and the variable that names an interpreter with it.
const SIGNALRCORE: (&str, &str) = ("signalrcore", "1.0.2");
const SIGNALRCORE_PYTHON: &str = "RTS_SIGNALRCORE_PYTHON";
/// The most clusters that tests of one binary run at once: each has some ten processes.
const TEST_THREADS_MAX: usize = 4;

/// One step: a name, and the function that runs it.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Context) -> anyhow::Result<()>,
    /// True if there is something for it to do.
    applies: fn() -> bool,
}

const STEPS: [Step; 8] = [
    Step { name: "doctor", what: "the programs that the cluster needs", run: doctor, applies: || true },
    Step { name: "rust", what: "cargo test --workspace", run: rust, applies: || true },
    Step {
        name: "clients",
        what: "stock SignalR clients (gateway/tests/clients)",
        run: clients,
        applies: || clients_directory().join("package.json").exists(),
    },
    Step {
        name: "web",
        what: "the web app (gateway/web): its units, and browsers on a cluster",
        run: web,
        applies: || paths::web_directory().join("package.json").exists(),
    },
    Step {
        name: "day",
        what: "five minutes of the load that the local cluster carries",
        run: |context| wait_for(load::ordinary_day(&context.binaries)),
        applies: || true,
    },
    Step {
        name: REHEARSAL,
        what: "a thousand users go through swaps and restarts (only with --long, or by its name)",
        run: rehearsal,
        applies: || true,
    },
    Step {
        name: STORMS,
        what: "a part fails for minutes under load (only with --long, or by its name)",
        run: |context| wait_for(load::storms(&context.binaries)),
        applies: || true,
    },
    Step {
        name: SKEW,
        what: "an older build and this one side by side (only with --long, or by its name; .ci/skew makes the older one)",
        run: |context| wait_for(skew::run(&context.binaries)),
        applies: || skew::old_binaries().is_some(),
    },
];

const REHEARSAL: &str = "rehearsal";
const STORMS: &str = "storms";
const SKEW: &str = "skew";
/// The steps that take too long for a regular gate.
const LONG: [&str; 3] = [REHEARSAL, STORMS, SKEW];

/// The things that every step needs.
struct Context {
    binaries: PathBuf,
}

/// Runs the steps with these names, or all; the long ones only on request.
pub fn run(wanted: &[String], long: bool) -> anyhow::Result<ExitCode> {
    let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("there is no step {unknown}; there are {}", known.join(", "));
    }
    let paint = Paint::of_terminal();
    let is_wanted = |step: &&Step| match wanted {
        [] => long || !LONG.contains(&step.name),
        named => named.iter().any(|name| name == step.name),
    };
    let steps: Vec<_> = STEPS.iter().filter(is_wanted).collect();
    Home::remove_old_fixtures()?;
    let build_started = Instant::now();
    let context = Context {
        binaries: doctor::build::binaries(doctor::build::Build::Test, &|text| println!("{}", paint.bold(text)))?,
    };
    let mut done = vec![("build", build_started.elapsed())];
    for (index, step) in steps.iter().enumerate() {
        if !(step.applies)() {
            println!("{} {}: there is nothing for it here", paint.dim("skipped"), step.name);
            continue;
        }
        let title = format!("[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.what);
        println!("\n{}", paint.bold(&title));
        let started = Instant::now();
        if let Err(error) = (step.run)(&context) {
            summary(&done, paint);
            eprintln!("  {} {}: {error:#}", paint.bad("failed"), step.name);
            println!("steps: {} passed, 1 failed", done.len());
            return Ok(ExitCode::FAILURE);
        }
        done.push((step.name, started.elapsed()));
    }
    summary(&done, paint);
    println!("steps: {} passed, 0 failed", done.len());
    Ok(ExitCode::SUCCESS)
}

fn summary(done: &[(&str, Duration)], paint: Paint) {
    println!();
    for (name, took) in done {
        println!("  {} {name:<10} {:>6.1} s", paint.good("passed"), took.as_secs_f64());
    }
}

fn doctor(_: &Context) -> anyhow::Result<()> {
    doctor::tools(true, &say)?;
    Ok(())
}

fn rust(context: &Context) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let threads = std::env::var("RUST_TEST_THREADS").unwrap_or_else(|_| cores.clamp(2, TEST_THREADS_MAX).to_string());
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace"]).env("RUST_TEST_THREADS", threads).current_dir(paths::repository());
    carry_out(command, context)
}

fn clients(context: &Context) -> anyhow::Result<()> {
    let python = doctor::venv::ensure(SIGNALRCORE, &[], &say)?.join("bin/python");
    node(context, &clients_directory(), &[&["test"]], &[(SIGNALRCORE_PYTHON, &python)])
}

/// Runs the unit tests first; then tests the built app in a browser, with a server in memory and with a cluster of two
/// nodes.
fn web(context: &Context) -> anyhow::Result<()> {
    doctor::web::browser(&say)?;
    node(context, &paths::web_directory(), &[&["test"], &["run", "e2e"]], &[])
}

/// Runs a Node.js suite: installs its packages if they differ from the lock file, then runs its tests.
fn node(context: &Context, directory: &Path, scripts: &[&[&str]], environment: &[(&str, &Path)]) -> anyhow::Result<()> {
    let path = doctor::node::path(&say)?;
    let npm = |arguments: &[&str]| {
        let mut command = Command::new("npm");
        command.args(arguments).env("PATH", &path).envs(environment.iter().copied()).current_dir(directory);
        carry_out(command, context)
    };
    if doctor::web::is_older(&directory.join("node_modules/.package-lock.json"), &directory.join("package-lock.json")) {
        npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    }
    scripts.iter().try_for_each(|script| npm(script))
}

/// Runs whole deployments on a stub of AWS, and rehearses one on a cluster, by the program that deploys.
fn rehearsal(context: &Context) -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut tests = Command::new(cargo);
    tests.args(["test", "--workspace", "--test", "it", "--", "--ignored", "deployments::"]);
    tests.current_dir(paths::repository());
    carry_out(tests, context)?;
    let mut command = Command::new(context.binaries.join("rts-deploy"));
    command.arg("rehearse");
    carry_out(command, context)
}

fn carry_out(mut command: Command, context: &Context) -> anyhow::Result<()> {
    command.env(BINARIES_VARIABLE, &context.binaries);
    let status = command.status()?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}

fn clients_directory() -> PathBuf {
    paths::repository().join("gateway/tests/clients")
}

/// Runs an asynchronous step.
fn wait_for(step: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(step))
}

fn say(text: &str) {
    println!("  {text}");
}
