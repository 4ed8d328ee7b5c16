//! Recommendations.

use super::{Client, ClientError, segment};
use crate::api::types::DecisionRequest;
use crate::domain::recommend::Recommendation;

impl Client {
    /// Lists what could be saved, the largest first.
    ///
    /// # Errors
    ///
    /// Prices of the estate that cannot be read.
    pub async fn recommendations(&self) -> Result<Vec<Recommendation>, ClientError> {
        self.get("/recommendations", &[]).await
    }

    /// Decides on a recommendation.
    ///
    /// # Errors
    ///
    /// One that is not there, a dismissal without a reason.
    pub async fn decide_recommendation(
        &self,
        id: &str,
        request: &DecisionRequest,
    ) -> Result<Recommendation, ClientError> {
        self.change(&format!("/recommendations/{}/decision", segment(id)), request).await
    }
}
