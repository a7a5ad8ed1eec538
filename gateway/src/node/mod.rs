//! The node: its parts, how they are put together, and the tasks that watch them.

mod chat_service;
pub(crate) mod drain;
mod health_watch;
mod open_files;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;

use rts_common::limits::{self, PEOPLE_BURST, PEOPLE_RATE};
use rts_common::redis::Redis;
use rts_common::store::{Store, Tables};
use tokio::net::TcpListener;

use self::chat_service::ChatService;
use crate::auth::{Authenticator, DevTokens};
use crate::config::{AwsConfig, Config, LimitsConfig};
use crate::connection_token::TokenSigner;
use crate::fanout::Fanout;
use crate::http::{self, AddressPolicy, Admin, App, OriginPolicy, Site};
use crate::hub::{Hub, HubLimits, HubParts, Typists};
use crate::journal::{Journal, JournalLimits};
use crate::lifecycle::{self, Lifecycle, Readiness};
use crate::metrics::{self, Exporter};
use crate::peers::Peers;
use crate::presence::{Presence, PresenceSettings};

use crate::rate_limits::RateLimits;
use crate::reconciler::{self, QueueUrls, Queues, ReconcilerParts, ReconcilerSettings};
use crate::rooms::Rooms;
use crate::search::Search;
use crate::send::SendQueue;
use crate::session::{Registry, Sessions, Settings};
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

    let parts = Parts::start(&config, &lifecycle).await?;
    lifecycle.spawn_critical("metrics", exporter.clone().upkeep());
    lifecycle.spawn_critical(
        "redis watch",
        health_watch::watch_redis(parts.redis.clone(), parts.fanout.clone(), readiness.clone()),
    );
    lifecycle.spawn_critical(
        "queue watch",
        parts.queues.clone().watch(parts.sqs.clone(), queue_urls(&config.aws), readiness.clone()),
    );
    let keys = Arc::clone(&parts.authenticator);
    lifecycle.spawn_critical("token keys", async move { keys.keep_keys_fresh().await });
    lifecycle.spawn_critical("signals", lifecycle::watch_signals(lifecycle.clone()));

    let app = App {
        authenticator: Arc::clone(&parts.authenticator),
        connection_tokens: TokenSigner::new(&config.identity.connection_secret, config.node_id.clone()),
        peers: Peers::new(config.listen.advertise, Arc::clone(&parts.redis), &config.identity.connection_secret),
        addresses: AddressPolicy::new(config.limits.address_connections, config.listen.client_address_header.clone()),
        origins: OriginPolicy::new(config.web.allowed_origins.clone()),
        registry: Arc::clone(&registry),
        sessions: Arc::new(Sessions {
            settings: session_settings(&config.limits),
            service: Arc::new(ChatService {
                hub: Arc::clone(&parts.hub),
                fanout: parts.fanout.clone(),
                presence: parts.presence.clone(),
                lifecycle: lifecycle.clone(),
            }),
            lifecycle: lifecycle.clone(),
        }),
        readiness: readiness.clone(),
        dev_tokens: config
            .identity
            .dev_login
            .as_ref()
            .map(|login| DevTokens::new(&login.secret, config.identity.clone())),
        site: Site::load(&config.web, &config.identity, parts.files_origin.as_deref())
            .context("the web app cannot be read")?,
    };
    let admin_routes = Admin { exporter, lifecycle: lifecycle.clone(), readiness: readiness.clone() };
    lifecycle.spawn_critical("admin", http::serve(admin, http::admin_router(admin_routes), lifecycle.clone()));
    lifecycle.spawn_critical("http", http::serve(public, http::public_router(Arc::new(app)), lifecycle.clone()));
    tracing::info!(node = %config.node_id, listen = %config.listen.public, admin = %config.listen.admin, "started");

    lifecycle.shutdown_asked().await;
    let flush = parts.flush_journals();
    drain::drain(&lifecycle, &readiness, &registry, config.drain, flush).await;
    Ok(lifecycle.failure().is_none())
}

/// The parts behind the sessions, from the stores up.
struct Parts {
    redis: Arc<Redis>,
    sqs: aws_sdk_sqs::Client,
    queues: Arc<Queues>,
    authenticator: Arc<Authenticator>,
    fanout: Fanout,
    presence: Presence,
    hub: Arc<Hub>,
    /// The origin where pages upload and download files.
    files_origin: Option<String>,
    message_journal: Journal,
    room_journal: Journal,
}

impl Parts {
    /// Starts all parts. None waits for the service that it connects to: a node without Redis or SQS starts, logs it,
    /// and is not ready.
    async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Self> {
        let servers = config.redis.servers();
        let redis = Arc::new(Redis::new(servers, metrics::redis_call).context("Redis cannot be used")?);
        let aws = aws_config::load_from_env().await;
        let store = Store::connect(&aws, tables(&config.aws)).with_retention(config.aws.retention);
        let rooms = Arc::new(Rooms::new(Arc::clone(&redis), store.clone()));
        let journal = |url: &str| Journal::start(&aws, url, JournalLimits::default(), lifecycle);
        let (message_journal, room_journal) =
            (journal(&config.aws.message_queue_url), journal(&config.aws.room_queue_url));
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
        let files = &config.files;
        let uploads = match &files.bucket {
            Some(bucket) => Some(Uploads::new(&aws, bucket, files.rules.clone()).await),
            None => None,
        };
        let uploads = uploads.transpose().context("the bucket of files cannot be used")?;
        let files_origin = uploads.as_ref().map(Uploads::origin);
        let hub = Hub::new(HubParts {
            node: config.node_id.clone(),
            send_queue: SendQueue::start(&config.node_id, &rooms, &message_journal, lifecycle),
            search: Search::new(Arc::clone(&rooms), &config.identity.connection_secret),
            search_rates: RateLimits::new(limits::SEARCH_RATE, limits::SEARCH_BURST),
            rooms,
            store,
            fanout: fanout.clone(),
            message_journal: message_journal.clone(),
            room_journal: room_journal.clone(),
            presence: presence.clone(),
            rates: Arc::new(RateLimits::new(config.limits.send_rate, config.limits.send_burst)),
            uploads,
            upload_rates: RateLimits::new(limits::UPLOAD_RATE, limits::UPLOAD_BURST),
            people_rates: RateLimits::new(PEOPLE_RATE, PEOPLE_BURST),
            typists: Typists::default(),
            limits: HubLimits {
                body_bytes: config.limits.body_bytes,
                room_members: config.limits.room_members,
                name_chars: config.limits.name_chars,
                page: config.limits.page,
                resume_events: config.limits.resume_events,
            },
        });
        let authenticator =
            Arc::new(Authenticator::new(&config.identity).context("the keys of tokens cannot be read")?);
        Ok(Self {
            redis,
            sqs: aws_sdk_sqs::Client::new(&aws),
            queues,
            authenticator,
            fanout,
            presence,
            hub: Arc::new(hub),
            files_origin,
            message_journal,
            room_journal,
        })
    }

    async fn flush_journals(&self) {
        let flushed = tokio::join!(
            self.message_journal.flush(drain::FLUSH_TIMEOUT),
            self.room_journal.flush(drain::FLUSH_TIMEOUT)
        );
        if flushed != (true, true) {
            tracing::error!("the journal was not flushed completely; the reconcilers of other nodes find the rest");
        }
    }
}

fn session_settings(limits: &LimitsConfig) -> Settings {
    Settings {
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
