//! Somebody who counts the stock all the while: no balance may be negative at any moment, or go back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::ProductId;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::finding::{Finding, Kind};
use super::http::{Call, Http};
use super::system::Service;
use super::view::ProductView;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
const KEPT: usize = 200;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The newest version of each product.
    versions: BTreeMap<ProductId, u64>,
    pub(crate) looks: u64,
    pub(crate) findings: Vec<Finding>,
}

impl Seen {
    /// One look.
    pub(crate) fn look(&mut self, products: &[ProductView]) {
        self.looks += 1;
        for product in products {
            let id = product.id;
            if let Some(fault) = product.fault() {
                self.find(Kind::Oversold, format!("product {id}, seen while it ran: {fault}"));
            }
            let before = self.versions.insert(id, product.version).unwrap_or_default();
            if product.version < before {
                let what = format!("product {id} was at version {before} and then at {}", product.version);
                self.find(Kind::AcknowledgedLost, what);
            }
        }
    }

    fn find(&mut self, kind: Kind, what: String) {
        if self.findings.len() < KEPT {
            self.findings.push(kind.finding(what));
        }
    }
}

/// Looks at all products until `stop`.
pub(crate) async fn count(mut http: Http, seen: Arc<Mutex<Seen>>, stop: CancellationToken) {
    let call = Call::get(Service::Products, "/api/v1/products?limit=100".to_owned());
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let Some(reply) = http.ask(&call).await.filter(|reply| reply.status == 200) else { continue };
        let products = serde_json::from_value::<Vec<ProductView>>(reply.body["data"]["products"].clone());
        let mut seen = seen.lock();
        match products {
            Ok(products) => seen.look(&products),
            Err(error) => seen.find(Kind::OutsideContract, format!("{}: {error}", call.name())),
        }
    }
}
