//! `up`: brings the cluster up and supervises it until it is told to end.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cluster::{Cluster, ClusterError, ClusterOptions, ClusterSpec, Home, Ports};
use crate::commands::Command;
use crate::console::{Paint, happened, welcome};
use crate::control::{self, Request};
use crate::doctor::{self, build::BINARIES_VARIABLE};
use crate::parts::gateway::Jwt;
use crate::supervisor::{self, Event, EventKind};
use crate::{paths, ports};

/// The time in which a supervisor in the background must answer.
const DETACH_PATIENCE: Duration = Duration::from_mins(3);
/// This running program, even after a build has replaced its file.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The port of Angular's development server.
const WEB_DEVELOPMENT_PORT: u16 = 4200;

/// The arguments of `up`.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The number of gateways.
    pub nodes: usize,
    /// True to return when everything is ready, and leave it running.
    pub detach: bool,
    /// True to keep the data of the last run, and this run's for the next.
    pub keep: bool,
    /// True for the process that `--detach` leaves running.
    pub is_background: bool,
    /// Origins of the developer's own pages, besides those on loopback.
    pub origins: Vec<String>,
    /// The web app for the background process; others build it.
    pub web_root: Option<PathBuf>,
}

/// Runs the cluster.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let paint = Paint::of_terminal();
    let say = |text: &str| println!("  {}", paint.dim(text));
    let Some(home) = Home::of_up()? else {
        bail!("a cluster is running already; cargo local status shows it, cargo local down ends it");
    };
    supervisor::sweep(home.path())?;
    let spec = spec(&arguments, home, &say)?;
    if arguments.detach {
        let binaries = spec.binaries.clone().unwrap_or_default();
        let web_root = spec.options.web_root.clone();
        // The one in the background takes the directory over.
        drop(spec);
        return detach(&Arguments { web_root, ..arguments }, &binaries, started).await;
    }
    let mut signals = Signals::listen()?;
    let cluster = tokio::select! {
        cluster = spec.build(&say) => Arc::new(cluster?),
        () = signals.end() => {
            say("ended before it was up");
            return Ok(ExitCode::FAILURE);
        }
    };
    let listener = control::listen(cluster.directory()).context("the control socket")?;
    let status = Command::Status.carry_out(&cluster).await;
    println!("{}", welcome(&status, started.elapsed(), arguments.is_background, paint));
    if arguments.is_background {
        signals.ignore_hangup();
    }
    let asked_down = supervise(&cluster, &listener, &mut signals, paint).await;
    control::close(cluster.directory());
    say("stopping; another Ctrl-C ends it at once");
    tokio::select! {
        () = cluster.stop_all() => {}
        () = signals.end() => {}
    }
    drop(cluster);
    if let Some(request) = asked_down {
        request.answer(&serde_json::json!({ "ok": true })).await;
    }
    Ok(ExitCode::SUCCESS)
}

fn spec(arguments: &Arguments, home: Home, say: &dyn Fn(&str)) -> Result<ClusterSpec, ClusterError> {
    let mut options = ClusterOptions {
        nodes: arguments.nodes,
        prometheus: true,
        keeps_data: arguments.keep,
        ..ClusterOptions::default()
    };
    if let Some(problem) = options.problem() {
        return Err(ClusterError::Options(problem));
    }
    let ports = Ports::fixed(arguments.nodes);
    let tools = doctor::tools(true, say)?;
    let binaries = Some(doctor::build::binaries(doctor::build::Build::Optimised, say)?);
    let taken = ports.taken(&options);
    if !taken.is_empty() {
        return Err(ClusterError::Ports(taken));
    }
    if !ports::is_free(ports.prometheus) {
        let holder = ports::holder(ports.prometheus).unwrap_or_else(|| "something".to_owned());
        say(&format!("no Prometheus: its port {} is in use by {holder}", ports.prometheus));
        options.prometheus = false;
    }
    options.web_root = if arguments.is_background { arguments.web_root.clone() } else { doctor::web::built(say) };
    let origins = ["http://127.0.0.1", "http://localhost"].iter().flat_map(|host| {
        [ports.balancer, WEB_DEVELOPMENT_PORT]
            .into_iter()
            .chain(ports.gateways.clone())
            .map(move |port| format!("{host}:{port}"))
    });
    Ok(ClusterSpec {
        allowed_origins: origins.chain(arguments.origins.iter().cloned()).collect(),
        jwt: jwt(&paths::local().join("jwt.json"))?,
        options,
        home,
        ports,
        tools,
        binaries,
    })
}

