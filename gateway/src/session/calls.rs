//! The calls of one session. Changes take effect one after the other in the order received, and are answered in the same
//! order; an answer that waits for the journal does not hold up the next effect. Reads overtake.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::service::{BoxFuture, Outcome};

/// Bytes of finished answers that may wait, behind an unfinished one or for the client; beyond it no more calls begin. A
/// page of history for each read that runs may come on top.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Reads that run at once; those behind them wait. Each may hold a page of history.
const READS_AT_ONCE: usize = 4;

/// Calls in progress. Holds no allocation while there are none.
#[derive(Default)]
pub(super) struct Calls {
    /// The call whose effect is in progress.
    running: Option<BoxFuture<Outcome>>,
    /// The calls whose effect has happened, in order.
    answers: VecDeque<Answer>,
    waiting_bytes: usize,
    /// Those that only read, in the order received.
    reads: Vec<Read>,
}

struct Read {
    call: BoxFuture<Outcome>,
    is_begun: bool,
    /// The size of its arguments, which it holds.
    bytes: usize,
}

/// Finished calls without an answer that may wait before the session looks at them: it is not woken for them alone.
const UNANSWERED_MAX: usize = 16;

enum Answer {
    Ready(Option<Bytes>),
    Later(BoxFuture<Option<Bytes>>),
    /// The client wants no answer.
    Unanswered(BoxFuture<Option<Bytes>>),
}

impl Calls {
    /// True if the next call may begin.
    pub(super) fn is_free(&self, in_flight_max: usize) -> bool {
        let in_flight = self.answers.len() + self.reads.len();
        let bytes = self.waiting_bytes + self.reads.iter().map(|read| read.bytes).sum::<usize>();
        self.running.is_none() && in_flight < in_flight_max && bytes < WAITING_BYTES_MAX
    }

