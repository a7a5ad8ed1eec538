//! Parts of a text in which an `@` mentions nobody: code, web addresses and e-mail addresses.
//!
//! Code is what stands between two runs of equally many backticks, on one line where they are fewer than three. A web
//! address begins with `https://`, `http://` or `www.`, and ends before a blank, a quote, the punctuation of Korean,
//! Chinese and Japanese, or a bracket that it did not open. The web app has the same rule (`rts/spans.ts`), and both
//! are tested by `common/fixtures/mentions.json`.

use std::ops::Range;

use super::mentions::FIRST_WITHOUT_BLANKS;

/// Longest part before the `@` of an e-mail address, and longest domain (RFC 5321, 4.5.3.1).
const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;

/// The byte ranges of code and addresses, in order, none inside another.
pub(super) fn spans(text: &str) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let (mut at, mut free) = (0, 0);
    while let Some(next) = text[at..].find(['`', 'h', 'H', 'w', 'W', '@']) {
        at += next;
        let (span, skip) = match text.as_bytes()[at] {
            b'`' => {
                let ticks = run(text, at);
                (code_end(text, at + ticks, ticks).map(|end| at..end), ticks)
            }
            b'@' => (email(text, at, free), 1),
            _ => (url_end(text, at).map(|end| at..end), 1),
        };
        at = span.as_ref().map_or(at + skip, |span| span.end);
        if let Some(span) = span {
            free = span.end;
            spans.push(span);
        }
    }
    spans
}

/// Returns true if a place has a span on both sides of it.
pub(super) fn is_inside(spans: &[Range<usize>], at: usize) -> bool {
    let next = spans.partition_point(|span| span.end <= at);
    spans.get(next).is_some_and(|span| span.start < at)
}

/// Counts the backticks at a place.
fn run(text: &str, at: usize) -> usize {
    text[at..].bytes().take_while(|byte| *byte == b'`').count()
}

fn code_end(text: &str, from: usize, ticks: usize) -> Option<usize> {
    let line = text[from..].find('\n').filter(|_| ticks < 3);
    let until = line.map_or(text.len(), |line| from + line);
    let mut at = from;
    while let Some(next) = text[at..until].find('`') {
        at += next;
        let closing = run(text, at);
        at += closing;
        if closing == ticks {
            return Some(at);
        }
    }
    None
}

fn url_end(text: &str, at: usize) -> Option<usize> {
    let begins = |prefix: &str| {
        text.as_bytes()[at..].get(..prefix.len()).is_some_and(|found| found.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    if text[..at].ends_with(|before: char| before.is_ascii_alphanumeric()) {
        return None;
    }
    let prefix = ["https://", "http://", "www."].into_iter().find(|prefix| begins(prefix))?;
    let from = at + prefix.len();
    let host = &text[from..];
    let is_address = if prefix == "www." {
        host.split_once('.').is_some_and(|(label, rest)| {
            let is_label = |label: &str| label.chars().all(|next| next.is_alphanumeric() || next == '-');
            !label.is_empty() && is_label(label) && rest.starts_with(char::is_alphanumeric)
        })
    } else {
        host.starts_with(char::is_alphanumeric)
    };
    is_address.then(|| from + host.find(ends_url()).unwrap_or(host.len()))
}

/// Tells of each character in turn whether a web address ends before it.
fn ends_url() -> impl FnMut(char) -> bool {
    let mut open = Vec::new();
    move |next| match next {
        '(' | '[' | '{' => {
            open.push(next);
            false
        }
        ')' => open.pop() != Some('('),
        ']' => open.pop() != Some('['),
        '}' => open.pop() != Some('{'),
        '<'
        | '>'
        | '"'
        | '\''
        | '`'
        | '…'
        | '\u{2018}'..='\u{201f}'
        | '\u{3000}'..='\u{3004}'
        | '\u{3008}'..='\u{303f}'
        | '\u{ff01}'..='\u{ff0f}'
        | '\u{ff1a}'..='\u{ff20}'
        | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff65}' => true,
        _ => next.is_whitespace() || next.is_control(),
    }
}

/// The e-mail address around an `@`, where nothing before `free` belongs to it.
fn email(text: &str, at: usize, free: usize) -> Option<Range<usize>> {
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.%+'-".contains(byte);
    let local = text.as_bytes()[free..at].iter().rev().take_while(|byte| is_local(byte)).count();
    if local > LOCAL_BYTES_MAX {
        return None;
    }
    let from = at - local + text.as_bytes()[at - local..at].iter().position(u8::is_ascii_alphanumeric)?;
    let end = at + 1 + domain_length(&text[at + 1..])?;
    let after = text[end..].chars().next();
    let is_cut = [text[..from].chars().next_back(), after].into_iter().flatten().any(is_foreign_letter);
    (!is_cut && after != Some('@')).then_some(from..end)
}

/// Bytes of the longest domain at the beginning: labels with dots between them, the last one of letters.
fn domain_length(text: &str) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let length = text.bytes().take(DOMAIN_BYTES_MAX).take_while(is_part).count();
    let (mut end, mut domain) = (0, None);
    for (number, label) in text[..length].split('.').enumerate() {
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            break;
        }
        end += label.len() + usize::from(number > 0);
        if number > 0 && label.len() >= 2 && label.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            domain = Some(end);
        }
    }
    domain
}

/// In the middle of a word of another script an address would be somebody else's; where particles follow without a
/// blank, a word may begin and end anywhere.
fn is_foreign_letter(character: char) -> bool {
    !character.is_ascii() && character < FIRST_WITHOUT_BLANKS && character.is_alphanumeric()
}