/// Returns the settings for signing tokens: the same in every run, so that a client's token outlives a restart.
fn jwt(file: &Path) -> std::io::Result<Jwt> {
    let known = fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(jwt) = known {
        return Ok(jwt);
    }
    let jwt = Jwt::generate();
    let file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    serde_json::to_writer(file, &jwt)?;
    Ok(jwt)
}

/// Watches and answers until the end is requested; returns the request for it.
async fn supervise(
    cluster: &Arc<Cluster>,
    listener: &UnixListener,
    signals: &mut Signals,
    paint: Paint,
) -> Option<Request> {
    let (end, mut ended) = mpsc::channel(1);
    tokio::select! {
        () = serve(cluster, listener, end) => None,
        () = narrate(cluster, paint) => None,
        request = ended.recv() => request,
        () = signals.end() => None,
    }
}

/// Answers the control socket.
async fn serve(cluster: &Arc<Cluster>, listener: &UnixListener, end: mpsc::Sender<Request>) {
    // Aborted with this future.
    let mut answers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    answers.spawn(answer(stream, Arc::clone(cluster), end.clone()));
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            Some(_) = answers.join_next() => {}
        }
    }
}

async fn answer(stream: UnixStream, cluster: Arc<Cluster>, end: mpsc::Sender<Request>) {
    let Some(request) = Request::read(stream).await else { return };
    if request.command == Command::Down {
        // Answered when everything is down.
        let _ = end.send(request).await;
        return;
    }
    let answer = request.command.carry_out(&cluster).await;
    request.answer(&answer).await;
}

/// Prints events of parts; less and less often for one that keeps dying.
async fn narrate(cluster: &Cluster, paint: Paint) {
    let mut events = cluster.events();
    let mut deaths: HashMap<String, u32> = HashMap::new();
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let Event { part, kind } = event;
        match kind {
            EventKind::Back => {
                deaths.remove(&part);
                println!("{}", happened(&format!("{part} is {}", paint.good("back")), paint));
            }
            EventKind::Ended { how, again_in } => {
                let count = deaths.entry(part.clone()).or_default();
                *count += 1;
                if *count > 3 && !count.is_multiple_of(15) {
                    continue;
                }
                let text = format!(
                    "{part} {}: {how}; starting again in {} s (cargo local logs {part})",
                    paint.bad("ended"),
                    again_in.as_secs()
                );
                println!("{}", happened(&text, paint));
            }
        }
    }
}

/// Starts the supervisor in the background and waits until it answers.
async fn detach(arguments: &Arguments, binaries: &Path, started: Instant) -> anyhow::Result<ExitCode> {
    let directory = paths::up_directory();
    let log: PathBuf = directory.join("supervisor.log");
    let output = File::create(&log)?;
    let mut command = std::process::Command::new(THIS_PROGRAM);
    command
        .args(["up", "--background", "--nodes", &arguments.nodes.to_string()])
        .args(arguments.keep.then_some("--keep"))
        .args(arguments.origins.iter().flat_map(|origin| ["--origin", origin]))
        .args(arguments.web_root.iter().flat_map(|root| [OsStr::new("--web-root"), root.as_os_str()]))
        .env(BINARIES_VARIABLE, binaries)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let mut supervisor = command.spawn()?;
    let spawned = Instant::now();
    loop {
        if let Ok(Some(status)) = control::ask(&directory, &Command::Status).await {
            let paint = Paint::of_terminal();
            println!("{}", welcome(&status, started.elapsed(), true, paint));
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(status) = supervisor.try_wait()? {
            eprint!("{}", fs::read_to_string(&log)?);
            bail!("the supervisor exited: {status}");
        }
        if spawned.elapsed() > DETACH_PATIENCE {
            supervisor.kill()?;
            bail!("the supervisor does not answer; see {}", log.display());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// The signals that end a run.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    ignores_hangup: bool,
}

impl Signals {
    /// From now on receives signals, which no longer end the process.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            ignores_hangup: false,
        })
    }

    /// Keeps the run alive when the terminal closes.
    fn ignore_hangup(&mut self) {
        self.ignores_hangup = true;
    }

    /// Waits for a signal that requests the end.
    pub(crate) async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => if !self.ignores_hangup { return },
            }
        }
    }
}