    /// True if all calls are answered.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_none() && self.answers.is_empty() && self.reads.is_empty()
    }

    /// Begins a call; the caller checks that there is room.
    pub(super) fn begin(&mut self, call: BoxFuture<Outcome>) {
        debug_assert!(self.running.is_none());
        self.running = Some(call);
    }

    /// Begins a call that only reads, once there is room.
    pub(super) fn begin_read(&mut self, call: BoxFuture<Outcome>, bytes: usize) {
        self.reads.push(Read { call, is_begun: false, bytes });
    }

    /// Answers without a call, in its turn.
    pub(super) fn answer(&mut self, answer: Bytes) {
        self.push(Answer::Ready(Some(answer)));
    }

    /// Drives the effect in progress; ready when it has happened.
    pub(super) fn poll_effect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        match running.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                self.running = None;
                self.push(match outcome {
                    Outcome::Now(answer) => Answer::Ready(answer),
                    Outcome::Later(answer) => Answer::Later(answer),
                    Outcome::Unanswered(end) => Answer::Unanswered(end),
                });
                Poll::Ready(())
            }
        }
    }

    fn push(&mut self, answer: Answer) {
        if let Answer::Ready(Some(bytes)) = &answer {
            self.waiting_bytes += bytes.len();
        }
        self.answers.push_back(answer);
    }

    /// Works like [`Self::poll_answers`], but does not wake the session for a few calls without an answer.
    pub(super) fn poll_wanted_answers(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Bytes>> {
        let is_unanswered = |answer: &Answer| matches!(answer, Answer::Unanswered(_));
        let due = if self.answers.len() < UNANSWERED_MAX && self.answers.iter().all(is_unanswered) {
            self.take_answers(&mut Context::from_waker(Waker::noop()))
        } else {
            self.take_answers(cx)
        };
        if due.is_empty() { Poll::Pending } else { Poll::Ready(due) }
    }

    /// Drives the answers, and returns those whose turn it is; ready if there are any.
    pub(super) fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Bytes>> {
        let due = self.take_answers(cx);
        if due.is_empty() { Poll::Pending } else { Poll::Ready(due) }
    }

    /// Drives the reads that run, also while the client takes nothing: they hold turns that others wait for. Ready when
    /// one is done; its answer goes ahead of those that wait.
    pub(super) fn poll_reads(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (mut done, mut place, before) = (Vec::new(), 0, self.reads.len());
        while place < READS_AT_ONCE.min(self.reads.len()) {
            let read = &mut self.reads[place];
            if !read.is_begun && self.waiting_bytes >= WAITING_BYTES_MAX {
                break;
            }
            read.is_begun = true;
            let Poll::Ready(outcome) = read.call.as_mut().poll(cx) else {
                place += 1;
                continue;
            };
            let read = self.reads.remove(place);
            match outcome {
                Outcome::Now(answer) => done.extend(answer),
                // One that waits for something after all keeps its place.
                Outcome::Later(answer) => self.reads.insert(place, Read { call: as_read(answer), ..read }),
                Outcome::Unanswered(_) => {}
            }
        }
        let is_advanced = self.reads.len() < before;
        if self.reads.is_empty() {
            self.reads = Vec::new();
        }
        for answer in done.into_iter().rev() {
            self.waiting_bytes += answer.len();
            self.answers.push_front(Answer::Ready(Some(answer)));
        }
        if is_advanced { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Drives the answers, and gives those whose turn it is.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> Vec<Bytes> {
        let mut due = Vec::new();
        // Answers behind one that waits need not be polled: what they wait for proceeds without them.
        while let Some(answer) = self.answers.front_mut() {
            let ready = match answer {
                Answer::Ready(ready) => ready.take(),
                Answer::Later(later) | Answer::Unanswered(later) => match later.as_mut().poll(cx) {
                    Poll::Pending => break,
                    Poll::Ready(ready) => {
                        self.waiting_bytes += ready.as_ref().map_or(0, Bytes::len);
                        ready
                    }
                },
            };
            due.extend(ready);
            self.answers.pop_front();
        }
        if self.answers.is_empty() {
            self.answers = VecDeque::new();
        }
        self.waiting_bytes -= due.iter().map(Bytes::len).sum::<usize>();
        due
    }

    /// Returns the effect in progress: it has to be driven to its end even though nobody waits for its answer any more,
    /// or a message would be visible and not journaled.
    pub(super) fn into_effect(self) -> Option<BoxFuture<Outcome>> {
        self.running
    }
}

fn as_read(answer: BoxFuture<Option<Bytes>>) -> BoxFuture<Outcome> {
    Box::pin(async move { Outcome::Now(answer.await) })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::task::Wake;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    fn later(answer: oneshot::Receiver<Bytes>) -> BoxFuture<Outcome> {
        Box::pin(async move { Outcome::Later(Box::pin(answer.map(Result::ok))) })
    }

    fn now(answer: Option<&'static str>) -> BoxFuture<Outcome> {
        Box::pin(async move { Outcome::Now(answer.map(Bytes::from)) })
    }

    async fn due(calls: &mut Calls) -> Vec<Bytes> {
        poll_fn(|cx| {
            while calls.poll_reads(cx).is_ready() {}
            Poll::Ready(match calls.poll_answers(cx) {
                Poll::Ready(due) => due,
                Poll::Pending => Vec::new(),
            })
        })
        .await
    }

    #[tokio::test]
    async fn answers_keep_the_order_of_the_calls() {
        let mut calls = Calls::default();
        let (first, first_answer) = oneshot::channel();
        let (third, third_answer) = oneshot::channel();
        for call in [later(first_answer), now(Some("second")), later(third_answer), now(None)] {
            assert!(calls.is_free(5));
            calls.begin(call);
            assert!(!calls.is_free(5), "one effect at a time");
            poll_fn(|cx| calls.poll_effect(cx)).await;
        }
        assert!(!calls.is_free(4), "four are in flight");
        assert_eq!(due(&mut calls).await, Vec::<Bytes>::new());
        first.send(Bytes::from("first")).unwrap();
        assert_eq!(due(&mut calls).await, ["first", "second"]);
        third.send(Bytes::from("third")).unwrap();
        assert_eq!(due(&mut calls).await, ["third"]);
        assert!(calls.is_empty());
        assert_eq!((calls.waiting_bytes, calls.answers.capacity()), (0, 0));
    }

    #[tokio::test]
    async fn reads_hold_up_nothing_and_are_few_at_once() {
        let mut calls = Calls::default();
        let begun = Arc::new(AtomicUsize::new(0));
        let mut ends = Vec::new();
        for _ in 0..READS_AT_ONCE + 2 {
            let (end, ended) = oneshot::channel::<Bytes>();
            let begun = Arc::clone(&begun);
            ends.push(end);
            calls.begin_read(
                Box::pin(async move {
                    begun.fetch_add(1, Ordering::SeqCst);
                    Outcome::Now(ended.await.ok())
                }),
                100,
            );
        }
        assert_eq!(due(&mut calls).await, Vec::<Bytes>::new());
        assert_eq!(begun.load(Ordering::SeqCst), READS_AT_ONCE);
        assert!(calls.is_free(READS_AT_ONCE + 3) && !calls.is_free(READS_AT_ONCE + 2), "they count as in flight");
        calls.begin(now(Some("changed")));
        poll_fn(|cx| calls.poll_effect(cx)).await;
        assert_eq!(due(&mut calls).await, ["changed"]);
        // Whichever is done first is answered first; another takes its place.
        ends.remove(2).send(Bytes::from("third")).unwrap();
        assert_eq!(due(&mut calls).await, ["third"]);
        assert_eq!(begun.load(Ordering::SeqCst), READS_AT_ONCE + 1);
        for end in ends {
            end.send(Bytes::from("read")).unwrap();
        }
        assert_eq!(due(&mut calls).await.len(), READS_AT_ONCE + 1);
        assert!(calls.is_empty() && calls.reads.capacity() == 0);
        // What they hold is bounded too.
        calls.begin_read(Box::pin(std::future::pending()), WAITING_BYTES_MAX);
        assert!(!calls.is_free(32));
    }

    #[tokio::test]
    async fn a_read_begins_only_while_the_client_takes_answers() {
        let mut calls = Calls::default();
        let (end, ended) = oneshot::channel::<Bytes>();
        calls.begin_read(Box::pin(async move { Outcome::Now(ended.await.ok()) }), 0);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(calls.poll_reads(cx).is_pending());
        calls.answer(vec![0; WAITING_BYTES_MAX].into());
        calls.begin_read(now(Some("next")), 0);
        end.send(Bytes::from("read")).unwrap();
        assert!(calls.poll_reads(cx).is_ready(), "one that runs is driven to its end");
        assert!(calls.poll_reads(cx).is_pending(), "nobody takes the answers");
        assert_eq!(due(&mut calls).await[0], "read");
        assert_eq!(due(&mut calls).await, ["next"]);
        assert_eq!(calls.waiting_bytes, 0);
    }

    #[tokio::test]
    async fn nobody_is_woken_for_a_few_calls_without_an_answer() {
        let mut calls = Calls::default();
        let mut ends = Vec::new();
        let mut begin = async |calls: &mut Calls, is_wanted: bool| {
            let (end, ended) = oneshot::channel::<Bytes>();
            ends.push(end);
            let ended = Box::pin(ended.map(Result::ok));
            calls.begin(Box::pin(async move {
                if is_wanted { Outcome::Later(ended) } else { Outcome::Unanswered(Box::pin(ended.map(|_| None))) }
            }));
            poll_fn(|cx| calls.poll_effect(cx)).await;
        };
        let woken = Arc::new(Woken::default());
        let waker = Arc::clone(&woken).into();
        let cx = &mut Context::from_waker(&waker);
        for _ in 0..2 {
            begin(&mut calls, false).await;
        }
        assert!(calls.poll_wanted_answers(cx).is_pending());
        begin(&mut calls, true).await;
        let mut ends = ends.into_iter();
        let mut end = || ends.next().unwrap().send(Bytes::from("end")).unwrap();
        end();
        assert!(!woken.0.load(Ordering::SeqCst), "nobody waited for it");
        assert!(calls.poll_wanted_answers(cx).is_pending(), "the next one waits, and an answer behind it");
        end();
        assert!(woken.0.swap(false, Ordering::SeqCst), "an answer may be next");
        assert!(calls.poll_wanted_answers(cx).is_pending());
        end();
        assert!(woken.0.load(Ordering::SeqCst));
        assert_eq!(calls.poll_wanted_answers(cx), Poll::Ready(vec![Bytes::from("end")]));
        assert!(calls.is_empty());
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn large_answers_that_wait_hold_up_new_calls() {
        let mut calls = Calls::default();
        let (first, first_answer) = oneshot::channel();
        calls.begin(later(first_answer));
        poll_fn(|cx| calls.poll_effect(cx)).await;
        calls.answer(vec![0; WAITING_BYTES_MAX].into());
        assert!(!calls.is_free(32));
        first.send(Bytes::from("first")).unwrap();
        assert_eq!(due(&mut calls).await.len(), 2);
        assert!(calls.is_free(32));
    }
}
