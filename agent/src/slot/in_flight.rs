//! Calls in flight, beside which the loop goes on.

use std::{
    future::{Future, pending},
    pin::Pin,
};

/// A call that was made, and is not answered yet.
pub(super) type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The answer of a call in flight; waits for ever when there is none.
pub(super) async fn answer_of<T>(call: Option<&mut Call<T>>) -> T {
    match call {
        Some(call) => call.as_mut().await,
        None => pending().await,
    }
}
