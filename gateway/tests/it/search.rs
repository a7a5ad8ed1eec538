//! Search on a real Redis: over rooms, in calls of bounded length, and only in the caller's own rooms.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use rts_common::config::Secret;
use rts_common::ids::{ClientId, OrgId, Person, RoomId, UserId};
use rts_common::limits;
use rts_common::message::{MessageContent, MessageState};
use rts_common::redis::Redis;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Seq;
use rts_common::store::{Store, Tables};
use rts_gateway::rooms::{MessageAt, MessageChange, NewRoom, RoomError, RoomOperation, Rooms, Sending, Sent};
use rts_gateway::search::{Found, Query, Search, SearchError, Spent, Words};

use crate::support::{RedisServer, send};

struct World {
    _server: RedisServer,
    redis: Arc<Redis>,
    rooms: Arc<Rooms>,
    search: Search,
}

impl World {
    fn new() -> Self {
        let server = RedisServer::start();
        let redis = server.client();
        // Everything is in Redis; nothing listens for DynamoDB.
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let rooms = Arc::new(Rooms::new(Arc::clone(&redis), Store::connect(&config, Tables::default())));
        let search = Search::new(Arc::clone(&rooms), &Secret::new("secret"));
        Self { _server: server, redis, rooms, search }
    }

    async fn group(&self, people: &[&Person]) -> RoomId {
        let room_id = RoomId::new_group();
        let members = people.iter().map(|who| (who.user.clone(), Role::Owner, who.user.to_string())).collect();
        let new = NewRoom {
            room_id: &room_id,
            creator: people[0],
            kind: RoomKind::Group,
            name: None,
            case_id: None,
            members,
        };
        self.rooms.create(&new).await.unwrap();
        for who in people {
            merge_rooms(&self.redis, who, RoomList::Load, &[(&room_id, Seq::now(), true)]).await.unwrap();
        }
        room_id
    }

    async fn say(&self, room: &RoomId, who: &Person, body: &str) -> MessageState {
        let content = MessageContent::new(
            who.user.clone(),
            ClientId::parse(&uuid::Uuid::new_v4().to_string()).unwrap(),
            body.to_owned(),
        );
        let sending = Sending { person: who, room, content: &content, accept: true };
        match send(&self.rooms, &sending).await.unwrap() {
            Sent::New(state) => state,
            other => panic!("{other:?}"),
        }
    }

    async fn call(
        &self,
        who: &Person,
        words: &str,
        room: Option<&RoomId>,
        cursor: Option<&str>,
    ) -> Result<Found, SearchError> {
        let words = Words::parse(words).unwrap();
        let query = Query { person: who, words: &words, room, cursor, limit: 50 };
        self.search.find(query, &mut Spent::default()).await
    }

    /// Returns the matches of all pages, and the number of pages.
    async fn all(&self, who: &Person, words: &str) -> (Vec<Seq>, usize) {
        let (mut found, mut cursor, mut calls) = (Vec::new(), None::<String>, 0);
        loop {
            let page = self.call(who, words, None, cursor.as_deref()).await.unwrap();
            found.extend(page.messages.iter().map(|message| message.seq));
            calls += 1;
            assert!(calls < 100, "a search ends");
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return (found, calls),
            }
        }
    }
}

fn person(org: &str, user: &str) -> Person {
    Person { org: OrgId::parse(org).unwrap(), user: UserId::parse(user).unwrap() }
}

