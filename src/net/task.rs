//! What a task of ours left when it ended.

use tokio::task::JoinError;

/// What the task came to; `None` where the runtime is being shut down. A panic is a fault of ours, and belongs to whoever
/// started the task: it goes on here.
pub(crate) fn ended<T>(task: Result<T, JoinError>) -> Option<T> {
    match task.map_err(JoinError::try_into_panic) {
        Ok(left) => Some(left),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => None,
    }
}
