//! Looks at the dead-letter queues of the functions, sends letters back, or drops them.
//!
//! The queues are found by `RTS_MESSAGE_QUEUE_URL` and `RTS_ROOM_QUEUE_URL`; region, credentials and endpoint are those of
//! the AWS SDK. Without `--apply`, nothing changes. Where `RTS_REDIS_URL` is set and a letter is dropped, the gateways are told
//! not to wait for it any more; without, they journal it once more before its queue would have ended it.

use std::time::{Duration, SystemTime};

use anyhow::bail;
use aws_config::timeout::TimeoutConfig;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rts_common::config::Environment;
use rts_common::redis::{Redis, RedisServers, stored};
use rts_persister::Queue;
use rts_persister::dead_letters::{DeadLetters, Letter};

/// Deadline of a request, with the SDK's own repetitions: a receive waits a second for letters.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Looks at the dead letters of the functions, sends them back, or drops them.
#[derive(Parser)]
#[command(name = "dlq", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// URL of chat-message-queue.fifo
    #[arg(long, env = "RTS_MESSAGE_QUEUE_URL", global = true)]
    message_queue_url: Option<String>,
    /// URL of chat-room-queue
    #[arg(long, env = "RTS_ROOM_QUEUE_URL", global = true)]
    room_queue_url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Counts the letters of each queue
    List,
    /// Shows letters, and puts them back
    Show {
        #[command(flatten)]
        which: Which,
        /// Print bodies too: they hold what users wrote
        #[arg(long)]
        bodies: bool,
    },
    /// Sends letters back to the functions, each under its own group
    Redrive {
        #[command(flatten)]
        which: Which,
        /// Do it; without this, only say what would be done
        #[arg(long)]
        apply: bool,
        /// Let SQS move all of them itself; progress by `aws sqs list-message-move-tasks`
        #[arg(long)]
        native: bool,
    },
    /// Deletes letters: what only they have is lost
    Drop {
        #[command(flatten)]
        which: Which,
        /// Ids of letters, as `show` prints them
        #[arg(long, required_unless_present = "all")]
        id: Vec<String>,
        /// All letters
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Do it; without this, only say what would be done
        #[arg(long)]
        apply: bool,
    },
}

#[derive(Args)]
struct Which {
    /// The functions' queue that the letters come from
    #[arg(long, value_enum)]
    queue: Kind,
    /// The most letters to look at
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Messages,
    Rooms,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
    let config = aws_config::from_env().timeout_config(timeouts).load().await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let open = async |kind| {
        let (queue, url, variable) = match kind {
            Kind::Messages => (Queue::Messages, &cli.message_queue_url, "RTS_MESSAGE_QUEUE_URL"),
            Kind::Rooms => (Queue::Rooms, &cli.room_queue_url, "RTS_ROOM_QUEUE_URL"),
        };
        let Some(url) = url else { bail!("{variable} is not set") };
        DeadLetters::of(sqs.clone(), queue, url).await
    };
    match &cli.command {
        Command::List => {
            for kind in [Kind::Messages, Kind::Rooms] {
                let letters = open(kind).await?;
                let depth = letters.depth().await?;
                println!("{:>8} waiting {:>8} taken  {}", depth.waiting, depth.taken, letters.url());
            }
            Ok(())
        }
        Command::Show { which, bodies } => {
            let letters = open(which.queue).await?;
            let waiting = usize::try_from(letters.depth().await?.waiting)?;
            let found = each(&letters, which.limit, |_| Action::PutBack).await?;
            if waiting > found.len() {
                println!("and {} more, beyond the limit or behind these in their groups", waiting - found.len());
            }
            for letter in found.iter().filter(|_| *bodies) {
                println!("{}\n{}", letter.id, letter.body);
            }
            Ok(())
        }
        Command::Redrive { which, apply, native: true } => {
            let letters = open(which.queue).await?;
            if *apply {
                letters.redrive_native().await?;
                println!("SQS moves the letters of {}", letters.url());
            } else {
                println!("would have SQS move {} letters; --apply does it", letters.depth().await?.waiting);
            }
            Ok(())
        }
        Command::Redrive { which, apply, native: false } => {
            let letters = open(which.queue).await?;
            let waiting = usize::try_from(letters.depth().await?.waiting)?.min(which.limit);
            let action = if *apply { Action::Redrive } else { Action::PutBack };
            let found = each(&letters, which.limit, |_| action).await?;
            told(if *apply { found.len() } else { waiting.max(found.len()) }, "sent back", *apply);
            Ok(())
        }
        Command::Drop { which, id, all, apply } => {
            let is_meant = |letter: &Letter| *all || id.contains(&letter.id);
            let action = |letter: &Letter| if *apply && is_meant(letter) { Action::Drop } else { Action::PutBack };
            let found = each(&open(which.queue).await?, which.limit, action).await?;
            let dropped: Vec<_> = found.iter().filter(|letter| is_meant(letter)).collect();
            told(dropped.len(), "dropped", *apply);
            if *apply {
                give_up(&dropped).await?;
            }
            Ok(())
        }
    }
}

/// Tells Redis, if it is known, that nobody will store what these letters hold.
async fn give_up(letters: &[&Letter]) -> anyhow::Result<()> {
    let entries: Vec<_> = letters.iter().flat_map(|letter| letter.entries()).collect();
    let mut environment = Environment::process();
    let servers = RedisServers::read(&mut environment);
    let Some(servers) = environment.finish(servers)?.filter(|_| !entries.is_empty()) else { return Ok(()) };
    stored::give_up(&Redis::new(&servers, |_, _| ())?, &entries).await?;
    println!("{} entries are no longer waited for", entries.len());
    Ok(())
}

fn told(count: usize, what: &str, is_done: bool) {
    if is_done {
        println!("{count} letters {what}");
    } else {
        println!("{count} letters would be {what}; --apply does it");
    }
}

#[derive(Clone, Copy)]
enum Action {
    PutBack,
    Redrive,
    Drop,
}

/// Takes letters one batch after the other and does what is asked with each. Those to be put back are held until the end,
/// so that none comes twice.
async fn each(letters: &DeadLetters, limit: usize, action: impl Fn(&Letter) -> Action) -> anyhow::Result<Vec<Letter>> {
    let (mut found, mut held) = (Vec::new(), Vec::new());
    let result = async {
        while found.len() < limit {
            let taken = letters.take(limit - found.len()).await?;
            if taken.is_empty() {
                break;
            }
            for letter in taken {
                print(&letter);
                match action(&letter) {
                    Action::PutBack => held.push(letter.clone()),
                    Action::Redrive => letters.redrive(&letter).await?,
                    Action::Drop => letters.drop_letter(&letter).await?,
                }
                found.push(letter);
            }
        }
        anyhow::Ok(())
    }
    .await;
    letters.put_back(&held).await?;
    result.map(|()| found)
}

fn print(letter: &Letter) {
    let age = letter.sent.and_then(|sent| SystemTime::now().duration_since(sent).ok()).unwrap_or_default();
    let how = match &letter.reason {
        Some(reason) => format!("set aside {} s ago: {reason}", age.as_secs()),
        None => format!("sent {} s ago  received {} times", age.as_secs(), letter.receives),
    };
    println!("{}  {how}  {}", letter.id, letter.summary);
}
