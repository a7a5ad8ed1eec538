//! Exports or acts a person or an organization, puts a backup back, and empties Redis.
//!
//! Tables are found by `RTS_ROOMS_TABLE`, `RTS_MESSAGES_TABLE` and `RTS_ARCHIVE_TABLE`, files by `RTS_FILES_BUCKET`, Redis by
//! `RTS_REDIS_URL`, all as a gateway has them; region, credentials and endpoint are those of the AWS SDK. Without `--yes`,
//! nothing changes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use rts_common::config::Environment;
use rts_common::ids::{OrgId, Person, UserId};
use rts_common::redis::{Redis, RedisServers};
use rts_common::store::Tables;
use rts_common::store::upkeep::Keeper;
use rts_persister::upkeep::{Exported, Files, Subject, Times, Upkeep};

/// Exports or acts a person or an organization, puts a backup back, empties Redis.
#[derive(Parser)]
#[command(name = "data", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes all that is stored of a person or an organization, as lines of JSON
    Export {
        #[command(flatten)]
        whose: Whose,
        /// The file to write; without it, they are printed
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Erases a person, or an organization with everything in it
    Erase {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        consent: Consent,
        /// Seconds to wait for the last marks of a user who was connected
        #[arg(long, default_value_t = Times::default().settle.as_secs(), value_name = "SECONDS")]
        settle: u64,
        /// Seconds to wait until everything is stored
        #[arg(long, default_value_t = Times::default().wait.as_secs(), value_name = "SECONDS")]
        wait: u64,
    },
    /// Makes the tables equal to others, to which a backup was restored
    Restore {
        /// The table that `chat-rooms` was restored to
        #[arg(long, value_name = "TABLE")]
        rooms_from: String,
        /// The table that `chat-messages` was restored to
        #[arg(long, value_name = "TABLE")]
        messages_from: String,
        /// The table that `chat-archive-index` was restored to
        #[arg(long, value_name = "TABLE")]
        archive_from: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Deletes all keys of RTS from Redis, which gateways rebuild from the tables
    EmptyRedis {
        #[command(flatten)]
        consent: Consent,
        /// Delete entries too that are not known to be stored
        #[arg(long)]
        even_unstored: bool,
    },
}

#[derive(Args)]
struct Whose {
    /// The organization
    #[arg(long)]
    org: String,
    /// The user
    #[arg(long, required_unless_present = "everyone")]
    user: Option<String>,
    /// The whole organization
    #[arg(long, conflicts_with = "user")]
    everyone: bool,
}

#[derive(Args)]
struct Consent {
    /// Do it; without this, only say what would be done
    #[arg(long)]
    yes: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let mut upkeep = connect().await?;
    match cli.command {
        Command::Export { whose, out } => {
            let counts = match out {
                Some(path) => {
                    let file = File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))?;
                    upkeep.export(&whose.subject()?, &mut BufWriter::new(file)).await?
                }
                None => upkeep.export(&whose.subject()?, &mut BufWriter::new(std::io::stdout())).await?,
            };
            tell_export(&counts);
        }
        Command::Erase { whose, consent, settle, wait } => {
            upkeep.times.settle = Duration::from_secs(settle);
            upkeep.times.wait = Duration::from_secs(wait);
            let subject = whose.subject()?;
            return erase(&upkeep, &subject, consent.yes).await;
        }
        Command::Restore { rooms_from, messages_from, archive_from, consent } => {
            let from = Tables { rooms: rooms_from, messages: messages_from, archive: archive_from };
            for copy in upkeep.restore(&from, consent.yes).await? {
                let (difference, would) = (copy.difference, if consent.yes { "" } else { "would be " });
                println!(
                    "{}: {would}as the other table with its {} items: {} {would}written, {} {would}removed",
                    copy.table, copy.items, difference.written, difference.removed
                );
            }
            println!("{}", if consent.yes { "now: data empty-redis --yes" } else { "--yes does it" });
        }
        Command::EmptyRedis { consent, even_unstored } => return empty(&upkeep, consent.yes, even_unstored).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn connect() -> anyhow::Result<Upkeep> {
    let mut environment = Environment::process();
    let servers = RedisServers::read(&mut environment);
    let tables = Tables::from_environment(&environment);
    let bucket = environment.text("RTS_FILES_BUCKET");
    let servers = environment.finish(servers)?;
    let config = aws_config::load_from_env().await;
    Ok(Upkeep {
        keeper: Keeper::connect(&config, tables),
        redis: servers.map(|servers| Redis::new(&servers, |_, _| ())).transpose()?,
        files: bucket.map(|bucket| Files::new(&config, &bucket)),
        times: Times::default(),
    })
}

impl Whose {
    fn subject(&self) -> anyhow::Result<Subject> {
        let org = OrgId::parse(&self.org)?;
        Ok(match &self.user {
            Some(user) => Subject::Person(Person { org, user: UserId::parse(user)? }),
            None => Subject::Organization(org),
        })
    }
}

async fn erase(upkeep: &Upkeep, subject: &Subject, acts: bool) -> anyhow::Result<ExitCode> {
    if upkeep.files.is_none() {
        eprintln!("RTS_FILES_BUCKET is not set: files are not looked for");
    }
    let erased = match (subject, acts) {
        (Subject::Person(person), false) => upkeep.would_erase(person).await?,
        (Subject::Person(person), true) => upkeep.erase(person).await?,
        (Subject::Organization(org), acts) => upkeep.erase_organization(org, acts).await?,
    };
    print!("{erased}");
    if acts {
        println!(
            "erased. What was under way may have been written once more: run it again tomorrow, until it finds nothing"
        );
    } else if erased.is_nothing() {
        println!("nothing is there to erase");
    } else {
        if erased.unstored > 0 {
            println!("{} entries are not stored yet, and are waited for", erased.unstored);
        }
        println!("would be erased; --yes does it, and nothing brings it back but a backup");
    }
    Ok(ExitCode::SUCCESS)
}

async fn empty(upkeep: &Upkeep, deletes: bool, even_unstored: bool) -> anyhow::Result<ExitCode> {
    let found = upkeep.empty_redis(false).await?;
    println!(
        "{} keys, {} entries not known to be stored, {} gateways running",
        found.keys, found.unstored, found.running
    );
    if found.unstored > 0 && !even_unstored {
        bail!("what is not stored would be lost unless a queue has it; --even-unstored deletes it too");
    }
    if deletes {
        println!("{} keys deleted", upkeep.empty_redis(true).await?.keys);
    } else {
        println!("would be deleted; --yes does it");
    }
    Ok(ExitCode::SUCCESS)
}

fn tell_export(counts: &Exported) {
    let Exported { profiles, rooms, messages, reactions, mentions, files, unstored } = counts;
    let _ = writeln!(
        std::io::stderr(),
        "{profiles} profiles, {rooms} rooms, {messages} messages, {reactions} reactions, {mentions} mentions, {files} files"
    );
    if *unstored > 0 {
        let _ = writeln!(
            std::io::stderr(),
            "{unstored} entries are not stored yet, and are missing: run it again in a minute"
        );
    }
}
