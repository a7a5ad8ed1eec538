//! A node without Redis and SQS, for the tests of transports and sessions: real sockets, and a service that the test
//! controls.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use rts_common::config::Secret;
use rts_common::ids::{NodeId, OrgId, Person, UserId};
use rts_common::signalr::{Protocol, encode_completion, encode_completion_void, encode_stream_item};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::auth::{Authenticator, DevTokens};
use crate::budgets::{Budgets, Rates};
use crate::close_reason::CloseReason;
use crate::config::{DevLogin, IdentityConfig, KeySource, Origin};
use crate::connection::{Principal, SessionHandle};
use crate::connection_token::TokenSigner;
use crate::http::{AddressPolicy, App, Arrivals, OriginPolicy, Site, public_router, serve};
use crate::lifecycle::{Lifecycle, Readiness};
use crate::peers::{MemoryDirectory, Peers};
use crate::session::{
    BoxFuture, Call, Caller, ConnectedCaller, Outcome, Quota, Records, Registry, Service, Sessions, Settings,
    StreamRecord,
};

/// The longest wait of a test for any condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Returns the settings of production with a short close timeout: not all clients of tests answer a close.
pub(crate) fn settings() -> Settings {
    Settings { close_timeout: Duration::from_millis(200), ..Settings::default() }
}

/// Returns the configuration of tokens in tests: a single secret.
pub(crate) fn identity() -> IdentityConfig {
    IdentityConfig {
        keys: KeySource::Secret(Secret::new(SECRET)),
        issuer: "issuer".to_owned(),
        audience: "audience".to_owned(),
        user_claim: "sub".to_owned(),
        org_claim: "org".to_owned(),
        name_claim: "name".to_owned(),
        connection_secret: Secret::new(SECRET),
        id_secrets: Vec::new(),
        session_max: rts_common::limits::SESSION_MAX,
        dev_login: Some(DevLogin { secret: Secret::new(SECRET), allowed: Vec::new() }),
    }
}

fn login() -> DevLogin {
    DevLogin { secret: Secret::new(SECRET), allowed: Vec::new() }
}

pub(crate) fn person(org: &str, user: &str) -> Person {
    Person { org: OrgId::parse(org).unwrap(), user: UserId::parse(user).unwrap() }
}

/// The hub and fan-out of a test.
pub(crate) struct FakeService {
    /// All sessions that were ever connected.
    pub(crate) sessions: Mutex<Vec<SessionHandle>>,
    /// The reason for which connecting is refused.
    pub(crate) refuses: Mutex<Option<CloseReason>>,
    /// Without a permit, no session is connected.
    pub(crate) connects: Arc<Semaphore>,
    /// The hub for their calls.
    hub: Arc<FakeHub>,
}

/// The hub for the calls of a test's sessions.
pub(crate) struct FakeHub {
    /// Lets an `Effect` happen.
    pub(crate) effects: Semaphore,
    /// Lets a `Later` be answered.
    pub(crate) answers: Semaphore,
    /// Lets a `GetHistory` be done.
    pub(crate) reads: Semaphore,
    /// The number of calls that were begun.
    pub(crate) begun: AtomicUsize,
    /// The targets whose effect has happened, in order.
    pub(crate) happened: Mutex<Vec<String>>,
    /// Number of stream items that were requested.
    pub(crate) streamed: AtomicUsize,
    /// Counts live streams by its references.
    streaming: Arc<()>,
}

/// A session that is connected to the service.
struct FakeCaller {
    hub: Arc<FakeHub>,
    protocol: Protocol,
}

impl Service for FakeService {
    fn connect(
        &self,
        session: SessionHandle,
        _: &Arc<Principal>,
        _: Instant,
    ) -> BoxFuture<Result<Caller, CloseReason>> {
        let (refused, connects) = (*self.refuses.lock().unwrap(), Arc::clone(&self.connects));
        let caller = FakeCaller { hub: Arc::clone(&self.hub), protocol: session.protocol };
        self.sessions.lock().unwrap().push(session);
        Box::pin(async move {
            let _connects = connects.acquire().await;
            refused.map_or(Ok(Box::new(caller) as Caller), Err)
        })
    }
}

