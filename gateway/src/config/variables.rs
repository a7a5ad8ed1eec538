//! Every variable, for the table of the documents and the test that compares it with the code.

/// A variable of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its default; `required` if it has none.
    pub default: &'static str,
    /// Its description.
    pub meaning: &'static str,
}

const fn variable(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, default, meaning }
}

/// All variables of the gateway. Region, credentials and endpoint come from the AWS SDK's own.
pub const VARIABLES: [Variable; 84] = [
    variable("RTS_NODE_ID", "random", "the node's name, unique per process start"),
    variable("RTS_LISTEN", "0.0.0.0:8080", "address for clients"),
    variable("RTS_ADVERTISE", "RTS_LISTEN", "address at which the other nodes reach this one"),
    variable("RTS_ADMIN_LISTEN", "127.0.0.1:9080", "address for metrics, drains and revocations; keep it private"),
    variable(
        "RTS_ADMIN_SECRET",
        "none",
        "bearer for `POST /drain` and `POST /revoke` from other machines, at least 32 bytes; without it only from this one",
    ),
    variable(
        "RTS_CLIENT_ADDRESS_HEADER",
        "none",
        "header in which the proxy passes the client's address; set it only if nothing else can reach the node",
    ),
    variable(
        "RTS_REDIS_URL",
        "required",
        "one Redis URL, or the comma-separated URLs of a cluster; `rediss://` for TLS",
    ),
    variable("RTS_REDIS_CA_FILE", "none", "PEM file of the authorities of Redis's certificates; else the system's"),
    variable(
        "RTS_REDIS_ALLOW_PLAIN_PASSWORD",
        "false",
        "`true` lets a password go to Redis without TLS beyond loopback",
    ),
    variable("RTS_ROOM_QUEUE_URL", "required", "URL of `chat-room-queue`"),
    variable("RTS_MESSAGE_QUEUE_URL", "required", "URL of `chat-message-queue.fifo`"),
    variable("RTS_ROOMS_TABLE", "chat-rooms", "DynamoDB table of rooms"),
    variable("RTS_MESSAGES_TABLE", "chat-messages", "DynamoDB table of messages"),
    variable("RTS_ARCHIVE_TABLE", "chat-archive-index", "DynamoDB table of archived rooms"),
    variable("RTS_RETENTION_DAYS", "0", "days after which messages expire, the same as for the functions; 0 keeps all"),
    variable("RTS_FILES_BUCKET", "none", "S3 bucket of files; without one, messages carry none"),
    variable(
        "RTS_ATTACHMENT_TYPES",
        "usual documents",
        "comma-separated MIME types, like `image/png,audio/*`; `*` takes all",
    ),
    variable("RTS_JWT_SECRET", "exactly one of three", "HS256 secret of tokens, at least 32 bytes"),
    variable(
        "RTS_JWT_KEY_FILE",
        "exactly one of three",
        "PEM file with the public key of tokens (RS256, ES256, EdDSA)",
    ),
    variable("RTS_JWKS_URL", "exactly one of three", "URL of the key set of tokens; https, or http on loopback"),
    variable("RTS_JWT_ISSUER", "required", "`iss` that tokens must have"),
    variable("RTS_JWT_AUDIENCE", "required", "`aud` that tokens must have"),
    variable("RTS_JWT_CLAIM_USER", "sub", "claim of the user's id"),
    variable("RTS_JWT_CLAIM_ORG", "org", "claim of the organization's id"),
    variable("RTS_JWT_CLAIM_NAME", "name", "claim of the name shown to others"),
    variable("RTS_CONNECTION_SECRET", "required", "signs connection tokens; the same on all nodes, at least 32 bytes"),
    variable(
        "RTS_ID_SECRET",
        "required",
        "makes the ids of direct and case rooms; the same on all nodes, at least 32 bytes; `new,old` while it is replaced",
    ),
    variable(
        "RTS_MEMBERS",
        "directory",
        "who may be added to rooms: `directory`, users who have connected once, or `any`",
    ),
    variable(
        "RTS_CASES",
        "service",
        "who makes case rooms: `service`, tokens with the scope `rts:service`, or `members`",
    ),
    variable("RTS_SESSION_HOURS", "24", "hours after which a session ends, and its client reconnects"),
    variable("RTS_DEV_LOGIN", "false", "`true` gives tokens to anyone who asks; refused outside loopback"),
    variable("RTS_DEV_LOGIN_ALLOW", "none", "further listen addresses that may have the dev login"),
    variable("RTS_ALLOWED_ORIGINS", "none", "origins of web pages that may connect, beside the server's own"),
    variable("RTS_WEB_ROOT", "none", "directory of the built web app (`gateway/web/dist`), served at `/`"),
    variable("RTS_WEB_HOST_ORIGIN", "none", "origin of the page that embeds the web app and gives it tokens"),
    variable("RTS_WEB_OIDC_ISSUER", "none", "issuer of OpenID Connect where users of the web app sign in"),
    variable("RTS_WEB_OIDC_CLIENT_ID", "none", "the web app's client id there"),
    variable("RTS_WEB_OIDC_SCOPE", "openid profile", "what it asks for there"),
    variable("RTS_WEB_OIDC_TOKEN", "access_token", "the token that gateways check: `access_token` or `id_token`"),
    variable("RTS_WEB_CONNECT_ORIGINS", "none", "further origins the web app may talk to, such as a token endpoint"),
    variable("RTS_LIMIT_BODY_BYTES", "16384", "bytes of a message body"),
    variable("RTS_LIMIT_ATTACHMENT_BYTES", "104857600", "bytes of a file"),
    variable(
        "RTS_LIMIT_RECORD_BYTES",
        "262144",
        "bytes of a record from a client; at least 6 × `RTS_LIMIT_BODY_BYTES` + 16384",
    ),
    variable("RTS_LIMIT_ROOM_MEMBERS", "1000", "members of a room"),
    variable("RTS_LIMIT_PERSON_ROOMS", "5000", "rooms that a user is in"),
    variable("RTS_LIMIT_ROOMS_MADE", "500", "rooms that a user makes a day (UTC)"),
    variable(
        "RTS_LIMIT_PERSON_UPLOADED_BYTES",
        "10737418240",
        "bytes of files that a user begins to upload a day (UTC)",
    ),
    variable(
        "RTS_LIMIT_ORG_UPLOADED_BYTES",
        "1099511627776",
        "bytes of files that the users of an organization begin to upload a day (UTC)",
    ),
    variable("RTS_LIMIT_NAME_CHARS", "120", "characters of a name"),
    variable("RTS_LIMIT_PAGE", "200", "items of a page"),
    variable("RTS_LIMIT_RESUME_EVENTS", "500", "events that a resume replays for a room"),
    variable("RTS_LIMIT_USER_CONNECTIONS", "20", "connections of a user, on all nodes together"),
    variable("RTS_LIMIT_NODE_CONNECTIONS", "200000", "connections of a node"),
    variable(
        "RTS_LIMIT_ADDRESS_CONNECTIONS",
        "1000",
        "connections of a public address, or of one that `RTS_CLIENT_ADDRESS_HEADER` tells, on one node",
    ),
    variable("RTS_LIMIT_STREAMS", "8", "streams of a connection at once"),
    variable("RTS_LIMIT_RECORD_RATE", "500", "records a second of a connection, of any kind"),
    variable("RTS_LIMIT_RECORD_BURST", "2000", "records that a connection may send at once"),
    variable(
        "RTS_LIMIT_SEND_RATE",
        "20",
        "new messages, edits, deletions and reactions a second of a user, on all nodes together",
    ),
    variable("RTS_LIMIT_SEND_BURST", "40", "such changes that a user may make at once"),
    variable("RTS_LIMIT_MARK_RATE", "50", "marks and signs of typing a second of a user, on all nodes together"),
    variable("RTS_LIMIT_MARK_BURST", "300", "marks and signs of typing that a user may send at once"),
    variable("RTS_LIMIT_READ_RATE", "100", "what a user may read a second, on all nodes together; see the limits"),
    variable("RTS_LIMIT_READ_BURST", "2000", "what a user may read at once"),
    variable("RTS_LIMIT_ROOM_RATE", "1", "rooms a second that a user may make, on all nodes together"),
    variable("RTS_LIMIT_ROOM_BURST", "10", "rooms that a user may make at once"),
    variable("RTS_LIMIT_ROOM_CHANGE_RATE", "5", "other changes of rooms a second of a user, on all nodes together"),
    variable("RTS_LIMIT_ROOM_CHANGE_BURST", "100", "other changes of rooms that a user may make at once"),
    variable("RTS_LIMIT_MEMBER_RATE", "20", "others a second that a user may add to rooms, on all nodes together"),
    variable("RTS_LIMIT_MEMBER_BURST", "1000", "others that a user may add to rooms at once"),
    variable("RTS_LIMIT_UPLOAD_RATE", "2", "uploads a second that a user may begin, on all nodes together"),
    variable("RTS_LIMIT_UPLOAD_BURST", "20", "uploads that a user may begin at once"),
    variable("RTS_LIMIT_FILE_RATE", "20", "URLs of files a second for a user, on all nodes together"),
    variable("RTS_LIMIT_FILE_BURST", "500", "URLs of files that a user may ask for at once"),
    variable("RTS_LIMIT_SEARCH_RATE", "5", "searches a second of a user, on all nodes together"),
    variable("RTS_LIMIT_SEARCH_BURST", "20", "searches that a user may begin at once"),
    variable(
        "RTS_LIMIT_PEOPLE_RATE",
        "10",
        "calls a second of a user that watch or search users or set presence, on all nodes together",
    ),
    variable("RTS_LIMIT_PEOPLE_BURST", "50", "such calls that a user may make at once"),
    variable("RTS_LIMIT_CONNECT_RATE", "2", "connections a second that a user may begin, on all nodes together"),
    variable("RTS_LIMIT_CONNECT_BURST", "100", "connections that a user may begin at once"),
    variable("RTS_DRAIN_NOTICE_SECONDS", "10", "how long a draining node serves on until the proxy has noticed"),
    variable("RTS_DRAIN_SECONDS", "30", "over how long a draining node closes its sessions"),
    variable(
        "RTS_LEAVING_SIGNS",
        "none",
        "on EC2, what tells a node to drain: `lifecycle` of Auto Scaling, `target` of the balancer, or both with a comma",
    ),
    variable("RTS_LOG", "info", "filter of the log"),
    variable("RTS_LOG_FORMAT", "text", "`text` or `json`"),
];

