//! The calls of one session: effects one after the other in the order received, answers in the same
//! order, while an answer that waits for the journal does not hold up the next effect.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::service::BoxFuture;
use crate::hub::Outcome;

/// Bytes of finished answers that may wait behind one that is not; then no more calls are begun. One
/// page of history may come on top.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Calls under way. Holds no allocation while there are none.
#[derive(Default)]
pub(super) struct Calls {
    /// The one whose effect is happening.
    running: Option<BoxFuture<Outcome>>,
    /// Those whose effect has happened, in order.
    answers: VecDeque<Answer>,
    waiting_bytes: usize,
}

enum Answer {
    Ready(Option<Bytes>),
    Later(BoxFuture<Option<Bytes>>),
}

impl Calls {
    /// Whether the next call may begin.
    pub(super) fn is_free(&self, in_flight_max: usize) -> bool {
        self.running.is_none() && self.answers.len() < in_flight_max && self.waiting_bytes < WAITING_BYTES_MAX
    }

    /// Whether all are answered.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_none() && self.answers.is_empty()
    }

    /// Begins a call, once there is room.
    pub(super) fn begin(&mut self, call: BoxFuture<Outcome>) {
        debug_assert!(self.running.is_none());
        self.running = Some(call);
    }

    /// Answers without a call, in its turn.
    pub(super) fn answer(&mut self, answer: Bytes) {
        self.push(Answer::Ready(Some(answer)));
    }

    /// Drives the effect that is happening; ready when it has happened.
    pub(super) fn poll_effect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(running) = &mut self.running else { return Poll::Pending };
        match running.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                self.running = None;
                self.push(match outcome {
                    Outcome::Now(answer) => Answer::Ready(answer),
                    Outcome::Later(answer) => Answer::Later(answer),
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

    /// Drives the answers, and gives those whose turn it is; ready if there are any.
    pub(super) fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Bytes>> {
        let mut due = Vec::new();
        // Nobody needs to look at those behind one that waits: what they wait for happens by itself.
        while let Some(answer) = self.answers.front_mut() {
            let ready = match answer {
                Answer::Ready(ready) => ready.take(),
                Answer::Later(later) => match later.as_mut().poll(cx) {
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
        if due.is_empty() { Poll::Pending } else { Poll::Ready(due) }
    }

    /// The effect that is happening: it has to be driven to its end even though nobody waits for its
    /// answer any more, or a message would be visible and not journaled.
    pub(super) fn into_effect(self) -> Option<BoxFuture<Outcome>> {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

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
