//! Worlds as lines of a trace.

use std::fmt;

use crate::world::{Content, Heal, Message, Messages, Record, World};

impl fmt::Display for Message {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "c{}@{}", self.client, self.seq)?;
        for (content, sign) in
            [(Content::EDITED, " edited"), (Content::REACTED, " reacted"), (Content::DELETED, " deleted")]
        {
            if self.content.holds(content) {
                to.write_str(sign)?;
            }
        }
        if self.is_new() { Ok(()) } else { write!(to, " v{}", self.version) }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Creation(version) => write!(to, "made v{version}"),
            Self::Removal(version) => write!(to, "Bob out v{version}"),
            Self::Message(message, _) => message.fmt(to),
            Self::Fence(number) => write!(to, "fence {number}"),
        }
    }
}

fn join(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

fn messages(messages: &Messages) -> String {
    join(messages.iter())
}

impl fmt::Display for World {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "redis[{}", self.history)?;
        match self.redis.meta {
            None => write!(to, ": no facts")?,
            Some(meta) => {
                write!(to, ": of {}, epoch {}, head {}, trimmed {}", meta.history, meta.epoch, meta.seq, meta.trimmed)?;
                for (is_so, what) in [(meta.at_rest, ", at rest"), (meta.removed != 0, ", Bob out")] {
                    to.write_str(if is_so { what } else { "" })?;
                }
            }
        }
        for entry in self.redis.stream.iter() {
            let what = entry.message.map_or_else(|| format!("Bob out @{}", entry.seq), |message| message.to_string());
            write!(to, "; {what}{}", if entry.unstored { "*" } else { "" })?;
        }
        write!(to, "]")?;
        let flights = join(self.flights.iter().map(|flight| flight.record));
        let queues = [flights, join(self.fifo.iter()), join(self.standard.iter())];
        for (name, held) in ["flights", "fifo", "standard"].iter().zip(queues) {
            if !held.is_empty() {
                write!(to, " {name}[{held}]")?;
            }
        }
        write!(to, " dynamodb[{}", messages(&self.items.messages))?;
        write!(to, "{}]", if self.items.removed == 0 { "" } else { "; Bob out" })?;
        for heal in &self.heals {
            match heal {
                Heal::Idle => {}
                Heal::Waiting { fence, .. } => write!(to, " rebuild[waits for fence {fence}]")?,
                Heal::Fetched { items, .. } => write!(to, " rebuild[has {}]", messages(&items.messages))?,
            }
        }
        if let Some(change) = &self.change {
            write!(to, " change[from {}]", change.from)?;
        }
        if self.observer.attached {
            write!(to, " observer[{} up to {}]", messages(&self.observer.view), self.observer.cursor)?;
        }
        Ok(())
    }
}
