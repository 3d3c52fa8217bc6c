//! Makes pieces on all threads and delivers them in order.
//!
//! Every parallel step of `agg` has this form: cut the key space into pieces, let each thread take the next piece, and
//! write the results as one thread would. Four closures define a piece: *make* (parallel), *link* (in order and quick:
//! what a piece passes to the next piece), *finish* (parallel) and *deliver* (in order: the writing). So the written
//! bytes are the same with any number of threads.
//!
//! Memory: at most two finished pieces a thread wait for their turn. The first error stops all threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Runs `pieces` pieces on the threads of `pool`. `state` makes the state that a thread keeps between pieces.
///
/// # Errors
/// The first error of any closure. Pieces after it may or may not have been delivered.
pub fn run<S, M: Send, L, D: Send>(
    pool: &rayon::ThreadPool,
    pieces: usize,
    state: impl Fn() -> S + Sync,
    make: impl Fn(&mut S, usize) -> Result<M> + Sync,
    link: impl FnMut(M) -> Result<L> + Send,
    finish: impl Fn(&mut S, L) -> Result<D> + Sync,
    deliver: impl FnMut(D) -> Result<()> + Send,
) -> Result<()> {
    let max_waiting = 2 * pool.current_num_threads();
    let next = AtomicUsize::new(0);
    let turn = Turnstile::new(link);
    let exit = Delivery::new(deliver, max_waiting);
    let failure = Failure::default();
    let worker = || -> Result<()> {
        let mut state = state();
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= pieces || failure.is_set() {
                return Ok(());
            }
            let made = make(&mut state, piece)?;
            let Some(linked) = turn.pass(piece, made, &failure)? else { return Ok(()) };
            let done = finish(&mut state, linked)?;
            exit.hand_over(piece, done, &failure)?;
        }
    };
    pool.broadcast(|_| {
        // If an error or a panic ends this thread early, the threads that wait for its piece must wake up.
        let mut guard =
            WakeOnDrop { wake: || (turn.wake(), exit.wake()), failure: &failure, armed: true };
        if let Err(error) = worker() {
            failure.set(error);
        } else {
            guard.armed = false;
        }
    });
    failure.into_result()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic of another thread ends the run anyway, and the locked data is consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Failure {
    error: Mutex<Option<Error>>,
    set: std::sync::atomic::AtomicBool,
}

impl Failure {
    fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    fn set(&self, error: Error) {
        lock(&self.error).get_or_insert(error);
        self.set.store(true, Ordering::Release);
    }

    fn into_result(self) -> Result<()> {
        match self.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

struct WakeOnDrop<'a, W: Fn() -> ((), ())> {
    wake: W,
    failure: &'a Failure,
    armed: bool,
}

impl<W: Fn() -> ((), ())> Drop for WakeOnDrop<'_, W> {
    fn drop(&mut self) {
        if self.armed {
            self.failure.set.store(true, Ordering::Release);
            (self.wake)();
        }
    }
}

/// Lets pieces through one by one, in their order.
struct Turnstile<F> {
    state: Mutex<(usize, F)>,
    moved: Condvar,
}

impl<F> Turnstile<F> {
    fn new(link: F) -> Self {
        Turnstile { state: Mutex::new((0, link)), moved: Condvar::new() }
    }

    fn wake(&self) {
        let _held = lock(&self.state);
        self.moved.notify_all();
    }

    /// Links a piece when its turn comes; `None` if another thread has failed.
    fn pass<M, L>(&self, piece: usize, made: M, failure: &Failure) -> Result<Option<L>>
    where
        F: FnMut(M) -> Result<L>,
    {
        let mut state = lock(&self.state);
        while state.0 != piece {
            if failure.is_set() {
                return Ok(None);
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let linked = (state.1)(made)?;
        state.0 += 1;
        self.moved.notify_all();
        Ok(Some(linked))
    }
}

struct Waiting<D, F> {
    /// The next piece to deliver.
    next: usize,
    /// Finished pieces after it.
    waiting: BTreeMap<usize, D>,
    /// Taken by the thread that is delivering.
    deliver: Option<F>,
}

/// Takes finished pieces in any order and delivers them in order. The thread that brings the next piece delivers it and
/// all pieces that wait after it, while the other threads continue.
struct Delivery<D, F> {
    state: Mutex<Waiting<D, F>>,
    moved: Condvar,
    max_waiting: usize,
}

impl<D, F: FnMut(D) -> Result<()>> Delivery<D, F> {
    fn new(deliver: F, max_waiting: usize) -> Self {
        let state = Waiting { next: 0, waiting: BTreeMap::new(), deliver: Some(deliver) };
        Delivery { state: Mutex::new(state), moved: Condvar::new(), max_waiting }
    }

    fn wake(&self) {
        let _held = lock(&self.state);
        self.moved.notify_all();
    }

    fn hand_over(&self, piece: usize, done: D, failure: &Failure) -> Result<()> {
        let mut state = lock(&self.state);
        while piece != state.next && state.waiting.len() >= self.max_waiting {
            if failure.is_set() {
                return Ok(());
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting.insert(piece, done);
        // The thread that is delivering now will find this piece.
        let Some(mut deliver) = state.deliver.take() else { return Ok(()) };
        loop {
            let next = state.next;
            let Some(done) = state.waiting.remove(&next) else { break };
            drop(state);
            deliver(done)?;
            state = lock(&self.state);
            state.next += 1;
            self.moved.notify_all();
        }
        state.deliver = Some(deliver);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    fn uneven_work(piece: usize) {
        std::thread::sleep(std::time::Duration::from_micros((piece * 7919 % 13) as u64 * 20));
    }

    #[test]
    fn pieces_are_linked_and_delivered_in_order_with_any_number_of_threads() {
        for threads in 1..=4 {
            let mut sum = 0;
            let mut delivered = Vec::new();
            run(
                &pool(threads),
                100,
                || (),
                |(), piece| {
                    uneven_work(piece);
                    Ok(piece)
                },
                |piece| {
                    sum += piece;
                    Ok((piece, sum))
                },
                |(), linked| {
                    uneven_work(linked.0 + 5);
                    Ok(linked)
                },
                |linked| {
                    delivered.push(linked);
                    Ok(())
                },
            )
            .unwrap();
            let expected: Vec<_> = (0..100).map(|piece| (piece, piece * (piece + 1) / 2)).collect();
            assert_eq!(delivered, expected);
        }
    }

    #[test]
    fn an_error_in_any_step_ends_the_run_with_that_error() {
        for step in 0..4 {
            for threads in 1..=4 {
                let fail = |at: usize, piece: usize| match (at == step, piece) {
                    (true, 17) => Err(Error::damaged(format!("step {at}"))),
                    _ => Ok(piece),
                };
                let outcome = run(
                    &pool(threads),
                    100,
                    || (),
                    |(), piece| fail(0, piece),
                    |piece| fail(1, piece),
                    |(), piece| fail(2, piece),
                    |piece| fail(3, piece).map(drop),
                );
                assert_eq!(outcome.unwrap_err().to_string(), format!("damaged: step {step}"));
            }
        }
    }

    #[test]
    fn a_panic_in_a_piece_is_a_panic_of_the_run_not_a_standstill() {
        let outcome = std::panic::catch_unwind(|| {
            run(
                &pool(3),
                50,
                || (),
                |(), piece| if piece == 20 { panic!("piece 20") } else { Ok(piece) },
                Ok,
                |(), piece| Ok(piece),
                |_| Ok(()),
            )
        });
        assert!(outcome.is_err());
    }
}
