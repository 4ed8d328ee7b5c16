//! The price and the verdict of a run's plan, said beside what it changes.

use crate::api::client::{Client, ClientError};
use crate::cli::estimate::signed;
use crate::cli::output::{Paint, plain};
use crate::cli::policy::write_verdict;
use crate::domain::id::RunRef;
use crate::domain::run::Run;

/// Says on standard error what a run's plan costs a month and what policy says of it; nothing where it has no plan.
pub(crate) async fn tell(client: &Client, paint: Paint, run: &Run) {
    if !run.has_plan() {
        return;
    }
    let of = RunRef::Id(run.id);
    match client.run_estimate(of).await {
        Ok(estimate) => {
            eprintln!("{} {} a month, {} after", paint.bold("price:  "), signed(&estimate.delta), estimate.after);
            for unknown in &estimate.unknown {
                eprintln!("         {} {}: {}", paint.warning("unknown"), plain(&unknown.address), plain(&unknown.why));
            }
        }
        Err(error) => failed(paint, "price:  ", &error),
    }
    match client.run_verdict(of).await {
        // Where standard error is closed there is nobody to tell.
        Ok(verdict) => drop(write_verdict(&mut std::io::stderr().lock(), paint, &verdict)),
        Err(error) => failed(paint, "policy: ", &error),
    }
}

fn failed(paint: Paint, what: &str, error: &ClientError) {
    eprintln!("{} {}", paint.bold(what), paint.warning(plain(&format!("unknown: {error}"))));
}