impl std::ops::Deref for FakeService {
    type Target = FakeHub;

    fn deref(&self) -> &FakeHub {
        &self.hub
    }
}

impl ConnectedCaller for FakeCaller {
    /// Answers each call with its name: `Effect` waits before it takes effect, `Later…` before it answers.
    fn call(&self, call: Call) -> BoxFuture<Outcome> {
        let (hub, protocol) = (Arc::clone(&self.hub), self.protocol);
        hub.begun.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let answer = call.invocation_id.map(|id| encode_completion(protocol, &id, &call.target).unwrap());
            if call.target == "Effect" {
                hub.effects.acquire().await.unwrap().forget();
            }
            if call.target == "GetHistory" {
                hub.reads.acquire().await.unwrap().forget();
            }
            hub.happened.lock().unwrap().push(call.target.clone());
            if call.target.starts_with("Later") {
                return Outcome::Later(Box::pin(async move {
                    hub.answers.acquire().await.unwrap().forget();
                    answer
                }));
            }
            Outcome::Now(answer)
        })
    }

    /// Streams for `CountN` the numbers below N, then a completion; for `Endless` large items without end.
    fn stream(&self, call: Call) -> Records {
        let id = call.invocation_id.unwrap();
        let (hub, protocol, live) = (Arc::clone(&self.hub), self.protocol, Arc::clone(&self.hub.streaming));
        let (count, item) = match call.target.strip_prefix("Count") {
            Some(count) => (count.parse().unwrap(), String::new()),
            None => (usize::MAX, "x".repeat(10_000)),
        };
        let done = encode_completion_void(protocol, &id);
        let items = stream::iter(0..count).map(move |number| {
            debug_assert!(Arc::strong_count(&live) > 1);
            hub.streamed.fetch_add(1, Ordering::Relaxed);
            StreamRecord::Item(encode_stream_item(protocol, &id, &format!("{number}{item}")).unwrap())
        });
        items.chain(stream::iter([StreamRecord::Completion(done)])).boxed()
    }

    fn method_name(&self, _: &str) -> &'static str {
        "StreamHistory"
    }

    fn only_reads(&self, target: &str) -> bool {
        ["GetHistory", "GetRoom", "ListRooms"].contains(&target)
    }
}

impl FakeHub {
    /// Returns the number of streams that have not ended.
    pub(crate) fn live_streams(&self) -> usize {
        Arc::strong_count(&self.streaming) - 1
    }
}

/// A running node.
pub(crate) struct TestNode {
    pub(crate) address: SocketAddr,
    pub(crate) service: Arc<FakeService>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) readiness: Readiness,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) tokens: DevTokens,
}

