//! Budgets, and reports over what was billed.

use super::{Client, ClientError, segment};
use crate::api::types::{BillLines, ClosingRequest};
use crate::domain::budget::{BudgetParts, Figures, InstancePrice};
use crate::domain::estimate::Estimate;
use crate::domain::showback::Report;

impl Client {
    /// Lists the budgets with their figures in the period that holds the first day of `period` (the current month unless
    /// given).
    ///
    /// # Errors
    ///
    /// A period that is none.
    pub async fn budgets(&self, period: Option<&str>) -> Result<Vec<Figures>, ClientError> {
        self.get("/budgets", &[("period", period)]).await
    }

    /// Shows what committed and reserved of a budget are made of.
    ///
    /// # Errors
    ///
    /// Where there is no such budget.
    pub async fn budget_parts(&self, name: &str) -> Result<BudgetParts, ClientError> {
        self.get(&format!("/budgets/{}/parts", segment(name)), &[]).await
    }

    /// Shows what the price of a live instance is made of.
    ///
    /// # Errors
    ///
    /// Where its state is not known.
    pub async fn instance_estimate(&self, component: &str, stack: &str) -> Result<Estimate, ClientError> {
        self.get("/cost/instances/estimate", &[("component", Some(component)), ("stack", Some(stack))]).await
    }

    /// Lists what each instance costs a month, by its state.
    ///
    /// # Errors
    ///
    /// Prices of the estate that cannot be read.
    pub async fn instance_prices(&self) -> Result<Vec<InstancePrice>, ClientError> {
        self.get("/cost/instances", &[]).await
    }

    /// Reports what was billed in a period (`2026-10`; the current month unless given), added up by dimensions
    /// (`team,stage,service`) and narrowed by them.
    ///
    /// # Errors
    ///
    /// A period or a dimension that is none.
    pub async fn cost_report(
        &self,
        period: Option<&str>,
        by: &str,
        currency: Option<&str>,
        only: &[(&str, &str)],
    ) -> Result<Report, ClientError> {
        let mut parameters = vec![("period", period), ("by", Some(by)), ("currency", currency)];
        parameters.extend(only.iter().map(|(name, value)| (*name, Some(*value))));
        self.get("/budgets/report", &parameters).await
    }

    /// Shows the lines of the bill that make up a charge.
    ///
    /// # Errors
    ///
    /// Where there is no such charge.
    pub async fn cost_lines(&self, period: Option<&str>, charge: i64) -> Result<BillLines, ClientError> {
        let charge = charge.to_string();
        self.get("/cost/lines", &[("period", period), ("charge", Some(&charge))]).await
    }

    /// Closes a month; returns its report by team.
    ///
    /// # Errors
    ///
    /// A month that cannot be closed, and why.
    pub async fn close_month(&self, period: &str) -> Result<Report, ClientError> {
        self.change("/budgets/closings", &ClosingRequest { period: period.to_owned() }).await
    }
}
