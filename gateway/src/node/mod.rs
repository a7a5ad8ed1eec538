//! The node: its parts, how they are put together, and the tasks that watch them.

mod chat_service;
pub(crate) mod drain;
mod health_watch;
mod open_files;
mod runtime_watch;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use aws_config::SdkConfig;

use rts_common::limits;
use rts_common::redis::Redis;
use rts_common::redis::format::Formats;
use rts_common::store::{Store, Tables};
use tokio::net::TcpListener;

use self::chat_service::ChatService;
use crate::auth::{Authenticator, DevTokens};
use crate::budgets::Budgets;
use crate::config::{AwsConfig, Config};
use crate::connection_token::TokenSigner;
use crate::fanout::Fanout;
use crate::format_watch::{self, FormatTimes};
use crate::http::{self, AddressPolicy, Admin, AdminGuard, App, Arrivals, OriginPolicy, Site};
use crate::hub::{Hub, HubLimits, HubParts, Typists};
use crate::journal::{Journal, JournalLimits};
use crate::leaving::LeavingWatch;
use crate::lifecycle::{self, Lifecycle, Readiness, Signals};
use crate::marks::{self, MarkGatherer, MarkSettings};
use crate::metrics::{self, Exporter};
use crate::peers::Peers;
use crate::presence::{Presence, PresenceSettings};

use crate::reconciler::{self, QueueUrls, Queues, ReconcilerParts, ReconcilerSettings};
use crate::room_ids::RoomIds;
use crate::rooms::{Fencing, Rooms};
use crate::search::Search;
use crate::send::SendQueue;
use crate::session::{Quota, Registry, Sessions, Settings};
use crate::shares::OwnTurns;
use crate::uploads::Uploads;

/// Runs a node until its shutdown is requested, or one of its critical tasks ends. True if no critical task failed.
pub async fn run(config: Config) -> anyhow::Result<bool> {
    let exporter = Exporter::install().context("metrics cannot be recorded")?;
    let lifecycle = Lifecycle::new();
    let readiness = Readiness::new();
    let registry = Registry::new(config.limits.node_connections);
    open_files::prepare(config.limits.node_connections);
    let public = bind(config.listen.public).await?;
    let admin = bind(config.listen.admin).await?;

    let signals = Signals::new().context("signals cannot be watched")?;
    let mut last_signals = Signals::new().context("signals cannot be watched")?;
    let aws = aws_config::load_from_env().await;
    let leaving = LeavingWatch::new(config.leaving, &aws).context("the signs of leaving cannot be watched")?;
    let parts = Parts::start(&config, &aws, &lifecycle).await?;
    lifecycle.spawn_critical("metrics", exporter.clone().upkeep());
    lifecycle.spawn_critical("runtime watch", runtime_watch::watch_runtime());
    lifecycle.spawn_critical(
        "redis watch",
        health_watch::watch_redis(config.node_id.clone(), parts.redis.clone(), parts.fanout.clone(), readiness.clone()),
    );
    lifecycle.spawn_critical(
        "queue watch",
        parts.queues.clone().watch(parts.sqs.clone(), queue_urls(&config.aws), readiness.clone()),
    );
    let (node, redis) = (config.node_id.clone(), Arc::clone(&parts.redis));
    let formats = format_watch::watch(node, Formats::OURS, redis, FormatTimes::default(), lifecycle.clone());
    lifecycle.spawn_critical("formats", formats);
    let keys = Arc::clone(&parts.authenticator);
    lifecycle.spawn_critical("token keys", async move { keys.keep_keys_fresh().await });
    lifecycle.spawn_critical("signals", lifecycle::watch_signals(signals, lifecycle.clone()));
    if let Some(leaving) = leaving.clone() {
        readiness.set_looking(true);
        lifecycle.spawn_critical("leaving watch", leaving.watch(lifecycle.clone(), readiness.clone()));
    }

    let app = app(&config, &parts, &registry, &lifecycle, &readiness)?;
    let admin_routes = Admin {
        exporter,
        lifecycle: lifecycle.clone(),
        readiness: readiness.clone(),
        guard: AdminGuard::new(config.listen.admin_secret.as_ref()),
        rooms: Arc::clone(&parts.rooms),
    };
    let operators = http::admin_router(admin_routes);
    lifecycle.spawn_critical("admin", http::serve(admin, operators, lifecycle.clone(), Arrivals::of_admin()));
    let arrivals = Arrivals::new(config.limits.node_connections, config.limits.address_connections);
    let router = http::public_router(Arc::new(app));
    lifecycle.spawn_critical("http", http::serve(public, router, lifecycle.clone(), arrivals));
    tracing::info!(node = %config.node_id, listen = %config.listen.public, admin = %config.listen.admin, "started");

    lifecycle.shutdown_asked().await;
    let flush = parts.flush_journals();
    drain::drain(&lifecycle, &readiness, &registry, config.drain, flush).await;
    format_watch::leave(&config.node_id, Formats::OURS, &parts.redis).await;
    if let Some(leaving) = leaving.filter(|_| lifecycle.is_leaving()) {
        tracing::info!("waiting until the node is in service again, or a signal");
        tokio::select! {
            () = leaving.back() => {}
            _ = last_signals.next() => {}
        }
    }
    Ok(lifecycle.failure().is_none())
}