impl TestNode {
    /// Starts a node with the given settings.
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::start_among(settings, &MemoryDirectory::default()).await
    }

    /// Starts a node with a web app.
    pub(crate) async fn start_with_site(site: Site) -> Self {
        Self::start_whole(settings(), &MemoryDirectory::default(), Some(site)).await
    }

    /// Starts one of several nodes.
    pub(crate) async fn start_among(settings: Settings, directory: &MemoryDirectory) -> Self {
        Self::start_whole(settings, directory, None).await
    }

    async fn start_whole(settings: Settings, directory: &MemoryDirectory, site: Option<Site>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (lifecycle, readiness, registry) = (Lifecycle::new(), Readiness::new(), Registry::new(100));
        let service = Arc::new(FakeService {
            connects: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            sessions: Mutex::default(),
            refuses: Mutex::default(),
            hub: Arc::new(FakeHub {
                effects: Semaphore::new(0),
                answers: Semaphore::new(0),
                reads: Semaphore::new(0),
                begun: AtomicUsize::new(0),
                happened: Mutex::default(),
                streamed: AtomicUsize::new(0),
                streaming: Arc::default(),
            }),
        });
        let secret = Secret::new(SECRET);
        let app = App {
            authenticator: Arc::new(Authenticator::new(&identity()).unwrap()),
            peers: Peers::in_memory(address, directory, &secret),
            connection_tokens: TokenSigner::new(&secret, NodeId::random()),
            addresses: AddressPolicy::new(2, Some(http::HeaderName::from_static("x-client"))),
            origins: OriginPolicy::new(vec![Origin::parse("https://app.example.com").unwrap()]),
            registry: Arc::clone(&registry),
            handshakes: Quota::new(20),
            budgets: Budgets::alone(Rates::default()),
            sessions: Arc::new(Sessions {
                settings,
                service: Arc::clone(&service) as Arc<dyn Service>,
                lifecycle: lifecycle.clone(),
            }),
            readiness: readiness.clone(),
            dev_tokens: Some(DevTokens::new(&login(), identity())),
            site,
        };
        lifecycle.spawn_critical(
            "http",
            serve(listener, public_router(Arc::new(app)), lifecycle.clone(), Arrivals::of_admin()),
        );
        let tokens = DevTokens::new(&login(), identity());
        Self { address, service, registry, readiness, lifecycle, tokens }
    }

    /// Returns a token for a user of a fixed organization.
    pub(crate) fn token(&self, user: &str) -> String {
        self.token_for(user, Duration::from_mins(10))
    }

    pub(crate) fn token_for(&self, user: &str, life: Duration) -> String {
        self.tokens.issue(&person("acme", user), None, life).0
    }

    /// Sends one request on a new connection; returns the whole answer as text.
    pub(crate) async fn request(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!("{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Opens a WebSocket without a handshake.
    pub(crate) async fn open(&self, query: &str) -> Client {
        let url = format!("ws://{}/hubs/chat?{query}", self.address);
        Client(connect_async(url).await.unwrap().0)
    }

    /// Opens a connection of a user, with its handshake done and its session attached.
    pub(crate) async fn connect(&self, user: &str) -> (Client, SessionHandle) {
        let mut client = self.open(&format!("access_token={}", self.token(user))).await;
        let before = self.service.sessions.lock().unwrap().len();
        client.send("{\"protocol\":\"json\",\"version\":1}\u{1e}").await;
        assert_eq!(client.next().await.as_deref(), Some("{}\u{1e}"));
        until(|| self.service.sessions.lock().unwrap().len() > before).await;
        let session = self.service.sessions.lock().unwrap().last().unwrap().clone();
        (client, session)
    }
}

/// Waits for a condition.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The client's end of a WebSocket.
pub(crate) struct Client(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send_binary(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(Bytes::copy_from_slice(bytes))).await.unwrap();
    }

    /// Returns the next message of any kind; `None` at the end of the stream.
    pub(crate) async fn next_message(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
        next.and_then(Result::ok)
    }

    /// Returns the next text, or the code of a close frame.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            match self.next_message().await? {
                Message::Text(text) => return Some(text.to_string()),
                Message::Close(frame) => {
                    return frame.map(|frame| format!("closed {}", u16::from(frame.code)));
                }
                _ => {}
            }
        }
    }

    /// Returns the next text that is not a ping.
    pub(crate) async fn next_record(&mut self) -> String {
        loop {
            let text = self.next().await.expect("a record");
            if text != "{\"type\":6}\u{1e}" {
                return text;
            }
        }
    }

    pub(crate) async fn stream(&mut self, id: &str, target: &str) {
        let record =
            format!("{{\"target\":\"{target}\",\"arguments\":[{{}}],\"invocationId\":\"{id}\",\"type\":4}}\u{1e}");
        self.send(&record).await;
    }

    pub(crate) async fn invoke(&mut self, id: &str, target: &str) {
        let record =
            format!("{{\"target\":\"{target}\",\"arguments\":[{{}}],\"invocationId\":\"{id}\",\"type\":1}}\u{1e}");
        self.send(&record).await;
    }
}
