//! Waiting for the platform to be done with something.

use std::future::Future;
use std::time::Duration;

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at something again and again for as long as it moves, and returns it as it is then.
pub(crate) async fn settled<T, E, F>(
    first: T,
    mut moves: impl FnMut(&T) -> bool,
    mut again: impl FnMut(&T) -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut now = first;
    while moves(&now) {
        tokio::time::sleep(LOOK).await;
        now = again(&now).await?;
    }
    Ok(now)
}