#[tokio::test]
async fn calls_of_bounded_length_return_all_matches_newest_first() {
    let world = World::new();
    let ann = person("acme", "ann");
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(world.group(&[&ann]).await);
    }
    let mut needles = Vec::new();
    for number in 0..limits::SEARCH_MESSAGES + 1000 {
        // Most in one room, one in a hundred in the others.
        let room = &rooms[if number.is_multiple_of(100) { 1 + number / 100 % 2 } else { 0 }];
        if number.is_multiple_of(500) || number.is_multiple_of(777) {
            needles.push(world.say(room, &ann, "a Needle in it").await.seq);
        } else {
            world.say(room, &ann, "hay").await;
        }
    }
    needles.reverse();
    let (found, calls) = world.all(&ann, "needle").await;
    assert_eq!(found, needles);
    assert!(calls > 1, "one call does not read {} messages", limits::SEARCH_MESSAGES + 1000);
    // What was read has a price, however little was found.
    let (words, mut spent) = (Words::parse("nothing of it").unwrap(), Spent::default());
    let query = Query { person: &ann, words: &words, room: None, cursor: None, limit: 50 };
    assert_eq!(world.search.find(query, &mut spent).await.unwrap().messages.len(), 0);
    let price = limits::SEARCH_MESSAGES / limits::READ_COUNTED;
    assert!((price / 2..=2 * price).contains(&spent.reads()), "{}", spent.reads());
    let inside = world.call(&ann, "needle", Some(&rooms[1]), None).await.unwrap();
    assert!(inside.cursor.is_none() && inside.messages.iter().all(|message| message.room_id == rooms[1]));
    assert!(!inside.messages.is_empty());
}

#[tokio::test]
async fn only_own_rooms_are_searched_archived_ones_too_and_tombstones_are_not_found() {
    let world = World::new();
    let (ann, bob, twin) = (person("acme", "ann"), person("acme", "bob"), person("other", "ann"));
    let (ours, theirs) = (world.group(&[&ann, &bob]).await, world.group(&[&twin]).await);
    let secret = world.say(&ours, &ann, "비밀 하나").await;
    let gone = world.say(&ours, &bob, "비밀 둘").await;
    let foreign = world.say(&theirs, &twin, "비밀 셋").await;
    let at = MessageAt { person: &bob, room: &ours, seq: gone.seq };
    let bury = |found: &rts_gateway::rooms::Found| {
        let mut content = found.state.content.clone();
        content.bury();
        Ok(Some(MessageChange::Delete(content)))
    };
    world.rooms.change_message(at, bury).await.unwrap();
    world.rooms.change_room(&ann, &ours, &RoomOperation::Archive).await.unwrap();
    for who in [&ann, &bob] {
        assert_eq!(world.all(who, "비밀").await.0, [secret.seq]);
    }
    assert_eq!(world.all(&twin, "비밀").await.0, [foreign.seq]);
    let refused = world.call(&twin, "비밀", Some(&ours), None).await.unwrap_err();
    assert_eq!(refused, SearchError::Refused(RoomError::NotFound));
    world.rooms.change_room(&bob, &ours, &RoomOperation::Leave).await.unwrap();
    // The list of rooms may still name it: the room itself decides.
    assert!(world.all(&bob, "비밀").await.0.is_empty());
}

#[tokio::test]
async fn a_cursor_of_another_user_or_query_is_refused() {
    let world = World::new();
    let (ann, bob) = (person("acme", "ann"), person("acme", "bob"));
    let room = world.group(&[&ann, &bob]).await;
    for _ in 0..60 {
        world.say(&room, &ann, "one of many").await;
    }
    let cursor = world.call(&ann, "many", None, None).await.unwrap().cursor.unwrap();
    assert_eq!(world.call(&ann, "MANY", None, Some(&cursor)).await.unwrap().messages.len(), 10);
    assert_eq!(world.call(&bob, "many", None, Some(&cursor)).await.unwrap_err(), SearchError::Cursor);
    assert_eq!(world.call(&ann, "one", None, Some(&cursor)).await.unwrap_err(), SearchError::Cursor);
    assert_eq!(world.call(&ann, "many", Some(&room), Some(&cursor)).await.unwrap_err(), SearchError::Cursor);
    assert_eq!(world.call(&ann, "many", None, Some("AAAA")).await.unwrap_err(), SearchError::Cursor);
}