/// A variable of the local cluster, which may stand in the same environment.
const OTHERS: [&str; 1] = ["RTS_KEEP"];

/// Returns the names that look like variables of the gateway and are none, each with the one that may have been meant.
pub fn unknown(names: impl Iterator<Item = String>) -> Vec<(String, Option<&'static str>)> {
    let is_known = |name: &str| VARIABLES.iter().any(|known| known.name == name) || OTHERS.contains(&name);
    let strange = names.filter(|name| name.starts_with("RTS_") && !is_known(name));
    strange
        .map(|name| {
            let near = nearest(&name);
            (name, near)
        })
        .collect()
}

/// Returns the variable whose name differs in a letter or two.
fn nearest(name: &str) -> Option<&'static str> {
    const LETTERS_MAX: usize = 2;
    let near = VARIABLES.iter().map(|known| (distance(known.name, name), known.name));
    near.filter(|(distance, _)| *distance <= LETTERS_MAX).min().map(|(_, name)| name)
}

/// Returns the number of letters to insert, remove or replace in order to make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = before + usize::from(a != b);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

/// Returns the text of `--help`.
pub fn help() -> String {
    let rows = VARIABLES.iter().map(|Variable { name, default, meaning }| {
        format!("  {name} [{default}]\n      {}\n", meaning.replace('`', ""))
    });
    format!(
        "One node of a chat cluster. It takes no arguments; environment variables configure it, and it reports all \
         missing and invalid ones at once.\n\nUsage: rts-gateway [--help | --version]\n\nVariables, with their \
         defaults:\n{}\nRegion, credentials and endpoint of AWS come from the AWS SDK's own variables.\n",
        rows.collect::<String>()
    )
}

/// Returns the table of `docs/configuration.md`.
pub fn table() -> String {
    let rows = VARIABLES.iter().map(|variable| {
        let Variable { name, default, meaning } = variable;
        let default = if matches!(*default, "required" | "none" | "random" | "exactly one of three" | "usual documents")
        {
            format!("*{default}*")
        } else {
            format!("`{default}`")
        };
        format!("| `{name}` | {default} | {meaning} |\n")
    });
    format!("| variable | default | what it says |\n|---|---|---|\n{}", rows.collect::<String>())
}