/// Returns what the public routes need.
fn app(
    config: &Config,
    parts: &Parts,
    registry: &Arc<Registry>,
    lifecycle: &Lifecycle,
    readiness: &Readiness,
) -> anyhow::Result<App> {
    Ok(App {
        authenticator: Arc::clone(&parts.authenticator),
        connection_tokens: TokenSigner::new(&config.identity.connection_secret, config.node_id.clone()),
        peers: Peers::new(config.listen.advertise, Arc::clone(&parts.redis), &config.identity.connection_secret),
        addresses: AddressPolicy::new(config.limits.address_connections, config.listen.client_address_header.clone()),
        origins: OriginPolicy::new(config.web.allowed_origins.clone())
            .with_loopback(config.identity.dev_login.is_some()),
        registry: Arc::clone(registry),
        handshakes: Quota::new(config.limits.user_connections),
        budgets: Arc::clone(&parts.budgets),
        sessions: Arc::new(Sessions {
            settings: session_settings(config),
            service: Arc::new(ChatService {
                hub: Arc::clone(&parts.hub),
                fanout: parts.fanout.clone(),
                presence: parts.presence.clone(),
                rooms: Arc::clone(&parts.rooms),
                lifecycle: lifecycle.clone(),
            }),
            lifecycle: lifecycle.clone(),
        }),
        readiness: readiness.clone(),
        dev_tokens: config.identity.dev_login.as_ref().map(|login| DevTokens::new(login, config.identity.clone())),
        site: Site::load(&config.web, &config.identity, parts.files_origin.as_deref())
            .context("the web app cannot be read")?,
    })
}

/// Returns the way to the bucket of files, if there is one.
async fn uploads(aws: &aws_config::SdkConfig, config: &Config) -> anyhow::Result<Option<Uploads>> {
    let Some(bucket) = &config.files.bucket else { return Ok(None) };
    let uploads = Uploads::new(aws, bucket, config.files.rules.clone()).await;
    uploads.map(Some).context("the bucket of files cannot be used")
}

/// The parts behind the sessions, from the stores up.
struct Parts {
    redis: Arc<Redis>,
    sqs: aws_sdk_sqs::Client,
    queues: Arc<Queues>,
    authenticator: Arc<Authenticator>,
    fanout: Fanout,
    presence: Presence,
    rooms: Arc<Rooms>,
    hub: Arc<Hub>,
    budgets: Arc<Budgets>,
    /// The origin where pages upload and download files.
    files_origin: Option<String>,
    message_journal: Journal,
    room_journal: Journal,
    marks: MarkGatherer,
}

