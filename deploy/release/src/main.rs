//! The program: see [`rts_deploy`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rts_deploy::aws::Aws;
use rts_deploy::package::{self, Architecture, PackageOptions};
use rts_deploy::rehearse::{self, Rehearsal};
use rts_deploy::side::Side;
use rts_deploy::stacks::names::Stack;
use rts_deploy::swap::aws_world::AwsWorld;
use rts_deploy::swap::machine::Order;
use rts_deploy::swap::{self, SwapTimes};
use rts_deploy::up::{self, Deployment};
use rts_deploy::{down, paths};

/// Packages RTS for AWS, and brings it there.
#[derive(Parser)]
#[command(bin_name = "cargo deploy", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the bundle of the gateways and the zips of the functions; equal binaries give equal bytes.
    Package(PackageArgs),
    /// Show what `up` would change; changes nothing.
    Plan(UpArgs),
    /// Bring everything that was packaged to AWS; run it again after any interruption.
    Up(UpArgs),
    /// Show stacks, outputs, versions, weights and nodes.
    Status {
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Send all clients to the other environment, or back.
    Swap(SwapArgs),
    /// End the service; tables and bucket stay.
    Down {
        #[command(flatten)]
        place: PlaceArgs,
        /// Name of the platform's stack, to show that you mean it.
        #[arg(long, value_name = "STACK")]
        end: String,
    },
    /// Go through swaps and restarts on a local cluster, with users under the checker.
    Rehearse {
        /// A small one, of less than a minute.
        #[arg(long)]
        small: bool,
    },
}

#[derive(Args)]
struct PackageArgs {
    /// Directory for the results; the debug information goes to debug/ in it.
    #[arg(long, default_value_os_t = packaged())]
    out: PathBuf,
    /// Processors of nodes and functions.
    #[arg(long, value_enum, default_value = "x86_64")]
    architecture: Architecture,
    /// Directory of ready-made binaries; otherwise they are built.
    #[arg(long)]
    binaries: Option<PathBuf>,
    /// Directory of the built web app.
    #[arg(long, default_value_os_t = paths::of("gateway/web/dist"), conflicts_with = "no_web")]
    web: PathBuf,
    /// Leave the web app out.
    #[arg(long)]
    no_web: bool,
}

#[derive(Args)]
struct PlaceArgs {
    /// Prefix of everything's names, for a second copy in one account, such as `two-`.
    #[arg(long, default_value = "")]
    prefix: String,
}

#[derive(Args)]
struct UpArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Region.
    #[arg(long, env = "AWS_REGION")]
    region: String,
    /// Folder of values in deploy/cloudformation/parameters.
    #[arg(long, default_value = "small")]
    size: String,
    /// Directory with what was packaged.
    #[arg(long, default_value_os_t = packaged())]
    package: PathBuf,
    /// Bring this stack alone: network, cache, data, platform or observability.
    #[arg(long, value_name = "STACK", value_parser = Stack::parse)]
    only: Option<Stack>,
    /// Make the other environment even of the version that serves: nodes read secrets when they start.
    #[arg(long, conflicts_with = "only")]
    beside: bool,
    /// Values of parameters, NAME=VALUE, for every template that has the name; what is not named stays as it was.
    #[arg(value_parser = value)]
    values: Vec<(String, String)>,
}

#[derive(Args)]
struct SwapArgs {
    /// Where all clients shall be: blue or green.
    to: Side,
    /// Undo a swap to it: everybody goes back to the other one, at once.
    #[arg(long)]
    back: bool,
    /// Keep the environment that nobody is on any more.
    #[arg(long)]
    keep: bool,
    /// Minutes for which a tenth of the clients is watched.
    #[arg(long, default_value_t = 10)]
    watch: u64,
    /// The load tool, as the probe that writes through the public name meanwhile; its users' tokens come from
    /// `LOADTEST_JWT_SECRET`, or from what follows after `--`.
    #[arg(long, value_name = "PROGRAM")]
    probe: Option<PathBuf>,
    /// Further arguments of `loadtest probe`.
    #[arg(last = true)]
    probe_arguments: Vec<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

impl UpArgs {
    fn deployment(self, changes: bool) -> Deployment {
        Deployment {
            aws: Aws::default(),
            prefix: self.place.prefix,
            region: self.region,
            size: self.size,
            given: self.values.into_iter().collect(),
            package: self.package,
            changes,
            only: self.only,
            is_beside: self.beside,
        }
    }
}

fn packaged() -> PathBuf {
    paths::of("target/deploy")
}

fn value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(Cli::parse().verb).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo deploy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(verb: Verb) -> anyhow::Result<()> {
    let say = |line: &str| println!("{line}");
    match verb {
        Verb::Package(arguments) => tokio::task::block_in_place(|| make_package(arguments)),
        Verb::Plan(arguments) => {
            arguments.deployment(false).run(&say).await?;
            println!("\n{}", up::cost()?);
            Ok(())
        }
        Verb::Up(arguments) => {
            let deployment = arguments.deployment(true);
            deployment.run(&say).await?;
            println!();
            up::status(&deployment.aws, &deployment.prefix, &say).await?;
            println!("\n{}", up::cost()?);
            Ok(())
        }
        Verb::Status { place } => up::status(&Aws::default(), &place.prefix, &say).await,
        Verb::Swap(arguments) => swap_on_aws(arguments, &say).await,
        Verb::Down { place, end } => down::run(&Aws::default(), &place.prefix, &end, &say).await,
        Verb::Rehearse { small } => {
            let rehearsal = if small { Rehearsal::SMALL } else { Rehearsal::WHOLE };
            rehearse::run(rehearsal, &say).await
        }
    }
}

async fn swap_on_aws(arguments: SwapArgs, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let SwapArgs { to, back, keep, watch, probe, probe_arguments, place } = arguments;
    let mut world = AwsWorld::new(Aws::default(), &place.prefix);
    world.probe = probe.map(|program| (program, probe_arguments));
    let to = if back { to.other() } else { to };
    let order = Order { to, is_back: back, ends_other: !back && !keep };
    let times = SwapTimes { hold: Duration::from_mins(watch), ..SwapTimes::default() };
    swap::run(&world, order, times, say).await
}

fn make_package(arguments: PackageArgs) -> anyhow::Result<()> {
    let options = PackageOptions {
        bill: Some(package::bill_of_materials(&arguments.out)?),
        out: arguments.out,
        architecture: arguments.architecture,
        binaries: arguments.binaries,
        web: (!arguments.no_web).then_some(arguments.web),
        allows_dev_login: false,
    };
    let package = package::run(&options)?;
    for artifact in [&package.bundle, &package.messages, &package.rooms] {
        println!("{}  {}", artifact.sha256, options.out.join(&artifact.file).display());
    }
    Ok(())
}