impl Parts {
    /// Starts all parts. None waits for the service that it connects to: a node without Redis or SQS starts, logs it,
    /// and is not ready.
    async fn start(config: &Config, aws: &SdkConfig, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let servers = config.redis.servers();
        let redis = Arc::new(Redis::new(servers, metrics::redis_call).context("Redis cannot be used")?);
        let store = Store::connect(aws, tables(&config.aws)).with_retention(config.aws.retention);
        let rooms = Arc::new(Rooms::new(Arc::clone(&redis), store.clone()));
        let journal = |url: &str, limits| Journal::start(aws, url, limits, lifecycle);
        let message_journal = journal(&config.aws.message_queue_url, JournalLimits::default());
        let room_journal = journal(&config.aws.room_queue_url, JournalLimits::default());
        rooms.set_fencing(Fencing::new(&config.node_id, &message_journal));
        // The same queue, and bounds of their own: however many marks there are, they refuse no change of a room.
        let marks = journal(&config.aws.room_queue_url, marks::JOURNAL_LIMITS);
        let marks = MarkGatherer::start(marks, MarkSettings::default(), lifecycle);
        marks.set_again_in(Arc::clone(&rooms));
        let fanout = Fanout::start(config.node_id.clone(), servers, Arc::clone(&redis), Arc::clone(&rooms), lifecycle)
            .context("Redis cannot be subscribed to")?;
        let presence = PresenceSettings::new(config.limits.user_connections);
        let presence = Presence::start(Arc::clone(&redis), presence, lifecycle);
        let queues = Arc::new(Queues::default());
        let reconciled = ReconcilerParts {
            node: config.node_id.clone(),
            redis: Arc::clone(&redis),
            store: store.clone(),
            rooms: Arc::clone(&rooms),
            message_journal: message_journal.clone(),
            room_journal: room_journal.clone(),
            queues: Arc::clone(&queues),
        };
        reconciler::start(reconciled, ReconcilerSettings::default(), lifecycle);
        let uploads = uploads(aws, config).await?;
        let files_origin = uploads.as_ref().map(Uploads::origin);
        let budgets = Budgets::start(config.limits.budgets, &redis, lifecycle);
        let hub = Hub::new(HubParts {
            node: config.node_id.clone(),
            send_queue: SendQueue::start(&config.node_id, &rooms, &message_journal, lifecycle),
            search: Search::new(Arc::clone(&rooms), &config.identity.connection_secret),
            rooms: Arc::clone(&rooms),
            room_ids: RoomIds::new(&config.identity.id_secrets),
            store,
            fanout: fanout.clone(),
            message_journal: message_journal.clone(),
            room_journal: room_journal.clone(),
            marks: marks.clone(),
            presence: presence.clone(),
            budgets: Arc::clone(&budgets),
            uploads,
            typists: Typists::default(),
            reads: OwnTurns::new(limits::READS_AT_ONCE),
            limits: hub_limits(config),
        });
        let authenticator =
            Arc::new(Authenticator::new(&config.identity).context("the keys of tokens cannot be read")?);
        Ok(Self {
            redis,
            sqs: aws_sdk_sqs::Client::new(aws),
            queues,
            authenticator,
            fanout,
            presence,
            rooms,
            hub: Arc::new(hub),
            budgets,
            files_origin,
            message_journal,
            room_journal,
            marks,
        })
    }

    async fn flush_journals(&self) {
        let flushed = tokio::join!(
            self.message_journal.flush(drain::FLUSH_TIMEOUT),
            self.room_journal.flush(drain::FLUSH_TIMEOUT),
            self.marks.flush(drain::FLUSH_TIMEOUT)
        );
        if flushed != (true, true, true) {
            tracing::error!("the journal was not flushed completely; the reconcilers of other nodes find the rest");
        }
    }
}

fn hub_limits(config: &Config) -> HubLimits {
    HubLimits {
        body_bytes: config.limits.body_bytes,
        room_members: config.limits.room_members,
        name_chars: config.limits.name_chars,
        page: config.limits.page,
        resume_events: config.limits.resume_events,
        person_rooms: config.limits.person_rooms,
        rooms_made: config.limits.rooms_made,
        person_uploaded_bytes: config.limits.person_uploaded_bytes,
        org_uploaded_bytes: config.limits.org_uploaded_bytes,
        may_add: config.members.may_add,
        makes_cases: config.members.makes_cases,
    }
}

fn session_settings(config: &Config) -> Settings {
    let limits = &config.limits;
    Settings {
        session_max: config.identity.session_max,
        record_bytes_max: limits.record_bytes,
        streams_max: limits.streams,
        records_per_second: limits.record_rate,
        records_burst: limits.record_burst,
        ..Settings::default()
    }
}

fn tables(aws: &AwsConfig) -> Tables {
    Tables { rooms: aws.rooms_table.clone(), messages: aws.messages_table.clone(), archive: aws.archive_table.clone() }
}

fn queue_urls(aws: &AwsConfig) -> QueueUrls {
    QueueUrls { message: aws.message_queue_url.clone(), room: aws.room_queue_url.clone() }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
